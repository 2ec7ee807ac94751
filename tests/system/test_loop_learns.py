"""The whole loop, over HTTP, on real storage: it learns what its visitors like."""

import os
import time

import pytest

from devserver.app import LocalApp
from tests.conftest import FAST
from tests.support.simulation import call, visits

POLICY = "--cb_explore_adf --epsilon 0.2 --cb_type mtr -q ::"


@pytest.fixture(scope="module")
def app():
    """An app with an emulator of its own, so that nothing else is learned."""
    with LocalApp({**os.environ, **FAST}) as app:
        yield app


def wait_until_learned(app, events):
    """Return the health report once a model of so many events is served."""
    deadline = time.monotonic() + 60
    while True:
        health = call(app, "GET", "health")[1]
        if health["model"]["learnedEvents"] == events:
            return health
        assert time.monotonic() < deadline, health
        time.sleep(0.3)


def test_a_loop_learns_end_to_end(app):
    configuration = {
        "rewardWaitTime": "PT2S",
        "defaultReward": 0.0,
        "rewardAggregation": "earliest",
        "explorationPercentage": 0.2,
        "modelExportFrequency": "PT1S",
        "logRetentionDays": 90,
    }
    path = "personalizer/v1.0/configurations"
    assert call(app, "PUT", f"{path}/service", configuration)[0] == 200
    assert call(app, "PUT", f"{path}/policy", {"name": "p", "arguments": POLICY})[0] == 200
    time.sleep(1)

    early = visits(app, 1_000, seed=1)
    wait_until_learned(app, 1_000)
    late = visits(app, 1_000, seed=2)

    assert sum(early[:100]) / 100 < 0.6, "before it has learned it chooses blindly"
    assert sum(late[-500:]) / 500 >= 0.80

    health = wait_until_learned(app, 2_000)
    assert health["closedEvents"] == 2_000
    assert health["lateEvents"] == 0
    ranked = call(
        app,
        "POST",
        "personalizer/v1.0/rank",
        {"actions": [{"id": "news", "features": [{"kind": "news"}]}], "eventId": "x"},
    )
    assert ranked[0] == 201
    assert call(app, "GET", "personalizer/v1.0/model/properties")[1]["creationTime"] > "2026"
