"""Many loops over HTTP on real storage: made, opened by their keys, isolated, logged, deleted."""

import gzip
import http.client
import json
import os
import time
import uuid
from urllib.parse import urlsplit

import pytest

from devserver.app import LocalApp
from tests.conftest import FAST
from tests.support.simulation import call

ACTIONS = [{"id": name, "features": [{"kind": name}]} for name in ("a", "b")]


@pytest.fixture
def loop(running_app):
    """A new loop's name and keys; deleted afterwards."""
    name = "t" + uuid.uuid4().hex[:10]
    status, made = call(running_app, "PUT", f"loops/{name}")
    assert status == 201
    yield name, made["keys"]
    assert delete(running_app, name) in (204, 404)


def delete(app, name):
    """Delete a loop; while it is trained, that takes another try."""
    for _ in range(50):
        status, _ = call(app, "DELETE", f"loops/{name}")
        if status != 409:
            break
        time.sleep(0.1)
    return status


def rank(app, loop, event_id, key=None):
    body = {"actions": ACTIONS, "eventId": event_id}
    return call(app, "POST", f"loops/{loop}/personalizer/v1.0/rank", body, key)


def configure(app, loop, **fields):
    """Change a loop's settings, to wait a second for rewards unless told otherwise."""
    document = {"serviceConfiguration": {"rewardWaitTime": "PT1S", **fields}}
    status, shown = call(app, "PUT", f"loops/{loop}", document)
    assert status == 200
    return shown


def wait_for(app, loop, events):
    ends = time.monotonic() + 30
    while True:
        shown = call(app, "GET", f"loops/{loop}")[1]
        if shown["counters"]["events"] == events:
            return shown
        assert time.monotonic() < ends, shown
        time.sleep(0.2)


def get(app, path, key=None, **headers):
    """Return status, headers and bytes of one request."""
    connection = http.client.HTTPConnection(urlsplit(app.url).netloc, timeout=30)
    try:
        given = {"Ocp-Apim-Subscription-Key": key or app.key, **headers}
        connection.request("GET", f"/{path}", headers=given)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_a_loops_keys_open_that_loop_only(running_app, loop):
    name, keys = loop
    other = "u" + name[1:]
    assert call(running_app, "PUT", f"loops/{other}")[0] == 201

    assert [rank(running_app, name, "e", key)[0] for key in keys] == [201, 201]
    assert rank(running_app, other, "e", keys[0])[0] == 401
    status, refused = call(running_app, "GET", "personalizer/v1.0/model/properties", key=keys[0])
    assert status == 401
    assert f"/loops/{name}/" in refused["error"]["message"]
    for method, path in (("GET", "loops"), ("PUT", f"loops/{name}"), ("DELETE", f"loops/{name}")):
        assert call(running_app, method, path, key=keys[0])[0] == 401
    assert call(running_app, "GET", f"loops/{name}", key=keys[0])[0] == 200
    assert delete(running_app, other) == 204


def test_a_rotated_key_opens_and_the_old_one_does_not(running_app, loop):
    name, (first, second) = loop

    status, made = call(running_app, "POST", f"loops/{name}/keys/1/regenerate")

    assert (status, made["number"]) == (200, 1)
    answers = [rank(running_app, name, "e", key)[0] for key in (made["key"], first, second)]
    assert answers == [201, 401, 201]
    for number in ("0", "3", "x"):
        path = f"loops/{name}/keys/{number}/regenerate"
        assert call(running_app, "POST", path)[1]["error"]["target"] == "number"


def test_loops_are_listed_and_unknown_ones_are_not_found(running_app, loop):
    name, _ = loop

    listed = call(running_app, "GET", "loops")[1]["loops"]
    assert {"name": "default"} in listed
    assert {"name": name} in listed
    assert rank(running_app, "nosuchloop", "e")[1]["error"]["code"] == "ResourceNotFound"
    assert call(running_app, "GET", "loops/nosuchloop")[0] == 404
    assert call(running_app, "DELETE", "loops/nosuchloop")[0] == 404
    assert call(running_app, "POST", "loops/nosuchloop/train")[0] == 404
    status, refused = call(running_app, "PUT", "loops/Bad-Name")
    assert (status, refused["error"]["target"]) == (400, "loop")
    assert call(running_app, "DELETE", "loops/default")[1]["error"]["target"] == "loop"


def test_what_is_done_in_one_loop_is_not_seen_in_another(running_app, loop):
    name, _ = loop
    before = call(running_app, "GET", "loops/default")[1]
    configure(running_app, name, explorationPercentage=0.5)
    for number in range(5):
        assert rank(running_app, name, f"event {number}")[0] == 201
        path = f"loops/{name}/personalizer/v1.0/events/event%20{number}/reward"
        assert call(running_app, "POST", path, {"value": 1})[0] == 204

    shown = wait_for(running_app, name, 5)

    assert shown["counters"]["rewarded"] == 5
    assert "--epsilon 0.5" in shown["policy"]["arguments"]
    after = call(running_app, "GET", "loops/default")[1]
    for part in ("serviceConfiguration", "policy"):
        assert after[part] == before[part]
    assert after["counters"]["dangling"] == before["counters"]["dangling"]


def test_the_log_can_be_read_and_deleted(running_app, loop):
    name, (key, _) = loop
    base = f"loops/{name}/personalizer/v1.0"
    configure(running_app, name)
    time.sleep(0.5)
    assert get(running_app, f"{base}/logs/properties")[2] == b"{}"
    for number in range(3):
        rank(running_app, name, f"e{number}")
    wait_for(running_app, name, 3)

    status, _, body = get(running_app, f"loops/{name}/log", key)
    packed = get(running_app, f"loops/{name}/log", key, **{"Accept-Encoding": "gzip"})

    events = [json.loads(line)["EventId"] for line in body.splitlines()]
    assert (status, sorted(events)) == (200, ["e0", "e1", "e2"])
    assert gzip.decompress(packed[2]) == body
    dates = json.loads(get(running_app, f"{base}/logs/properties")[2])["dateRange"]
    assert dates["from"] < dates["to"]
    assert get(running_app, f"loops/{name}/log?from=2020-01-01&to=2021-01-01")[2] == b""
    assert get(running_app, f"loops/{name}/log?from=today")[0] == 400

    assert call(running_app, "DELETE", f"{base}/logs")[0] == 204

    assert get(running_app, f"loops/{name}/log")[2] == b""
    assert get(running_app, f"{base}/logs/properties")[2] == b"{}"
    assert rank(running_app, name, "e0")[0] == 201
    assert wait_for(running_app, name, 1)["state"]["epoch"] == 1


def test_a_long_log_comes_in_pages(running_app, loop):
    name, _ = loop
    configure(running_app, name)
    time.sleep(0.5)
    large = [{"id": "a", "features": [{f"f{i}": "x" * 1000 for i in range(800)}]}]
    for number in range(12):
        body = {"actions": large, "eventId": f"e{number}"}
        assert call(running_app, "POST", f"loops/{name}/personalizer/v1.0/rank", body)[0] == 201
    wait_for(running_app, name, 12)

    path, events, pages = f"loops/{name}/log", [], 0
    while path:
        _, headers, body = get(running_app, path)
        events += [json.loads(line)["EventId"] for line in body.splitlines()]
        link = headers.get("Link", "")
        path = link[2 : link.index(">")] if link else ""
        pages += 1

    assert pages > 1
    assert sorted(events) == sorted(f"e{number}" for number in range(12))


def test_a_deleted_loop_is_gone_and_can_be_made_again(running_app, loop):
    name, (key, _) = loop
    rank(running_app, name, "e")

    assert delete(running_app, name) == 204

    assert rank(running_app, name, "e")[0] == 404
    assert rank(running_app, name, "e", key)[0] == 401
    status, made = call(running_app, "PUT", f"loops/{name}")
    assert (status, made["state"]["epoch"]) == (201, 1)
    assert rank(running_app, name, "e", made["keys"][0])[0] == 201


def test_loops_of_the_app_settings_are_there_at_start(azurite):
    name = "d" + uuid.uuid4().hex[:10]
    policy = {"arguments": "--cb_explore_adf --squarecb --epsilon 0.1"}
    document = {"serviceConfiguration": {"rewardWaitTime": "PT45M"}, "policy": policy}
    environ = {**os.environ, **FAST, "DATA_STORAGE": azurite, "LOOPS": json.dumps({name: document})}

    with LocalApp(environ) as app:
        shown = call(app, "GET", f"loops/{name}")[1]
        assert shown["serviceConfiguration"]["rewardWaitTime"] == "PT45M"
        assert shown["policy"]["arguments"] == policy["arguments"]
        assert shown["serviceConfiguration"]["explorationPercentage"] == 0.1
        configure(app, name, rewardWaitTime="PT1H")
    with LocalApp(environ) as app:
        shown = call(app, "GET", f"loops/{name}")[1]
        assert shown["serviceConfiguration"]["rewardWaitTime"] == "PT1H"
        assert delete(app, name) == 204
