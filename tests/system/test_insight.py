"""What the owner of a loop is told, over HTTP, by the running app."""

import os
import time

import pytest

from devserver.app import LocalApp
from tests.conftest import FAST
from tests.support.simulation import ACTIONS, call, visits

CONFIGURATION = {
    "rewardWaitTime": "PT2S",
    "defaultReward": 0.0,
    "rewardAggregation": "earliest",
    "explorationPercentage": 0.2,
    "modelExportFrequency": "PT1S",
    "logRetentionDays": 90,
}
POLICY = {"name": "p", "arguments": "--cb_explore_adf --epsilon 0.2 -q ::"}


@pytest.fixture(scope="module")
def app():
    """An app of its own, whose loop has been visited some hundred times."""
    with LocalApp({**os.environ, **FAST}) as app:
        path = "personalizer/v1.0/configurations"
        assert call(app, "PUT", f"{path}/service", CONFIGURATION)[0] == 200
        assert call(app, "PUT", f"{path}/policy", POLICY)[0] == 200
        time.sleep(1)
        visits(app, 300, seed=9)
        yield app


def metrics(app, query=""):
    status, body = call(app, "GET", f"loops/default/metrics{query}")
    assert status == 200, body
    return body


def metrics_of(app, events):
    """Return the metrics once so many events are closed."""
    deadline = time.monotonic() + 60
    while True:
        found = metrics(app)
        if found["total"]["totalEvents"] >= events:
            return found
        assert time.monotonic() < deadline, found["total"]
        time.sleep(0.5)


def test_metrics_show_what_a_loop_does_and_earns(app):
    found = metrics_of(app, 300)

    total = found["total"]
    assert total["observedRewards"] + total["defaultedRewards"] == total["learnedEvents"]
    assert total["online"]["eventCount"] == total["learnedEvents"]
    assert total["online"]["low"] < total["online"]["mean"] < total["online"]["high"]
    assert {action["id"] for action in total["actions"]["top"]} >= set(ACTIONS)
    assert total["rewardDelay"]["p50Seconds"] < 5
    assert total["contextFeatures"]["perEvent"] > 0
    assert sum(total["shards"]) == total["totalEvents"]
    assert total["training"]["steps"] > 0
    assert found["training"]["model"]["learnedEvents"] > 0


@pytest.mark.parametrize("interval", ["PT5S", "PT5M", "PT1H", "P1D"])
def test_any_interval_adds_up_to_the_same(app, interval):
    metrics_of(app, 300)
    span = {"PT5S": 1800, "PT5M": 7200}.get(interval, 86400)
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - span))

    found = metrics(app, f"?interval={interval}&from={start}")

    assert found["interval"] == interval
    assert sum(row["totalEvents"] for row in found["rows"]) == found["total"]["totalEvents"] >= 300
    assert found["rows"] == sorted(found["rows"], key=lambda row: row["start"])


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("?interval=PT7M", "interval"),
        ("?interval=week", "interval"),
        ("?interval=PT5M&from=2026-01-01", "interval"),
        ("?from=yesterday", "from"),
        ("?from=2026-01-02&to=2026-01-01", "from"),
        ("?to=9999-12-31T23:59:59-14:00", "to"),
        ("?to=0001-01-01", "to"),
    ],
)
def test_a_range_that_cannot_be_shown_is_refused(app, query, target):
    status, body = call(app, "GET", f"loops/default/metrics{query}")

    assert (status, body["error"]["code"], body["error"]["target"]) == (400, "BadRequest", target)


@pytest.mark.parametrize("path", ["metrics"])
def test_nothing_is_shown_without_a_key_or_of_an_unknown_loop(app, path):
    assert call(app, "GET", f"loops/default/{path}", key="wrong")[0] == 401
    assert call(app, "GET", f"loops/another/{path}")[0] == 404
