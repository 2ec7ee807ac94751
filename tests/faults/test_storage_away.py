"""Real processes whose storage goes away: they answer in time, never forget, and recover."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient

from devserver.app import LocalApp
from devserver.azurite import Azurite
from shared import wiring
from shared.events.event_ids import storage_key
from tests.conftest import FAST
from tests.support.bad_storage import WAYS, BadStorage
from tests.support.simulation import call
from tests.support.web import Web

DEADLINE = 1.0
IN_TIME = DEADLINE + 1.0 + 6.0
"""Seconds: the deadline, the documented margin, and room for a busy machine."""

ENVIRON = {**os.environ, **FAST, "WRITE_DEADLINE_SECONDS": str(DEADLINE)}
ACTIONS = [{"id": name, "features": [{"kind": name}]} for name in "ab"]
KEY = FAST["PERSONALIZER_KEY_1"]
OF_LOOP = "loops/shop/"


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


def until(holds, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("way", [*WAYS, "refuses"])
def test_rank_and_reward_are_refused_in_time_and_go_on_by_themselves(app, storage, way):
    event = way.replace(" ", "-")
    until(lambda: rank(app, f"{event}-before")[0] == 201)
    until(lambda: rank(app, f"{event}-before", OF_LOOP, app.loop_key)[0] == 201)
    with storage.away(way), ThreadPoolExecutor(16) as pool:
        calls = [
            pool.submit(timed, request, app, f"{event}-{number}", *where)
            for number in range(4)
            for request in (rank, reward)
            for where in (("", app.key), (OF_LOOP, app.loop_key))
        ]
        health = call(app, "GET", "health")
        found = [future.result() for future in calls]

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


def test_who_starts_or_manages_while_storage_is_away_is_told_and_then_served(app, storage):
    until(lambda: call(app, "GET", "health/ready")[0] == 200)
    with ExitStack() as stack:
        with storage.away("hangs"), ThreadPoolExecutor(8) as pool:
            managed = pool.submit(call, app, "GET", "personalizer/v1.0/configurations/service")
            web = stack.enter_context(Web({**ENVIRON, "DATA_STORAGE": storage.connection_string}))
            calls = [
                pool.submit(timed, request, web, "early", *where)
                for request in (rank, reward)
                for where in (("", KEY), (OF_LOOP, app.loop_key))
            ]
            found = [future.result() for future in calls]
            status, answer = managed.result()
            early = call(web, "GET", "health")
            until(lambda: call(app, "GET", "health/ready")[0] == 503)
            late = call(app, "GET", "health")

        for each in (web, app):
            until(lambda each=each: rank(each, "late")[0] == 201)
            until(lambda each=each: rank(each, "late", OF_LOOP, app.loop_key)[0] == 201)
            until(lambda each=each: call(each, "GET", "health/ready")[0] == 200)

    assert (status, answer["error"]["code"]) == (503, "StorageUnavailable")
    assert found == [REFUSED] * len(found)
    for status, health in (early, late):
        assert (status, health["alive"], health["storage"]) == (200, True, "unreachable")
    assert late[1]["storageSince"] > late[1]["lastPoll"]


def test_an_owner_may_have_decisions_answered_unlogged_marked_and_counted(app, storage):
    environ = {"SERVE_UNLOGGED_AFTER_SECONDS": "0.3", "DATA_STORAGE": storage.connection_string}
    with Web({**ENVIRON, **environ}) as web:
        until(lambda: marked(web, "logged") == (201, None))
        with storage.away("refuses"):
            found = marked(web, "unlogged")
            refused = timed(reward, web, "unlogged")
            health = call(web, "GET", "health")[1]
        until(lambda: marked(web, "logged-again") == (201, None))

    assert found == (201, "true")
    assert refused == REFUSED
    assert health["unloggedDecisions"] == 1


def marked(web, event_id):
    """Return status of a Rank, and what its header says of an unlogged decision."""
    body = json.dumps({"eventId": event_id, "actions": ACTIONS}).encode()
    status, headers, _ = web.send("POST", "personalizer/v1.0/rank", body)
    return status, headers.get("x-personalizer-unlogged")


def test_an_outage_brings_neither_a_storm_of_requests_nor_one_of_log_lines(app, storage):
    environ = {**ENVIRON, "DATA_STORAGE": storage.connection_string}
    with Web(environ, quiet=True) as web:
        until(lambda: rank(web, "storm-before")[0] == 201)
        with storage.away("answers 500"), ThreadPoolExecutor(8) as pool:
            began, seen = time.monotonic(), storage.requests
            found = list(pool.map(lambda n: rank(web, f"storm-{n}")[0], range(400)))
            arrived, took = storage.requests - seen, time.monotonic() - began
            until(lambda: call(web, "GET", "health/ready")[0] == 503)
            rank(web, "storm-later")
        until(lambda: rank(web, "storm-after")[0] == 201)
        until(lambda: call(web, "GET", "health/ready")[0] == 200)

    assert found == [503] * len(found)
    polls = 3 * 3 * took / 0.15  # of three processes, each tried thrice
    assert arrived <= 1.2 * len(found) + 20 + took + polls
    assert 2 <= len(web.log) <= 20  # away and back again, of each part of storage
    key = storage_key("storm-").rstrip("=")[:6]  # with which keys of rows begin
    assert not any("storm" in line or key in line for line in web.log)


def test_a_container_and_tables_that_were_deleted_are_made_anew(app, storage):
    until(lambda: rank(app, "before-the-end")[0] == 201)
    with (
        BlobServiceClient.from_connection_string(storage.connection_string) as blobs,
        TableServiceClient.from_connection_string(storage.connection_string) as tables,
    ):
        blobs.delete_container(wiring.CONTAINER)
        for table in list(tables.list_tables()):
            tables.delete_table(table.name)

        until(lambda: rank(app, "after-the-end")[0] == 201)
        until(lambda: call(app, "GET", "personalizer/v1.0/configurations/service")[0] == 200)
        until(lambda: call(app, "GET", "health/ready")[0] == 200)
        kept = [
            row["id"]
            for table in tables.list_tables()
            if table.name.startswith("interactions")
            for row in tables.get_table_client(table.name).list_entities()
        ]

    assert "after-the-end" in kept
    until(lambda: rank(app, "of-a-loop-that-is-gone", OF_LOOP)[0] == 404)
