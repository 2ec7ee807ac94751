"""The demo page in a real browser, against the running app: rank, reward and learning happen."""

import json
import re

import pytest

from dashboard_function.static_files import FOLDER
from tests.page.conftest import PHONE, barriers, overflow, picture, sign_in
from tests.support.simulation import call

SHOP = json.loads((FOLDER / "demo.json").read_text())
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


def let_visitors_come(page, per_second=30):
    page.get_by_label("Visitors a second").select_option(str(per_second))
    page.get_by_role("button", name="Let visitors come").click()


def visitors(page):
    text = page.locator("#strategy-0").inner_text().replace(",", "")
    return int(re.search(r"to (\d+) visitors", text)[1])


def share_of_buyers(page, index):
    return int(page.locator(f"#strategy-{index} .score").inner_text().rstrip("%"))


def test_a_loop_that_is_not_its_own_gets_other_settings_only_with_consent(app, browse):
    policy = f"loops/shop/{POLICY}"
    assert call(app, "PUT", "loops/shop")[0] == 201
    before = call(app, "GET", policy)[1]
    page = browse(f"{app.url}demo?loop=shop")
    sign_in(page, app.key)

    let_visitors_come(page)
    page.get_by_role("button", name="Leave them").click()

    assert call(app, "GET", policy)[1] == before
    assert page.locator("#calls", has_text="/rank").count() == 0

    let_visitors_come(page)
    page.get_by_role("button", name="Change them and start").click()
    page.locator("#calls", has_text="/loops/shop/personalizer/v1.1-preview.3/rank").first.wait_for()

    assert call(app, "GET", policy)[1]["arguments"] == SHOP["policy"]["arguments"]


def test_its_own_loop_is_made_and_the_keys_of_that_are_not_shown(app, demo):
    assert "demo" not in [loop["name"] for loop in call(app, "GET", "loops")[1]["loops"]]

    with demo.expect_response("**/loops/demo") as made:
        let_visitors_come(demo, per_second=1)
    demo.locator("#calls", has_text="/loops/demo/personalizer/").first.wait_for()
    demo.get_by_role("button", name="Pause").click()
    keys = made.value.json()["keys"]
    demo.locator("#calls summary", has_text="PUT").click()

    assert demo.get_by_text("not shown here").is_visible()
    assert len(keys) == 2
    assert not any(key in demo.content() for key in keys)


def test_it_learns_what_visitors_like_and_learns_anew_when_that_changes(app, demo):
    let_visitors_come(demo)

    demo.wait_for_function(KNOWN, timeout=120_000)
    demo.wait_for_function(MORE, arg=visitors(demo) + 100)  # shares are of the last 100
    loop, random, fixed = (share_of_buyers(demo, index) for index in range(3))
    picture(demo, "demo-desktop-light")
    demo.get_by_role("button", name="Change their taste").click()
    demo.wait_for_function(UNKNOWN)
    demo.wait_for_function(KNOWN, timeout=120_000)
    demo.get_by_role("button", name="Pause").click()

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
    demo.locator("#calls details", has_text="/rank").first.locator("summary").click()
    opened = demo.locator("#calls details[open]")

    shown = [json.loads(text) for text in opened.locator("pre").all_inner_texts()]

    assert "POST" in opened.inner_text()
    assert "201" in opened.inner_text()
    assert " ms" in opened.inner_text()
    assert shown[0] in [json.loads(request.post_data) for request in sent]
    assert shown[1]["rewardActionId"] in {action["id"] for action in shown[1]["ranking"]}
    assert all(app.key not in request.url for request in sent)
