"""Fixtures: one emulator and one running app for the whole session, both always stopped."""

import os

import pytest
from hypothesis import settings

from devserver.app import LocalApp
from devserver.azurite import Azurite
from tests.support.secrets_in_logs import leaks_in

settings.register_profile("steady", deadline=None)  # a busy machine is not a failure
settings.load_profile("steady")

FAST = {
    "PERSONALIZER_KEY_1": "first-key-of-the-tests",
    "PERSONALIZER_KEY_2": "second-key-of-the-tests",
    "BUCKET_SECONDS": "1",
    "WRITE_DEADLINE_SECONDS": "2",
    "CLOCK_SKEW_SECONDS": "0",
    "TRAIN_SCHEDULE": "* * * * * *",
    "TRAIN_LEASE_SECONDS": "15",
    "MODEL_POLL_SECONDS": "0.3",
    "METRICS_SECONDS": "5",
}


@pytest.fixture(scope="session", autouse=True)
def logs(tmp_path_factory):
    """Folder of all that processes of the app log, at their wordiest; no secret may be in it.

    It is set up first and torn down last, so that whatever a test has started has been stopped.
    """
    folder = tmp_path_factory.mktemp("logs")
    os.environ |= {"DEVSERVER_LOGS": str(folder), "DEVSERVER_LOG_LEVEL": "DEBUG"}
    yield folder
    keys = [FAST["PERSONALIZER_KEY_1"], FAST["PERSONALIZER_KEY_2"]]
    assert leaks_in(folder, keys) == {}


@pytest.fixture(scope="session")
def azurite():
    """Connection string of a real storage emulator."""
    emulator = Azurite(None)
    yield emulator.connection_string
    emulator.stop()


@pytest.fixture(scope="session")
def app_environ(azurite):
    """App settings for tests, on the emulator."""
    return {**os.environ, **FAST, "DATA_STORAGE": azurite}


@pytest.fixture(scope="session")
def running_app(app_environ):
    """The whole app as processes, with time settings for impatient tests."""
    with LocalApp(app_environ) as app:
        yield app
