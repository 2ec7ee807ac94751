"""Requests and answers of the retired service; each file names where its facts come from."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.contract.model_properties import render_model_properties
from shared.contract.multislot import parse_slots_rank, render_slots_rank
from shared.contract.operations import OPERATIONS
from shared.contract.policy import parse_policy, render_policy, reset_policy
from shared.contract.rank import parse_rank, render_rank
from shared.contract.reward import parse_reward, parse_slot_rewards
from shared.contract.service_configuration import (
    parse_service_configuration,
    render_service_configuration,
)
from shared.contract.versions import ApiVersion
from shared.events.interaction import (
    ExcludedAction,
    Interaction,
    SlotChoice,
    SlotsInteraction,
)
from shared.services.loop_settings import LoopSettings

NOW = datetime(2021, 8, 4, 21, 31, 56, tzinfo=UTC)
CURRENT = LoopSettings(policy_name="d578f341411041e19ed83df0e0573a80", last_edit=NOW)
GOLDEN = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(Path(__file__).parent.glob("*.json"))
}


def cases(operation, part="response"):
    names = [name for name, g in GOLDEN.items() if g["operation"] == operation and part in g]
    return pytest.mark.parametrize("golden", [GOLDEN[name] for name in names], ids=names)


def sent(golden):
    return json.dumps(golden["request"]).encode()


def decided(request, decision):
    offered = tuple(action.id for action in request.actions if action.id not in request.excluded)
    return Interaction(
        event_id=decision["event_id"],
        time=NOW,
        context=b"{}",
        actions=offered,
        ranking=tuple(offered.index(name) for name in decision["ranking"]),
        probabilities=tuple(decision["probabilities"][name] for name in offered),
        excluded=tuple(
            ExcludedAction(position, action.id)
            for position, action in enumerate(request.actions)
            if action.id in request.excluded
        ),
    )


@cases("Rank")
def test_a_rank_is_answered_as_it_was(golden):
    request = parse_rank(sent(golden))

    answer = render_rank(decided(request, golden["decision"]))

    assert json.loads(answer) == golden["response"]


@cases("Rank")
def test_the_features_of_a_rank_are_kept(golden):
    request = parse_rank(sent(golden))

    given = golden["request"]
    assert json.loads(request.context_features) == given.get("contextFeatures", [])
    assert [json.loads(a.features) for a in request.actions] == [
        action["features"] for action in given["actions"]
    ]
    assert request.event_id == given.get("eventId")


@cases("MultiSlot_Rank")
def test_a_multi_slot_rank_is_answered_as_it_was(golden):
    request = parse_slots_rank(sent(golden))
    names = [action.id for action in request.actions]
    decision = golden["decision"]
    choices = tuple(
        SlotChoice(slot.id, names.index(slot.baseline), (names.index(chosen),), (1.0,))
        for slot, chosen in zip(request.slots, decision["chosen"], strict=True)
    )

    answer = render_slots_rank(
        SlotsInteraction(decision["event_id"], NOW, b"{}", tuple(names), choices)
    )

    assert json.loads(answer) == golden["response"]


@cases("MultiSlot_Rank")
def test_the_slots_of_a_multi_slot_rank_are_kept(golden):
    request = parse_slots_rank(sent(golden))

    for slot, given in zip(request.slots, golden["request"]["slots"], strict=True):
        assert (slot.id, slot.baseline) == (given["id"], given["baselineAction"])
        assert json.loads(slot.features) == given["features"]
        assert slot.excluded == set(given.get("excludedActions", []))


@cases("MultiSlotEvents_Reward", "values")
def test_a_multi_slot_reward_has_the_values_that_were_sent(golden):
    rewards = parse_slot_rewards(sent(golden))

    assert {reward.slot: reward.value for reward in rewards} == golden["values"]


@cases("Events_Reward", "value")
def test_a_reward_has_the_value_that_was_sent(golden):
    assert parse_reward(sent(golden)) == golden["value"]


@cases("ServiceConfiguration_Update")
def test_a_service_configuration_is_answered_as_it_was(golden):
    version, edited = ApiVersion(golden["version"]), datetime.fromisoformat(golden["edited"])

    changed = parse_service_configuration(sent(golden), CURRENT, version, edited)

    assert json.loads(render_service_configuration(changed, version)) == golden["response"]


@cases("Policy_Update")
def test_a_policy_is_answered_under_the_loops_name(golden):
    changed = parse_policy(sent(golden), CURRENT, NOW)

    assert json.loads(render_policy(changed)) == golden["response"]


@cases("Policy_Reset")
def test_a_policy_reset_brings_back_the_default(golden):
    mine = parse_policy(b'{"name":"x","arguments":"--cb_explore_adf"}', CURRENT, NOW)

    assert json.loads(render_policy(reset_policy(mine, NOW))) == golden["response"]


@cases("Model_GetProperties")
def test_model_properties_are_answered_as_they_were(golden):
    times = [golden[name] and datetime.fromisoformat(golden[name]) for name in
             ("created", "modified")]  # fmt: skip

    assert json.loads(render_model_properties(*times)) == golden["response"]


def test_every_golden_file_is_of_an_operation_and_version_that_are_served():
    served = {operation.name for operation in OPERATIONS}
    assert {golden["operation"] for golden in GOLDEN.values()} <= served
    for golden in GOLDEN.values():
        assert golden["source"]
        assert golden["version"] in list(ApiVersion)
