"""The page's files over HTTP: only what is known, cached by content, under a strict policy."""

import http.client
import re
from urllib.parse import urlsplit

import pytest

from dashboard_function.static_files import FOLDER, files, read_files

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
}
PAGES = sorted(name for name in files() if name.endswith(".html"))


def ask(app, path, method="GET", **headers):
    url = urlsplit(app.url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("style.css", "text/css"),
        ("api.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
        ("demo.json", "application/json"),
        ("vendor/uPlot.iife.min.js", "text/javascript"),
        ("vendor/uPlot.LICENSE.txt", "text/plain"),
    ],
)
def test_a_file_comes_with_its_media_type_and_the_policy(running_app, name, media_type):
    status, headers, body = ask(running_app, f"/static/{name}")

    assert status == 200
    assert body == (FOLDER / name).read_bytes()
    assert headers["content-type"] == f"{media_type}; charset=utf-8"
    assert set(headers["content-security-policy"].split("; ")) == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_what_is_unchanged_is_not_sent_again(running_app):
    _, headers, _ = ask(running_app, "/static/api.js")

    again = ask(running_app, "/static/api.js", **{"If-None-Match": headers["etag"]})
    other = ask(running_app, "/static/api.js", **{"If-None-Match": '"other"'})

    assert headers["cache-control"] == "no-cache"
    assert (again[0], again[1]["etag"], again[2]) == (304, headers["etag"], b"")
    assert other[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../blueprint.py",
        "/static/..%2Fblueprint.py",
        "/static/%2e%2e/blueprint.py",
        "/static//etc/passwd",
        "/static/",
        "/static",
        "/static/vendor",
        "/static/vendor/.ready",
        "/static/dashboard.HTML%00",
        "/no-such-page",
    ],
)
def test_nothing_else_can_be_asked_for(running_app, path):
    status, headers, body = ask(running_app, path)

    assert status == 404
    assert headers["content-type"].startswith("application/json")
    assert b'"ResourceNotFound"' in body


def test_a_file_of_an_unknown_kind_is_not_served(tmp_path):
    for name in ("page.html", "notes.md", ".hidden", "key"):
        (tmp_path / name).write_text("x")

    assert set(read_files(tmp_path)) == {"page.html"}


def test_a_trailing_slash_leads_to_the_page_without(running_app):
    status, headers, _ = ask(running_app, "/demo/")

    assert (status, headers["location"]) == (308, "../demo")


def test_the_head_of_a_page_can_be_asked_for(running_app):
    status, headers, body = ask(running_app, "/demo", "HEAD")

    assert (status, body) == (200, b"")
    assert headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_holds_no_script_or_style_of_its_own(name):
    text = (FOLDER / name).read_text()

    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_every_module_that_it_will_load(name):
    """Otherwise the browser would find them one after the other."""
    text = (FOLDER / name).read_text()
    named = set(re.findall(r'(?:modulepreload" href|<script src)="static/([\w.]+\.js)"', text))
    entry = re.search(r'<script src="static/(\w+\.js)" type="module"', text)[1]
    imported, left = {entry}, [entry]
    while left:
        source = (FOLDER / left.pop()).read_text()
        found = set(re.findall(r'^(?:import|} from) .*?"\./(\w+\.js)"', source, re.M)) - imported
        imported |= found
        left += found

    assert named == imported
