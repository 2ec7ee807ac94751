"""The parsers: what they accept they keep, and nothing but the documented error comes out."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contract.durations import parse_duration, render_duration
from shared.contract.errors import ContractError, ErrorCode
from shared.contract.event_ids import event_id_from_url
from shared.contract.loop_document import parse_loop_document
from shared.contract.multislot import parse_slots_rank, render_slots_rank
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
from shared.learner.arguments import ArgumentsError, parse
from shared.learner.features import FeatureError, features_of_actions, shared_features
from shared.learner.layout import action_json, slot_json
from shared.learner.slot_features import read_slots
from shared.services.loop_settings import LoopSettings

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CURRENT = LoopSettings(policy_name="0" * 32, last_edit=NOW)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
PARSERS = {
    "rank": parse_rank,
    "reward": parse_reward,
    "multi-slot rank": parse_slots_rank,
    "multi-slot reward": parse_slot_rewards,
    "policy": lambda body: parse_policy(body, CURRENT, NOW),
    "service": lambda body: parse_service_configuration(body, CURRENT, ApiVersion.V1_0, NOW),
}
FIELDS = st.sampled_from(
    ["actions", "contextFeatures", "excludedActions", "eventId", "deferActivation", "value", "name",
     "slots", "reward",
     "arguments", "rewardWaitTime", "defaultReward", "rewardAggregation", "learningMode",
     "explorationPercentage", "modelExportFrequency", "logRetentionDays", "logMirrorSasUri"]
)  # fmt: skip


@pytest.mark.parametrize("name", PARSERS)
@given(body=st.binary() | st.dictionaries(FIELDS, JSON).map(lambda v: json.dumps(v).encode()))
@settings(max_examples=300, deadline=None)
def test_nothing_but_the_documented_error_comes_out(name, body):
    try:
        PARSERS[name](body)
    except ContractError as error:
        assert error.code.status == 400


@given(st.dictionaries(st.text(), JSON, max_size=4))
@settings(max_examples=500, deadline=None)
def test_the_learner_can_read_whatever_rank_accepts(features):
    body = json.dumps({"actions": [{"id": "a", "features": [features]}]}).encode()
    try:
        request = parse_rank(body)
    except ContractError as error:
        assert error.target in ("body", None) or error.target.startswith("actions[0]")
        return
    [action] = request.actions
    again = parse_rank(b'{"actions":[{"id":"a","features":%b}]}' % action.features)
    assert again == request
    features_of_actions([action_json(action.id, action.features)])
    shared_features({"FromUrl": action.features})


@given(st.text(max_size=60) | st.lists(st.sampled_from(
    ["--cb_explore_adf", "-q", "::", "--epsilon", "0.1", "nan", "-b", "99", "--bag", "=", '"']
)).map(" ".join))  # fmt: skip
def test_arguments_are_understood_or_refused_by_name(text):
    try:
        parse(text)
    except ArgumentsError as error:
        assert error.argument


@given(st.text(min_size=1, max_size=200))
def test_an_event_id_survives_the_url(text):
    from urllib.parse import quote

    try:
        url = f"http://h/personalizer/v1.0/events/{quote(text, safe='')}/reward"
    except UnicodeEncodeError:
        return
    try:
        assert event_id_from_url(url) == text
    except ContractError:
        assert any(ord(character) < 32 for character in text)


@given(st.timedeltas(timedelta(0), timedelta(days=400)))
def test_durations_survive_rendering(value):
    assert parse_duration(render_duration(value)) == value


@pytest.mark.parametrize(
    ("text", "rendered"),
    [("00:10:00", "PT10M"), ("1.02:00:00", "P1DT2H"), ("PT120S", "PT2M"), ("PT0.5S", "PT0.5S"),
     ("P28D", "P28D"), ("PT24H", "P1D"), ("PT0S", "PT0S")],
)  # fmt: skip
def test_both_notations_of_a_duration_are_read(text, rendered):
    assert render_duration(parse_duration(text)) == rendered


@pytest.mark.parametrize("text", ["", "P", "PT", "10M", "PT10", "P1Y", "-PT1S", "1:2", "PT1S "])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_names_are_read_whatever_their_case():
    body = b'{"Actions":[{"Id":"a","FEATURES":[{"X":1}]}],"EventID":"e","DeferActivation":true}'

    request = parse_rank(body)

    assert (request.event_id, request.defer_activation) == ("e", True)
    assert request.actions[0].features == b'[{"X":1}]'


def test_null_becomes_text_and_names_with_an_underscore_are_dropped():
    [action] = parse_rank(
        b'{"actions":[{"id":"a","features":[{"x":null,"_y":1,"n":{"_z":2,"w":true}},null]}]}'
    ).actions

    assert action.features == b'[{"x":"null","n":{"w":true}}]'


SLOT = st.fixed_dictionaries(
    {"id": st.text(max_size=3), "baselineAction": st.sampled_from(["a", "b"])},
    optional={
        "features": st.lists(st.dictionaries(st.text(max_size=3), JSON, max_size=2), max_size=2),
        "excludedActions": st.lists(st.sampled_from(["a", "b"]), max_size=1),
    },
)


@given(st.lists(SLOT, min_size=1, max_size=2))
@settings(max_examples=500, deadline=None)
def test_the_learner_can_read_whatever_multi_slot_rank_accepts(slots):
    actions = [{"id": name, "features": [{"x": name}]} for name in "ab"]
    try:
        request = parse_slots_rank(json.dumps({"actions": actions, "slots": slots}).encode())
    except ContractError as error:
        assert error.target in ("body", "slots") or error.target.startswith("slots[")
        return

    texts = [slot_json(slot.id, slot.features) for slot in request.slots]
    assert len(read_slots(texts, 2)) == len(slots)
    assert len({slot.id for slot in request.slots}) == len(slots)
    assert {slot.baseline for slot in request.slots} <= {"a", "b"}
    assert not any(slot.baseline in slot.excluded for slot in request.slots)


def test_a_slot_needs_no_features_and_nulls_among_them_are_dropped():
    body = b"""{"Actions":[{"id":"a","features":[{"x":1}]}],
        "Slots":[{"ID":"s","BaselineAction":"a","Features":[null,{"y":null,"_z":1}]}]}"""

    [slot] = parse_slots_rank(body).slots

    assert (slot.features, slot.excluded) == (b'[{"y":"null"}]', frozenset())
    [without] = parse_slots_rank(body.replace(b"Features", b"Other")).slots
    assert without.features == b"[]"


def test_a_slot_for_which_no_action_was_left_names_none():
    choices = (SlotChoice("top", 1, (0,), (1.0,)), SlotChoice("side", 0, (), ()))

    body = json.loads(render_slots_rank(SlotsInteraction("e", NOW, b"{}", ("a", "b"), choices)))

    assert body["slots"] == [{"id": "top", "rewardActionId": "a"}, {"id": "side"}]


def test_an_empty_list_of_slot_rewards_says_nothing():
    assert parse_slot_rewards(b'{"reward":[]}') == ()


def slots_policy(current, arguments="--ccb_explore_adf --epsilon 0.2 -q ::"):
    body = json.dumps({"name": "mine", "arguments": arguments}).encode()
    return parse_policy(body, current, NOW)


def test_slots_exclude_auto_optimization_whichever_is_set_first():
    with pytest.raises(ContractError) as by_policy:
        slots_policy(CURRENT)
    changed = slots_policy(put(isAutoOptimizationEnabled=False))
    with pytest.raises(ContractError) as by_service:
        put(current=changed, isAutoOptimizationEnabled=True)

    for refused in (by_policy, by_service):
        assert refused.value.code is ErrorCode.AUTO_OPTIMIZATION_WITH_SLOTS
        assert refused.value.code.status == 403
    assert changed.has_slots
    assert put(current=changed).auto_optimization.enabled is False


def test_slots_are_switched_off_by_a_policy_without_them():
    changed = slots_policy(put(isAutoOptimizationEnabled=False))

    back = slots_policy(changed, "--cb_explore_adf -q ::")

    assert not back.has_slots
    assert put(current=back, isAutoOptimizationEnabled=True).auto_optimization.enabled


def test_a_policy_reset_keeps_the_kind_of_loop():
    changed = reset_policy(slots_policy(put(isAutoOptimizationEnabled=False)), NOW)

    assert changed.arguments == (
        "--ccb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"
    )
    assert reset_policy(CURRENT, NOW).arguments == CURRENT.arguments


def test_a_declared_policy_with_slots_turns_auto_optimization_off():
    document = {"policy": {"arguments": "--ccb_explore_adf -q ::"}}

    declared = parse_loop_document(json.dumps(document).encode(), lambda: NOW).change(CURRENT)

    assert declared.has_slots
    assert not declared.auto_optimization.enabled
    document["serviceConfiguration"] = {"isAutoOptimizationEnabled": True}
    with pytest.raises(ContractError) as refused:
        parse_loop_document(json.dumps(document).encode(), lambda: NOW)
    assert refused.value.target == "serviceConfiguration.isAutoOptimizationEnabled"


def test_excluded_actions_keep_their_places_in_the_ranking():
    interaction = Interaction(
        "e", NOW, b"{}", ("a", "b", "c"), (2, 0, 1), (0.1, 0.1, 0.8),
        excluded=(ExcludedAction(0, "x"), ExcludedAction(2, "y")),
    )  # fmt: skip

    body = json.loads(render_rank(interaction))

    assert [(a["id"], a["probability"]) for a in body["ranking"]] == [
        ("x", 0.0), ("c", 0.8), ("y", 0.0), ("a", 0.1), ("b", 0.1),
    ]  # fmt: skip
    assert body["rewardActionId"] == "c"


def put(version=ApiVersion.V1_1_PREVIEW_1, current=CURRENT, **changes):
    body = {
        "rewardWaitTime": "PT5S",
        "defaultReward": -0.5,
        "rewardAggregation": "Average",
        "explorationPercentage": 0.200000003,
        "modelExportFrequency": "00:05:00",
        "logRetentionDays": 7,
        **changes,
    }
    return parse_service_configuration(json.dumps(body).encode(), current, version, NOW)


def test_floats_come_back_as_float32():
    assert b'"explorationPercentage":0.2,' in render_service_configuration(put(), ApiVersion.V1_0)


def test_optional_fields_are_merged():
    once = put(isAutoOptimizationEnabled=False, autoOptimizationFrequency="P7D")
    twice = put(current=once)

    assert twice.auto_optimization == once.auto_optimization
    assert not twice.auto_optimization.enabled


@pytest.mark.parametrize(
    ("version", "count"),
    [(ApiVersion.V1_0, 6), (ApiVersion.V1_1_PREVIEW_2, 11), (ApiVersion.V2022_09_01_PREVIEW, 12)],
)
def test_every_version_shows_its_own_fields(version, count):
    assert len(json.loads(render_service_configuration(CURRENT, version))) == count


def test_exploration_and_epsilon_always_agree():
    policy = b'{"name":"mine","arguments":"--cb_explore_adf --epsilon 0.35 -q ::"}'
    by_policy = parse_policy(policy, CURRENT, NOW)
    by_service = put(current=by_policy, explorationPercentage=0.1)

    assert by_policy.exploration == 0.35
    assert by_service.arguments == "--cb_explore_adf --epsilon 0.1 -q ::"


def test_a_policy_keeps_the_loops_name_and_its_own_text():
    body = b'{"name":"mine","arguments":"--cb_explore_adf  --dsjson"}'
    changed = parse_policy(body, CURRENT, NOW)

    assert json.loads(render_policy(changed)) == {
        "name": "0" * 32,
        "arguments": "--cb_explore_adf  --dsjson",
    }
    assert replace(changed, arguments=CURRENT.arguments) == CURRENT


def test_features_that_vw_cannot_read_are_refused_by_the_learner_too():
    with pytest.raises(FeatureError):
        features_of_actions([b'{"j":[{"x":["a"]}]}'])
