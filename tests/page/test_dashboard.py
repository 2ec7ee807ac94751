"""The dashboard in a real browser, over loops that learn meanwhile."""

import json
import re

import pytest

from dashboard_function.static_files import FOLDER
from tests.page.conftest import PHONE, barriers, overflow, picture, sign_in
from tests.support.simulation import call

SHOP = json.loads((FOLDER / "demo.json").read_text())
RISEN = """() => {
    const means = [...document.querySelectorAll("#rewards-table tbody tr")]
        .map((row) => parseFloat(row.children[2].textContent));
    return means.length > 3 && Math.max(...means) > means.at(-1) + 0.25;
}"""


@pytest.fixture
def dashboard(app, browse):
    """Open the dashboard of a new loop with the settings of the demo."""

    def open_loop(name):
        document = {"serviceConfiguration": SHOP["settings"], "policy": SHOP["policy"]}
        assert call(app, "PUT", f"loops/{name}", document)[0] in {200, 201}
        page = browse(f"{app.url}dashboard?loop={name}&range=0.25")
        sign_in(page, app.key)
        page.get_by_text("Updated").wait_for()
        return page

    return open_loop


def look_at(page, name):
    """Keep pictures at both widths in both schemes; nothing may be in anybody's way."""
    for width, size in (("desktop", page.viewport_size), ("phone", PHONE)):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            picture(page, f"{name}-{width}-{scheme}")
            assert barriers(page) == []
        assert overflow(page) == 0


def test_an_empty_loop_says_what_to_do_first(dashboard):
    page = dashboard("fresh")

    assert "Ask for a decision" in page.locator("#first-steps").inner_text()
    assert page.locator("#decisions-empty").is_visible()
    assert page.locator("#tiles", has_text="all actions are equally likely").is_visible()
    look_at(page, "dashboard-empty")


def test_it_says_when_the_app_does_not_answer_and_goes_on_when_it_does(dashboard, complaints):
    page = dashboard("fresh")

    page.context.set_offline(True)
    page.get_by_role("alert").get_by_text("The app did not answer.").wait_for()
    page.context.set_offline(False)
    page.get_by_text("The app did not answer.").wait_for(state="detached")

    assert complaints, "the browser's own lines about requests that failed"
    assert all("ERR_INTERNET_DISCONNECTED" in line for line in complaints)
    complaints.clear()


def test_a_key_of_one_loop_opens_that_loop_only(app, browse, complaints):
    keys = call(app, "PUT", "loops/mine")[1]["keys"]
    page = browse(f"{app.url}dashboard?loop=mine")
    sign_in(page, keys[0])

    page.get_by_text("Updated").wait_for()

    assert page.locator("#loop option").all_inner_texts() == ["mine"]
    assert len(complaints) == 1, "the browser's own line about the list of loops"
    assert "401" in complaints.pop()


def test_the_curve_rises_while_visitors_come_and_a_decision_tells_why(app, browse, dashboard):
    page = dashboard("curve")
    demo = browse(f"{app.url}demo?loop=curve")
    sign_in(demo, app.key)
    demo.get_by_label("Visitors a second").select_option("15")
    demo.get_by_role("button", name="Let visitors come").click()

    page.wait_for_function(RISEN, polling=500, timeout=120_000)
    page.locator("#verdict", has_text="more than random choice").wait_for(timeout=120_000)
    demo.get_by_role("button", name="Pause").click()

    assert page.locator("#first-steps").is_hidden()
    actions = page.locator("#actions-table th").all_inner_texts()
    assert sorted(actions) == sorted(SHOP["drinks"])
    look_at(page, "dashboard")
    see_why(app, page)
    see_a_finding_come_and_go(app, page)


def see_why(app, page):
    """Open the latest decision by keyboard; its explanation adds up and is the API's."""
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_label("Live").uncheck()
    button = page.locator("#decisions button").first
    event_id = button.inner_text()
    button = page.get_by_role("button", name=event_id)
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=f"Decision {event_id}")
    reasons = dialog.get_by_role("region", name="What each feature adds")
    reasons.wait_for()

    told = call(app, "GET", f"loops/curve/decisions/{event_id}")[1]
    chances = dialog.get_by_role("region", name="Chances of the actions").locator("tbody tr")
    shown = {
        row.locator("th").inner_text().split("\n")[0].removesuffix(" chosen"): float(
            row.locator("td").nth(1).inner_text().rstrip("%")
        )
        for row in chances.all()
    }
    assert shown == pytest.approx(
        {action["id"]: action["probability"] * 100 for action in told["actions"]}, abs=0.051
    )
    added = [float(text) for text in reasons.locator("tbody td:last-child").all_inner_texts()]
    total = float(re.search(r"predicted reward, (-?[\d.]+),", dialog.inner_text())[1])
    assert sum(added) == pytest.approx(total, abs=0.0006 * (len(added) + 1))
    assert any("context.time" in name for name in reasons.locator("th").all_inner_texts())
    picture(page, "decision-desktop-dark")
    assert barriers(page) == []
    page.keyboard.press("Escape")
    assert dialog.is_hidden()
    assert button.evaluate("(button) => button === document.activeElement")


def see_a_finding_come_and_go(app, page):
    """Learning settings that no context can get into are found, and forgotten when mended."""
    policy = "loops/curve/personalizer/v1.0/configurations/policy"
    finding = page.locator("#findings [data-code=noInteractions]")
    page.get_by_label("Live").check()
    assert finding.count() == 0

    blind = {"name": "blind", "arguments": "--cb_explore_adf --epsilon 0.1"}
    assert call(app, "PUT", policy, blind)[0] == 200
    finding.wait_for()
    assert "What to do:" in finding.inner_text()
    picture(page, "doctor-desktop-dark")

    assert call(app, "PUT", policy, SHOP["policy"])[0] == 200
    finding.wait_for(state="detached")
