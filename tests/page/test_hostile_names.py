"""What callers call things is shown as text, whatever it looks like."""

import json
import time

from dashboard_function.static_files import FOLDER
from tests.page.conftest import sign_in
from tests.support.simulation import call

SHOP = json.loads((FOLDER / "demo.json").read_text())
HACK = "window.hacked=1"
NAMES = [
    f"<img src=x onerror={HACK}>",
    f"\"'><script>{HACK}</script>",
    f"<svg/onload={HACK}>",
    f"javascript:{HACK}",
    f"</td></table><iframe srcdoc='<script>parent.{HACK}</script>'>",
    f"{{{{constructor.constructor('{HACK}')()}}}}",
    "\u202etxt.exe",
    "__proto__",
    "constructor",
]


def test_hostile_names_are_text_in_every_part_of_the_page(app, browse):
    loop = "hostile"
    document = {"serviceConfiguration": SHOP["settings"], "policy": SHOP["policy"]}
    assert call(app, "PUT", f"loops/{loop}", document)[0] in {200, 201}
    prefix = f"loops/{loop}/personalizer/v1.0"
    # The table shows the seven actions that came most often: the first, offered alone at times.
    offers = [(name, NAMES) for name in NAMES * 3] + [(name, NAMES[:1]) for name in NAMES]
    for number, (name, offered) in enumerate(offers):
        ranked = {
            "eventId": f"{name}{number}",
            "contextFeatures": [{name: name, "space": {name: name}}],
            "actions": [{"id": each, "features": [{each: each}]} for each in offered],
        }
        status, answer = call(app, "POST", f"{prefix}/rank", ranked)
        assert status == 201, answer
    deadline = time.monotonic() + 60
    while not call(app, "GET", f"loops/{loop}")[1]["state"]["publishedModel"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    page = browse(f"{app.url}dashboard?loop={loop}&range=0.25")
    sign_in(page, app.key)
    page.get_by_text("Updated").wait_for()
    shown = page.locator("#actions-table th", has_text="<img src=x")
    shown.first.wait_for(timeout=60_000)
    page.locator("#decisions button").first.click()
    page.get_by_role("region", name="What each feature adds").wait_for()

    text = page.evaluate("() => document.body.innerText")
    assert f"<img src=x onerror={HACK}>" in text
    assert page.evaluate("() => window.hacked") is None
    assert page.evaluate("() => ({}).hacked") is None
    slipped = page.locator(
        "img:not([src='static/icon.svg']), iframe, script:not([src]), [onerror], [onload]"
    )
    assert slipped.evaluate_all("(found) => found.map((each) => each.outerHTML)") == []
    assert page.locator("a[href^='javascript:']").count() == 0


def test_the_policy_of_the_page_stops_what_would_be_slipped_in(app, browse, complaints):
    """Were a name ever taken for HTML, nothing in it would run."""
    page = browse(f"{app.url}dashboard")

    page.evaluate(
        """(hack) => {
            document.body.insertAdjacentHTML("beforeend", `<img src=x onerror=${hack}>`);
            const script = document.createElement("script");
            script.textContent = hack;
            document.body.append(script);
        }""",
        HACK,
    )
    page.wait_for_timeout(200)

    assert page.evaluate("() => window.hacked") is None
    stopped = [line for line in complaints if "Content Security Policy" in line]
    assert len(stopped) >= 2
    complaints.clear()


def test_no_other_site_can_frame_the_page(app, browse, complaints):
    page = browse(f"{app.url}health")
    page.set_content(f"<iframe src='{app.url}dashboard'></iframe>")
    page.wait_for_timeout(500)

    framed = [frame for frame in page.frames if frame.parent_frame]
    assert not any("dashboard" in frame.url and frame.title() for frame in framed)
    assert any("frame-ancestors" in line for line in complaints)
    complaints.clear()
