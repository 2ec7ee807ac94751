"""The dashboard while storage is away, in a real browser."""

import os
import time

import pytest

from devserver.azurite import Azurite
from tests.conftest import FAST
from tests.page.conftest import sign_in
from tests.support.bad_storage import BadStorage
from tests.support.web import Web


@pytest.fixture
def storage(chromium):
    emulator = Azurite(None)
    with BadStorage(emulator.connection_string) as storage:
        yield storage
    emulator.stop()


def test_the_page_says_that_storage_is_away_and_when_it_is_back(storage, browse, complaints):
    with Web({**os.environ, **FAST, "DATA_STORAGE": storage.connection_string}) as app:
        page = browse(f"{app.url}dashboard?range=0.25")
        sign_in(page, app.key)
        page.get_by_text("Updated").wait_for()
        page.locator("#live").uncheck()
        assert page.locator("#storage").is_hidden()

        with storage.away("answers 500"):
            until_ready_is(app, 503)
            page.locator("#live").check()  # looks at once
            page.get_by_text("Storage has not answered since").wait_for()
            page.locator("#live").uncheck()

        until_ready_is(app, 200)
        page.locator("#live").check()
        page.locator("#storage").wait_for(state="hidden")
        page.close()
    complaints.clear()  # the browser's, about answers of 503


def until_ready_is(app, status):
    deadline = time.monotonic() + 30
    while app.send("GET", "health/ready")[0] != status:
        assert time.monotonic() < deadline
        time.sleep(0.1)
