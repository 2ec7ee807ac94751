"""Fixtures: the system's Chromium, and pages whose every complaint fails the test."""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from devserver.app import LocalApp
from tests.conftest import FAST

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "artifacts"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"width": 360, "height": 800}
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture(scope="package")
def chromium():
    """The browser of the system, as Debian's package ``chromium`` installs it.

    It ends with this package: Playwright keeps an event loop of its own running meanwhile.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"] if root else []
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def app():
    """An app with an emulator of its own: what the pages show is what these tests did."""
    with LocalApp({**os.environ, **FAST}) as running:
        yield running


@pytest.fixture
def complaints():
    """What the browser complains about; a test takes out what it expects."""
    found = []
    yield found
    assert found == []


@pytest.fixture
def browse(chromium, complaints):
    """Open pages in a context of their own."""
    contexts = []

    def open_page(url, **options):
        context = chromium.new_context(**{"viewport": DESKTOP, "locale": "en-GB", **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()


def sign_in(page, key):
    """Type a key and wait for what it opens."""
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()


def picture(page, name):
    """Keep a picture of the whole page for people to look at."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


def barriers(page):
    """Return what axe-core finds serious or critical, as rule and places."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("() => axe.run({resultTypes: ['violations']})")["violations"]
    return [
        (rule["id"], [place["html"][:200] for place in rule["nodes"]])
        for rule in found
        if rule["impact"] in {"serious", "critical"}
    ]


def overflow(page):
    """Return by how many pixels a page is wider than its window."""
    return page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
