"""The demo page in a real browser, against the running app: rank, reward and learning happen."""

import json
import re

import pytest

from tests.page.conftest import PHONE, barriers, overflow, picture, sign_in
from tests.support.simulation import call

POLICY = "personalizer/v1.0/configurations/policy"
KNOWN = """() => [...document.querySelectorAll("#chances .liked")]
    .every((cell) => parseInt(cell.innerText) > 80)"""
MORE = """(count) => parseInt(
    document.querySelector("#strategy-0").innerText.replace(",", "").match(/to (\\d+) visitors/)[1]
) >= count"""
UNKNOWN = KNOWN.replace(".every", ".some").replace("> 80", "< 20")


@pytest.fixture
def demo(app, browse):
    page = browse(f"{app.url}demo")
    sign_in(page, app.key)
    return page


def let_visitors_come(page):
    page.get_by_label("Visitors a second").select_option("30")
    page.get_by_role("button", name="Let visitors come").click()


def visitors(page):
    text = page.locator("#strategy-0").inner_text().replace(",", "")
    return int(re.search(r"to (\d+) visitors", text)[1])


def share_of_buyers(page, index):
    return int(page.locator(f"#strategy-{index} .score").inner_text().rstrip("%"))


def test_a_loop_gets_other_settings_only_with_consent(app, demo):
    before = call(app, "DELETE", POLICY)[1]

    let_visitors_come(demo)
    demo.get_by_role("button", name="Leave them").click()

    assert call(app, "GET", POLICY)[1] == before
    assert demo.locator("#calls", has_text="/rank").count() == 0

    let_visitors_come(demo)
    demo.get_by_role("button", name="Change them and start").click()
    demo.locator("#calls", has_text="/rank").first.wait_for()

    planned = json.loads((demo.request.get(f"{app.url}static/demo.json")).text())["policy"]
    assert call(app, "GET", POLICY)[1]["arguments"] == planned["arguments"]


def test_it_learns_what_visitors_like_and_learns_anew_when_that_changes(app, demo):
    let_visitors_come(demo)
    consent = demo.get_by_role("button", name="Change them and start")
    pause = demo.get_by_role("button", name="Pause")
    consent.or_(pause).first.wait_for()
    if consent.is_visible():
        consent.click()

    demo.wait_for_function(KNOWN, timeout=120_000)
    demo.wait_for_function(MORE, arg=visitors(demo) + 100)  # shares are of the last 100
    loop, random, fixed = (share_of_buyers(demo, index) for index in range(3))
    picture(demo, "demo-desktop-light")
    demo.get_by_role("button", name="Change their taste").click()
    demo.wait_for_function(UNKNOWN)
    demo.wait_for_function(KNOWN, timeout=120_000)
    pause.click()

    assert loop > max(random, fixed)
    assert barriers(demo) == []
    demo.emulate_media(color_scheme="dark")
    demo.set_viewport_size(PHONE)
    picture(demo, "demo-phone-dark")
    assert barriers(demo) == []
    assert overflow(demo) == 0


def test_calls_are_shown_as_they_were_sent(app, demo):
    sent = []
    demo.on("request", lambda request: sent.append(request) if "/rank" in request.url else None)
    let_visitors_come(demo)
    consent = demo.get_by_role("button", name="Change them and start")
    first = demo.locator("#calls details", has_text="/rank").first
    consent.or_(first).first.wait_for()
    if consent.is_visible():
        consent.click()
    first.locator("summary").click()
    opened = demo.locator("#calls details[open]")

    shown = [json.loads(text) for text in opened.locator("pre").all_inner_texts()]

    assert "POST" in opened.inner_text()
    assert "201" in opened.inner_text()
    assert " ms" in opened.inner_text()
    assert shown[0] in [json.loads(request.post_data) for request in sent]
    assert shown[1]["rewardActionId"] in {action["id"] for action in shown[1]["ranking"]}
    assert all(app.key not in request.url for request in sent)
