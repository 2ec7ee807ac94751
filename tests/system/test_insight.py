"""What the owner of a loop is told, over HTTP, by the running app."""

import os
import time
import urllib.parse

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
    assert total["contextFeatures"]["perEvent"] == 3
    assert "FromUrl.device" in {f["name"] for f in total["contextFeatures"]["top"]}
    assert {row["contextFeatures"]["perEvent"] for row in found["rows"]} == {3.0}
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


@pytest.mark.parametrize("path", ["metrics", "doctor", "decisions", "decisions/why"])
def test_nothing_is_shown_without_a_key_or_of_an_unknown_loop(app, path):
    assert call(app, "GET", f"loops/default/{path}", key="wrong")[0] == 401
    assert call(app, "GET", f"loops/another/{path}")[0] == 404


def rank(app, event_id, **members):
    body = {
        "eventId": event_id,
        "contextFeatures": [{"time": "noon", "user": {"plan": "free"}}],
        "actions": [{"id": name, "features": [{"kind": name}]} for name in ACTIONS],
    }
    status, ranked = call(app, "POST", "personalizer/v1.0/rank", body | members)
    assert status == 201
    return ranked


def decision(app, event_id, query=""):
    path = f"loops/default/decisions/{urllib.parse.quote(event_id, safe='')}{query}"
    status, body = call(app, "GET", path)
    assert status == 200, body
    return body


@pytest.mark.parametrize("event_id", ["latest", "with/slash? and ü"])
def test_the_latest_decisions_are_shown_with_their_rewards(app, event_id):
    ranked = rank(app, event_id, excludedActions=["music"])
    call(
        app,
        "POST",
        f"personalizer/v1.0/events/{urllib.parse.quote(event_id, safe='')}/reward",
        {"value": 0.5},
    )

    status, found = call(app, "GET", "loops/default/decisions?top=5")

    assert status == 200
    assert found["decisions"] == sorted(
        found["decisions"], key=lambda each: each["time"], reverse=True
    )
    latest = found["decisions"][0]
    assert latest["eventId"] == event_id
    assert latest["rewardActionId"] == ranked["rewardActionId"]
    assert (latest["status"], latest["reward"]) == ("open", 0.5)
    assert latest["rewards"][0]["delaySeconds"] < 2
    probabilities = {each["id"]: each["probability"] for each in ranked["ranking"]}
    assert {a["id"]: a["probability"] for a in latest["actions"]} == {
        name: chance for name, chance in probabilities.items() if name != "music"
    }


def test_a_decision_tells_why_it_was_made_and_what_became_of_it(app):
    metrics_of(app, 300)
    rank(app, "why", excludedActions=["music"], deferActivation=True)
    opened = decision(app, "why")
    deadline = time.monotonic() + 60
    while (found := decision(app, "why", f"?time={opened['time']}"))["status"] == "open":
        assert time.monotonic() < deadline
        time.sleep(0.5)

    assert (found["status"], found["reward"], found["activated"]) == ("notActivated", None, False)
    assert found["context"] == [{"time": "noon", "user": {"plan": "free"}}]
    assert found["excludedActions"] == ["music"]
    explanation = found["explanation"]
    assert explanation["isDecidingModel"]
    assert explanation["modelVersion"] == found["modelVersion"] != ""
    assert [action["id"] for action in explanation["actions"]] == ["news", "sport", "food"]
    for action in explanation["actions"]:
        parts = [part["score"] for part in action["features"]]
        assert sum(parts) == pytest.approx(action["score"])
        assert parts == sorted(parts, key=abs, reverse=True)
    best = max(explanation["actions"], key=lambda action: action["score"])
    likeliest = max(found["actions"], key=lambda action: action["probability"])
    assert best["id"] == likeliest["id"]
    assert best["id"] == "food"  # what visitors like at noon


@pytest.mark.parametrize(
    ("path", "status", "target"),
    [
        ("decisions?top=0", 400, "top"),
        ("decisions?top=51", 400, "top"),
        ("decisions?top=x", 400, "top"),
        ("decisions/never-ranked", 404, None),
        ("decisions/why?time=noon", 400, "time"),
        ("decisions/%FF", 400, "eventId"),
    ],
)
def test_decisions_that_cannot_be_shown_are_refused(app, path, status, target):
    found, body = call(app, "GET", f"loops/default/{path}")

    assert (found, body["error"].get("target")) == (status, target)


def test_rank_explains_itself_when_the_owner_asks_for_it(app):
    metrics_of(app, 300)
    assert "inferenceExplanation" not in rank(app, "unexplained")
    path = "personalizer/v1.0/configurations/service"
    asked = CONFIGURATION | {"isInferenceExplainabilityEnabled": True}
    assert call(app, "PUT", path, asked)[0] == 200
    deadline = time.monotonic() + 30
    while "inferenceExplanation" not in (ranked := rank(app, f"explained {time.time_ns()}")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    call(app, "PUT", path, CONFIGURATION | {"isInferenceExplainabilityEnabled": False})

    explained = ranked["inferenceExplanation"]
    assert [each["id"] for each in explained] == ACTIONS
    for each in explained:
        names = {feature["name"] for feature in each["features"]}
        assert all(type(feature["score"]) is float for feature in each["features"])
        assert "FromUrl.time^j.kind" in names or "j.kind^FromUrl.time" in names
        assert "user.plan" in names
    scores = {e["id"]: sum(f["score"] for f in e["features"]) for e in explained}
    likeliest = max(ranked["ranking"], key=lambda action: action["probability"])
    assert max(scores, key=scores.get) == likeliest["id"]


def test_the_doctor_finds_what_is_wrong_and_no_longer_when_it_is_mended(app):
    metrics_of(app, 300)

    def codes():
        status, body = call(app, "GET", "loops/default/doctor")
        assert status == 200
        assert body["events"] >= 300
        for finding in body["findings"]:
            assert finding.keys() == {
                "severity", "code", "title", "evidence", "cause", "remedy"
            }  # fmt: skip
        return {finding["code"] for finding in body["findings"]}

    policy = "personalizer/v1.0/configurations/policy"
    assert "noInteractions" not in codes()

    blind = {"name": "p", "arguments": "--cb_explore_adf --epsilon 0.2"}
    assert call(app, "PUT", policy, blind)[0] == 200
    assert "noInteractions" in codes()

    assert call(app, "PUT", policy, POLICY)[0] == 200
    assert "noInteractions" not in codes()
