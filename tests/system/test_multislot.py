"""Multi-slot over HTTP on real storage: switched on and off, refused where it must be, learned."""

import json
import random
import time
import urllib.request
import uuid

import pytest

from shared.contract.versions import ApiVersion
from tests.support.simulation import call

POLICY = "--ccb_explore_adf --epsilon 0.2 --cb_type mtr -q ::"
ACTIONS = [
    {"id": name, "features": [{"kind": name}]} for name in ("news", "sport", "food", "music")
]
SLOTS = [
    {"id": "top", "features": [{"size": "large"}], "baselineAction": "news"},
    {
        "id": "side",
        "features": [{"size": "small"}],
        "baselineAction": "sport",
        "excludedActions": ["music"],
    },
]
BEST = {"top": {"morning": "news", "night": "music"}, "side": {"morning": "food", "night": "food"}}


@pytest.fixture
def base(running_app):
    """The path of a new loop's API; the loop is deleted afterwards."""
    name = "m" + uuid.uuid4().hex[:10]
    assert call(running_app, "PUT", f"loops/{name}")[0] == 201
    yield f"loops/{name}/personalizer/v1.1-preview.3"
    for _ in range(50):
        if call(running_app, "DELETE", f"loops/{name}")[0] == 204:
            break
        time.sleep(0.1)  # it was being trained


def switch_on(app, base, policy=POLICY):
    service = call(app, "GET", f"{base}/configurations/service")[1]
    service |= {"isAutoOptimizationEnabled": False, "rewardWaitTime": "PT2S"}
    service["modelExportFrequency"] = "PT1S"
    assert call(app, "PUT", f"{base}/configurations/service", service)[0] == 200
    answer = call(app, "PUT", f"{base}/configurations/policy", {"name": "p", "arguments": policy})
    assert answer[0] == 200, answer


def rank(app, base, event_id, context=(), **members):
    body = {"contextFeatures": list(context), "actions": ACTIONS, "slots": SLOTS, **members}
    return call(app, "POST", f"{base}/multislot/rank", {**body, "eventId": event_id})


def reward(app, base, event_id, **values):
    rewards = [{"slotId": slot, "value": value} for slot, value in values.items()]
    path = f"{base}/multislot/events/{event_id}/reward"
    return call(app, "POST", path, {"reward": rewards})[0]


def shown(app, base):
    return call(app, "GET", base.split("/personalizer")[0])[1]


def wait_for(app, base, events):
    ends = time.monotonic() + 60
    while True:
        found = shown(app, base)
        published = found["state"]["publishedModel"]
        if found["counters"]["events"] == events and published == found["state"]["trainedModel"]:
            return found
        assert time.monotonic() < ends, found
        time.sleep(0.2)


def test_a_loop_with_slots_learns_end_to_end(running_app, base):
    switch_on(running_app, base)
    rng = random.Random(4)

    def visits(count, name):
        liked = 0
        for number in range(count):
            when = rng.choice(["morning", "night"])
            event_id = f"{name}-{number}"
            status, answer = rank(running_app, base, event_id, [{"time": when}])
            assert (status, answer["eventId"]) == (201, event_id)
            chosen = {slot["id"]: slot["rewardActionId"] for slot in answer["slots"]}
            assert len(set(chosen.values())) == 2
            assert chosen["side"] != "music"
            values = {s: float(chosen[s] == BEST[s][when]) for s in chosen}
            assert reward(running_app, base, event_id, **values) == 204
            liked += sum(values.values())
        return liked / count / 2

    visits(150, "early")
    wait_for(running_app, base, 150)
    time.sleep(1)  # until it is served
    late = visits(75, "late")
    found = wait_for(running_app, base, 225)

    assert late > 0.65, "by chance it is 0.3"
    assert found["counters"]["rewarded"] == 225
    assert found["state"]["trainedModel"]["learned"] == 225
    assert found["counters"]["dangling"] == found["counters"]["lateEvents"] == 0
    log = base.split("/personalizer")[0] + "/log"
    asked = urllib.request.Request(  # noqa: S310 (loopback)
        running_app.url + log, headers={"Ocp-Apim-Subscription-Key": running_app.key}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 (loopback)
        lines = [json.loads(line) for line in answer]
    assert len({line["EventId"] for line in lines}) == 225
    assert {len(line["_outcomes"]) for line in lines} == {2}


@pytest.mark.parametrize("version", [v for v in ApiVersion if v != "2022-09-01-preview"])
def test_every_version_ranks_rewards_and_activates(running_app, base, version):
    switch_on(running_app, base)
    path = f"{base.rsplit('/', 1)[0]}/{version}"

    status, answer = rank(running_app, path, "a/b", deferActivation=True)

    assert status == 201
    assert [set(slot) for slot in answer["slots"]] == [{"id", "rewardActionId"}] * 2
    assert reward(running_app, path, "a%2Fb", top=1, unknown=1) == 204
    assert reward(running_app, path, "nobody-knows", top=1) == 204
    assert call(running_app, "POST", f"{path}/multislot/events/a%2Fb/activate") == (204, None)
    counters = wait_for(running_app, base, 1)["counters"]
    assert (counters["inactive"], counters["rewarded"], counters["dangling"]) == (0, 1, 1)


def test_the_version_by_query_has_multi_slot_too(running_app, base):
    switch_on(running_app, base)
    path, query = base.rsplit("/", 1)[0], "api-version=2022-09-01-preview"
    body = {"actions": ACTIONS, "slots": SLOTS, "eventId": "e"}
    rewards = {"reward": [{"slotId": "top", "value": 1}]}

    assert call(running_app, "POST", f"{path}/multislot/rank?{query}", body)[0] == 201
    events = f"{path}/multislot/events/e"
    assert call(running_app, "POST", f"{events}/reward?{query}", rewards)[0] == 204
    assert call(running_app, "POST", f"{events}/activate?{query}")[0] == 204


def test_slots_are_switched_on_and_off_and_wrong_calls_are_refused(running_app, base):
    single = {"actions": ACTIONS, "eventId": "single"}
    policy = f"{base}/configurations/policy"

    def refused(answer):
        status, body = answer
        return status, body["error"]["code"], body["error"]["target"]

    on = {"name": "p", "arguments": POLICY}
    incompatible = (403, "ProblemTypeIncompatibleWithAutoOptimization")
    assert refused(call(running_app, "PUT", policy, on)) == (*incompatible, "arguments")
    no_slots = (400, "InvalidMultiSlotApiAccess", "path")
    assert refused(rank(running_app, base, "e")) == no_slots
    path = f"{base}/multislot/events/e"
    rewards = {"reward": [{"slotId": "top", "value": 1}]}
    assert refused(call(running_app, "POST", f"{path}/reward", rewards)) == no_slots
    assert refused(call(running_app, "POST", f"{path}/activate")) == no_slots

    switch_on(running_app, base)

    assert rank(running_app, base, "e")[0] == 201
    slots = (403, "InvalidApiAccess", "path")
    path = f"{base}/events/e"
    assert refused(call(running_app, "POST", f"{base}/rank", single)) == slots
    assert refused(call(running_app, "POST", f"{path}/reward", {"value": 1})) == slots
    assert refused(call(running_app, "POST", f"{path}/activate")) == slots
    service = call(running_app, "GET", f"{base}/configurations/service")[1]
    service["isAutoOptimizationEnabled"] = True
    answer = call(running_app, "PUT", f"{base}/configurations/service", service)
    assert refused(answer) == (*incompatible, "isAutoOptimizationEnabled")
    assert "--ccb_explore_adf" in call(running_app, "DELETE", policy)[1]["arguments"]

    off = {"name": "p", "arguments": "--cb_explore_adf -q ::"}
    assert call(running_app, "PUT", policy, off)[0] == 200
    assert call(running_app, "POST", f"{base}/rank", single)[0] == 201
    assert refused(rank(running_app, base, "f")) == no_slots
    assert wait_for(running_app, base, 2)["counters"]["otherKind"] == 1


def test_a_loop_is_made_with_slots_by_a_document(running_app):
    name = "m" + uuid.uuid4().hex[:10]
    document = {"policy": {"arguments": POLICY}}

    status, made = call(running_app, "PUT", f"loops/{name}", document)

    assert status == 201
    assert made["serviceConfiguration"]["isAutoOptimizationEnabled"] is False
    base = f"loops/{name}/personalizer/v1.0"
    assert rank(running_app, base, "e")[0] == 201
    assert call(running_app, "DELETE", f"loops/{name}")[0] in (204, 409)
