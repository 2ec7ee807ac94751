"""The key opens the pages, stays in the tab, and never is in an address or a cookie."""

import pytest

from tests.page.conftest import barriers, picture, sign_in

PAGES = ["", "dashboard", "demo"]


@pytest.mark.parametrize("path", PAGES)
def test_a_wrong_key_is_refused_and_the_right_one_opens(app, browse, complaints, path):
    page = browse(f"{app.url}{path}")
    assert barriers(page) == []
    page.get_by_label("Key", exact=True).fill("not-the-key-of-this-app")
    page.get_by_role("button", name="Sign in").click()

    page.get_by_text("This key does not open the app.").wait_for()

    assert page.get_by_role("button", name="Sign out").is_hidden()
    assert barriers(page) == []
    assert [text for text in complaints if "401" not in text] == []
    assert len(complaints) == 1, "the browser's own line about the refused request"
    complaints.clear()
    sign_in(page, app.key)
    assert page.get_by_label("Key", exact=True).is_hidden()


@pytest.mark.parametrize("path", PAGES)
def test_the_key_stays_in_the_tab_until_signed_out(app, browse, path):
    page = browse(f"{app.url}{path}")
    requests = []
    page.on("request", lambda request: requests.append(request))
    sign_in(page, app.key)

    page.reload()
    page.get_by_role("button", name="Sign out").wait_for()

    assert [request.url for request in requests if app.key in request.url] == []
    assert page.context.cookies() == []
    assert page.evaluate("() => localStorage.length") == 0
    other_tab = page.context.new_page()
    other_tab.goto(page.url)
    other_tab.get_by_label("Key", exact=True).wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Key", exact=True).wait_for()
    assert page.evaluate("() => sessionStorage.length") == 0
    picture(page, "sign-in")


@pytest.mark.parametrize("path", PAGES)
def test_a_key_that_was_changed_meanwhile_is_asked_for_again(app, browse, complaints, path):
    page = browse(f"{app.url}{path}")
    page.evaluate("() => sessionStorage.setItem('open-personalizer-key', 'a-key-of-last-week')")

    page.reload()

    page.get_by_text("This key does not open the app.").wait_for()
    complaints.clear()


@pytest.mark.parametrize("path", PAGES)
def test_the_first_paint_costs_less_than_150_kilobytes(app, browse, path):
    sizes = {}
    page = browse("about:blank")
    page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}))

    page.goto(f"{app.url}{path}", wait_until="networkidle")

    assert any(url.endswith("uPlot.iife.min.js") for url in sizes)
    assert all(url.startswith(app.url) for url in sizes)
    assert sum(sizes.values()) < 150 * 1024, sizes
