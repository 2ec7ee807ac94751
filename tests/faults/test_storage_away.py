"""Real processes whose storage goes away: they answer in time, never forget, and recover."""

import os
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from devserver.app import LocalApp
from devserver.azurite import Azurite
from devserver.children import Child
from tests.conftest import FAST
from tests.support.bad_storage import WAYS, BadStorage
from tests.support.simulation import call

DEADLINE = 1.0
IN_TIME = DEADLINE + 1.0 + 3.0
"""Seconds: the deadline, the documented margin, and room for a busy machine."""

ENVIRON = {**os.environ, **FAST, "WRITE_DEADLINE_SECONDS": str(DEADLINE)}
ACTIONS = [{"id": name, "features": [{"kind": name}]} for name in "ab"]
KEY = FAST["PERSONALIZER_KEY_1"]
OF_LOOP = "loops/shop/"


class Web:
    """A web process of its own."""

    def __init__(self, environ):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        self.url, self.key = f"http://127.0.0.1:{port}/", KEY
        self._child = Child("web", [sys.executable, "-m", "devserver.web", str(port)], environ)

    def stop(self):
        self._child.stop()


@pytest.fixture(scope="module")
def storage():
    emulator = Azurite(None)
    with BadStorage(emulator.connection_string) as storage:
        yield storage
    emulator.stop()


@pytest.fixture(scope="module")
def app(storage):
    """The app with its timers; its storage holds a loop besides the default one."""
    environ = {**ENVIRON, "DATA_STORAGE": storage.connection_string}
    with LocalApp(environ) as app:
        document = {
            "serviceConfiguration": {"rewardWaitTime": "PT1S", "modelExportFrequency": "PT1S"}
        }
        status, made = call(app, "PUT", "loops/shop", document)
        assert status == 201
        app.loop_key = made["keys"][0]
        assert call(app, "PUT", "personalizer/v1.0/configurations/service", settings(app))[0] == 200
        yield app
        storage.comes_back()


def settings(app):
    found = call(app, "GET", "personalizer/v1.0/configurations/service")[1]
    return {**found, "rewardWaitTime": "PT1S", "modelExportFrequency": "PT1S"}


def rank(app, event_id, prefix="", key=None):
    body = {"eventId": event_id, "actions": ACTIONS}
    return call(app, "POST", f"{prefix}personalizer/v1.0/rank", body, key=key or app.key)


def reward(app, event_id, prefix="", key=None):
    path = f"{prefix}personalizer/v1.0/events/{event_id}/reward"
    return call(app, "POST", path, {"value": 1.0}, key=key or app.key)


def timed(request, *args):
    """Return status and error code of a call, and whether it was answered in time."""
    started = time.monotonic()
    status, answer = request(*args)
    code = answer["error"]["code"] if status >= 400 else None
    return status, code, time.monotonic() - started < IN_TIME


REFUSED = (503, "StorageUnavailable", True)


def until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("way", [*WAYS, "refuses"])
def test_rank_and_reward_are_refused_in_time_and_go_on_by_themselves(app, storage, way):
    event = way.replace(" ", "-")
    until(lambda: rank(app, f"{event}-before")[0] == 201)
    until(lambda: rank(app, f"{event}-before", OF_LOOP, app.loop_key)[0] == 201)
    storage.goes_away(way)
    try:
        with ThreadPoolExecutor(16) as pool:
            calls = [
                pool.submit(timed, request, app, f"{event}-{number}", *where)
                for number in range(4)
                for request in (rank, reward)
                for where in (("", app.key), (OF_LOOP, app.loop_key))
            ]
            health = call(app, "GET", "health")
            found = [future.result() for future in calls]
    finally:
        storage.comes_back()

    assert found == [REFUSED] * len(found)
    assert health[0] == 200
    until(lambda: rank(app, f"{event}-after")[0] == 201)
    until(lambda: reward(app, f"{event}-after", OF_LOOP, app.loop_key)[0] == 204)


def test_training_and_health_go_on_by_themselves(app):
    until(lambda: call(app, "GET", "health/ready")[0] == 200)
    before = call(app, "GET", "health")[1]["closedEvents"]
    ranked = [rank(app, f"learned-{number}")[0] for number in range(5)]

    assert ranked == [201] * 5
    until(lambda: call(app, "GET", "health")[1]["closedEvents"] >= before + 5)
    assert call(app, "GET", "health")[1]["storage"] == "reachable"


@pytest.mark.parametrize("way", ["hangs", "refuses"])
def test_who_starts_or_manages_while_storage_is_away_is_told_and_then_served(app, storage, way):
    until(lambda: call(app, "GET", "health/ready")[0] == 200)
    storage.goes_away(way)
    web = Web({**ENVIRON, "DATA_STORAGE": storage.connection_string})
    try:
        with ThreadPoolExecutor(8) as pool:
            managed = pool.submit(call, app, "GET", "personalizer/v1.0/configurations/service")
            until(lambda: answers(web))
            calls = [
                pool.submit(timed, request, web, f"early-{way}", *where)
                for request in (rank, reward)
                for where in (("", KEY), (OF_LOOP, app.loop_key))
            ]
            found = [future.result() for future in calls]
            assert call(web, "GET", "health")[1]["ready"] is False
            status, answer = managed.result()
        assert (status, answer["error"]["code"]) == (503, "StorageUnavailable")
        assert found == [REFUSED] * len(found)
        until(lambda: call(app, "GET", "health/ready")[0] == 503)
        status, health = call(app, "GET", "health")
        assert (status, health["alive"], health["storage"]) == (200, True, "unreachable")
        assert health["storageSince"] > health["lastPoll"]

        storage.comes_back()
        for each in (web, app):
            until(lambda each=each: rank(each, f"late-{way}")[0] == 201)
            until(lambda each=each: rank(each, f"late-{way}", OF_LOOP, app.loop_key)[0] == 201)
            until(lambda each=each: call(each, "GET", "health/ready")[0] == 200)
    finally:
        web.stop()
        if storage.way:
            storage.comes_back()


def answers(web):
    try:
        return call(web, "GET", "health")[0] == 200
    except OSError:
        return False


def test_storage_gets_few_more_requests_than_there_are_calls_during_an_outage(app, storage):
    until(lambda: rank(app, "storm-before")[0] == 201)
    storage.goes_away("answers 500")
    try:
        began, seen, calls = time.monotonic(), storage.requests, 0
        with ThreadPoolExecutor(8) as pool:
            for found in pool.map(lambda n: rank(app, f"storm-{n}"), range(400)):
                calls += 1
                assert found[0] == 503
        arrived, took = storage.requests - seen, time.monotonic() - began
    finally:
        storage.comes_back()

    polls = 3 * 4 * took / 0.15  # of the web and the timer process: a loop each, thrice tried
    assert arrived <= 1.2 * calls + 20 + took + polls
