"""The dashboard in a real browser, over loops that learn meanwhile."""

import json

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
    assert page.locator("#tiles", has_text="all actions are equally likely").is_visible()
    look_at(page, "dashboard-empty")


def test_the_curve_rises_while_visitors_come(app, browse, dashboard):
    page = dashboard("curve")
    demo = browse(f"{app.url}demo?loop=curve")
    sign_in(demo, app.key)
    demo.get_by_label("Visitors a second").select_option("15")
    demo.get_by_role("button", name="Let visitors come").click()

    page.wait_for_function(RISEN, polling=500, timeout=120_000)
    demo.get_by_role("button", name="Pause").click()
    page.locator("#verdict", has_text="more than random choice").wait_for()

    assert page.locator("#first-steps").is_hidden()
    actions = page.locator("#actions-table th").all_inner_texts()
    assert sorted(actions) == sorted(SHOP["drinks"])
    look_at(page, "dashboard")
