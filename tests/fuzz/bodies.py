"""Bodies of requests: what is accepted can be used, stored, shown, and read again."""

import json
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import msgspec

from shared.contract.errors import ContractError
from shared.contract.evaluations import parse_evaluation, parse_reference
from shared.contract.feature_importances import parse_feature_importance
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
from shared.events.interaction import AnyInteraction
from shared.events.observation import Observation
from shared.learner.arguments import parse
from shared.learner.features import FeatureError
from shared.learner.learner import Example, Learner, Outcome, SlotsExample
from shared.services.loop_settings import LoopSettings
from shared.services.loop_state import decode_settings, effective_arguments, encode, fingerprint
from shared.services.ports import Blob, EntityTooLarge
from shared.services.rank import decide, decide_for_slots
from shared.services.rank_request import RankRequest, SlotsRankRequest
from shared.storage.event_codec import (
    interaction_row,
    observation_row,
    row_interaction,
    row_observation,
)
from tests.contract.malformed import (
    MALFORMED,
    POLICY,
    RANK,
    REWARD,
    SERVICE,
    SLOTS_RANK,
    SLOTS_REWARD,
)
from tests.fuzz import known
from tests.fuzz.mutation import changed_words, json_mutator
from tests.fuzz.target import Havoc, Target, refused

GOLDEN = Path(__file__).parents[1] / "golden"
MOST_SEED = 4096
EXPENSIVE = 16
"""One in so many accepted inputs is learned as well, chosen by a checksum of the input."""

FLAGS = (
    "--cb_explore_adf", "--ccb_explore_adf", "--epsilon", "0.2", "--epsilon=0.3", "0", "1", "2",
    "5", "0.5", "-1", "1e9", "1e-9", "nan", "--cb_type", "mtr", "ips", "dm", "dr", "-q", "::", ":j",
    "ab", "Fj", "--quadratic", "--cubic", "abc", ":::", "--interactions", "abcd", "--softmax",
    "--lambda", "--bag", "--greedify", "--cover", "--psi", "--nounif", "--first_only", "--first",
    "--squarecb", "--gamma_scale", "--gamma_exponent", "--elim", "--mellowness", "--cb_min_cost",
    "--cb_max_cost", "--regcb", "--regcbopt", "--rnd", "--rnd_alpha", "--rnd_invlambda",
    "--synthcover", "--synthcoversize", "--synthcoverpsi", "--large_action_space", "--max_actions",
    "--spanner_c", "--marginal", "--initial_numerator", "--initial_denominator", "--decay",
    "--unweighted_marginals", "-b", "10", "24", "25", "--bit_precision", "-l", "0.01",
    "--learning_rate", "1e6", "--power_t", "--initial_t", "--l1", "--l2", "--sgd", "--adaptive",
    "--normalized", "--invariant", "--clip_p", "--min_prediction", "--max_prediction",
    "--noconstant", "--ignore", "--keep", "--ignore_linear", "--leave_duplicate_interactions",
    "--dsjson", "--quiet", "--id", "x", "'", '"', "\\", "--id=", "-f", "--cats", "-", "--", "--b",
)  # fmt: skip


def golden(*operations: str) -> list[bytes]:
    found = (json.loads(path.read_bytes()) for path in sorted(GOLDEN.glob("*.json")))
    return [
        json.dumps(each["request"]).encode()
        for each in found
        if each["operation"] in operations and each.get("request")
    ]


def malformed(*paths: str) -> list[bytes]:
    return [c.body for c in MALFORMED if c.path in paths and len(c.body) <= MOST_SEED]


def rank(data: bytes) -> bool:
    try:
        request = parse_rank(data)
    except ContractError as exc:
        return refused(exc)
    again = {**_members(request), "excludedActions": sorted(request.excluded)}
    assert parse_rank(msgspec.json.encode(again)) == request
    try:
        found = decide(replace(request, event_id=request.event_id or "e"),
                       known.served(data, slots=False), known.NOW)  # fmt: skip
    except FeatureError:
        return True  # answered with 400
    known.assert_distribution(found.probabilities)
    assert min(found.probabilities) > 0.0
    assert sorted(found.ranking) == list(range(len(found.actions)))
    shown = msgspec.json.decode(render_rank(found))
    assert {each["id"] for each in shown["ranking"]} == {a.id for a in request.actions}
    if _stored(found) and crc32(data) % EXPENSIVE == 0:
        _learn(Example(found.context, found.chosen, -1.0, found.propensity), slots=False)
    return True


def slots_rank(data: bytes) -> bool:
    try:
        request = parse_slots_rank(data)
    except ContractError as exc:
        return refused(exc)
    again = {
        **_members(request),
        "slots": [
            {
                "id": s.id,
                "features": msgspec.Raw(s.features),
                "baselineAction": s.baseline,
                "excludedActions": sorted(s.excluded),
            }
            for s in request.slots
        ],
    }
    assert parse_slots_rank(msgspec.json.encode(again)) == request
    try:
        found = decide_for_slots(replace(request, event_id=request.event_id or "e"),
                                 known.served(data, slots=True), known.NOW)  # fmt: skip
    except FeatureError:
        return True
    chosen = [choice.chosen for choice in found.choices if choice.chosen is not None]
    assert len(set(chosen)) == len(chosen)
    for slot, choice in zip(request.slots, found.choices, strict=True):
        if choice.ranking:
            known.assert_distribution(choice.probabilities)
            assert min(choice.probabilities) > 0.0
        assert not {found.actions[action] for action in choice.ranking} & slot.excluded
    assert len(msgspec.json.decode(render_slots_rank(found))["slots"]) == len(request.slots)
    if not _stored(found):
        return True
    outcomes = tuple(
        None if choice.chosen is None else Outcome(choice.chosen, -1.0, choice.probabilities[0])
        for choice in found.choices
    )
    if crc32(data) % EXPENSIVE == 0:
        _learn(SlotsExample(found.context, outcomes), slots=True)
    return True


def _members(request: RankRequest | SlotsRankRequest) -> dict[str, object]:
    """Return what both kinds of requests have, as it would be sent."""
    return {
        "eventId": request.event_id,
        "contextFeatures": msgspec.Raw(request.context_features),
        "actions": [{"id": a.id, "features": msgspec.Raw(a.features)} for a in request.actions],
        "deferActivation": request.defer_activation,
    }


def _stored(found: AnyInteraction) -> bool:
    """Whether a decision can be stored, and then comes back as it was; if not, it is a 400."""
    try:
        row = interaction_row(known.SPACE, known.STATE.cursor, found)
    except EntityTooLarge:
        return False
    assert row_interaction(row) == found
    return True


@lru_cache(maxsize=2)
def _settings(slots: bool):
    return parse(f"--{'c' * slots}cb_explore_adf -q :: -b 8")


def _learn(example: Example | SlotsExample, *, slots: bool) -> None:
    learner = Learner(_settings(slots))
    learner.learn(example)
    assert learner.learned + learner.skipped == 1
    known.assert_decides(learner.policy(), [known.PLAIN]) if not slots else learner.policy()


def reward(data: bytes) -> bool:
    try:
        value = parse_reward(data)
    except ContractError as exc:
        return refused(exc)
    assert type(value) is float
    assert -1.0 <= value <= 1.0
    assert parse_reward(msgspec.json.encode({"value": value})) == value
    return True


def slot_rewards(data: bytes) -> bool:
    try:
        values = parse_slot_rewards(data)
    except ContractError as exc:
        return refused(exc)
    assert all(type(each.value) is float and -1.0 <= each.value <= 1.0 for each in values)
    again = {"reward": [{"slotId": each.slot, "value": each.value} for each in values]}
    assert parse_slot_rewards(msgspec.json.encode(again)) == values
    observation = Observation("e", "1", known.NOW, None, values)
    try:
        row = observation_row(known.SPACE, known.STATE.cursor, observation)
    except EntityTooLarge:
        return True
    assert row_observation(row) == observation
    return True


def policy(data: bytes) -> bool:
    current = known.SETTINGS[len(data) % 3]
    try:
        settings = parse_policy(data, current, known.NOW)
    except ContractError as exc:
        return refused(exc)
    assert settings.exploration == parse(effective_arguments(settings)).epsilon
    if crc32(data) % EXPENSIVE > 3:
        return True
    assert parse_policy(render_policy(settings), settings, known.NOW) == settings
    assert fingerprint(settings) == fingerprint(decode_settings(Blob(encode(settings), "")))
    assert reset_policy(settings, known.NOW).has_slots == settings.has_slots
    if crc32(data) % EXPENSIVE == 0:
        _learn_one(effective_arguments(settings))
    return True


@lru_cache(maxsize=4096)
def _learn_one(arguments: str) -> None:
    settings = parse(arguments)
    if settings.bits > 18:
        return  # bounded, but takes a second; there is a test of its own
    learner = Learner(settings)
    learner.learn_many(known.examples()[:2])
    assert learner.learned + learner.skipped == 2
    known.assert_decides(learner.policy())


def service(data: bytes) -> bool:
    current = known.SETTINGS[len(data) % 3]
    accepted = False
    for version in (ApiVersion.V1_0, ApiVersion.V1_1_PREVIEW_3, ApiVersion.V2022_09_01_PREVIEW):
        try:
            settings = parse_service_configuration(data, current, version, known.NOW)
        except ContractError as exc:
            refused(exc)
            continue
        accepted = True
        shown = render_service_configuration(settings, version)
        again = parse_service_configuration(shown, settings, version, known.NOW)
        assert again == settings
        _usable(settings)
    return accepted


def _usable(settings: LoopSettings) -> None:
    assert decode_settings(Blob(encode(settings), "")) == settings
    assert parse(effective_arguments(settings)).epsilon == settings.exploration
    fingerprint(settings)
    assert timedelta(seconds=1) <= settings.rewards.wait <= timedelta(days=60)


def loop_document(data: bytes) -> bool:
    try:
        document = parse_loop_document(data, lambda: known.NOW)
    except ContractError as exc:
        return refused(exc)
    again = parse_loop_document(
        msgspec.json.encode(msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf") or b"{}")),
        lambda: known.NOW,
    )
    assert again.digest == document.digest
    try:
        changed = document.change(known.SETTINGS[crc32(data) % 3])
    except ContractError as exc:
        refused(exc)
        return True
    _usable(changed)
    again = document.change(changed)
    assert fingerprint(again) == fingerprint(changed)
    assert replace(again, arguments="") == replace(changed, arguments="")
    return True


def jobs(data: bytes) -> bool:
    accepted = False
    for parser in (parse_evaluation, parse_feature_importance):
        try:
            job = parser(data, "id", known.NOW)
        except ContractError as exc:
            refused(exc)
            continue
        accepted = True
        assert job.start < job.end
        assert msgspec.json.decode(msgspec.json.encode(job), type=type(job)) == job
    try:
        parse_reference(data)
    except ContractError as exc:
        refused(exc)
    else:
        accepted = True
    return accepted


FEATURES = ("x", "y", "constant", "FromUrl", "i", "j", "_text", "_multi", "_slots", "_inc", "_tag")
RANK_NAMES = ("id", "features", "actions", "contextFeatures", "excludedActions", "eventId",
              "deferActivation", *FEATURES)  # fmt: skip
SLOT_NAMES = ("slots", "baselineAction", *RANK_NAMES)
SERVICE_NAMES = (
    "rewardWaitTime", "defaultReward", "rewardAggregation", "explorationPercentage",
    "modelExportFrequency", "logRetentionDays", "logMirrorEnabled", "logMirrorSasUri",
    "learningMode", "isAutoOptimizationEnabled", "autoOptimizationFrequency",
    "autoOptimizationStartDate", "modelRetrainDays", "isInferenceExplainabilityEnabled",
    "lastConfigurationEditDate",
)  # fmt: skip
SERVICE_VALUES = (
    "PT10M", "00:10:00", "P1D", "P60D", "P61D", "PT0S", "PT1S", "PT0.5S", "P999999D", "PT",
    "999999.23:59:59.9999999", "earliest", "Sum", "Online", "Apprentice", "LoggingOnly", 0.2, 1, 0,
    0.123456789, -1, 2, 90, 2**31 - 1, "2026-01-01", "0001-01-01T00:00:00", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-W01", "20260101T000000Z",
)  # fmt: skip
POLICY_VALUES = (
    "--cb_explore_adf", "--ccb_explore_adf --epsilon 0.5", "--cb_explore_adf --epsilon 0.3",
    "--cb_explore_adf --bag 3 -q ::", "--cb_explore_adf --id \"x --epsilon 5\"",
)  # fmt: skip
_rank_mutator = json_mutator(RANK_NAMES)
_policy_mutator = json_mutator(("name", "arguments"), POLICY_VALUES)


def mutate_policy(data: bytes, rng, bytewise: Havoc) -> bytes:
    """Change the words of the arguments, or else the document around them."""
    try:
        body = json.loads(data)
        if rng.random() < 0.75 and type(body["arguments"]) is str:
            body["arguments"] = changed_words(body["arguments"], rng, FLAGS)
            return json.dumps(body).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return _policy_mutator(data, rng, bytewise)


def policy_seeds() -> list[bytes]:
    from tests.learner.test_vw_model import ARGUMENTS, DOUBTFUL, SEVERAL_WEIGHTS

    found = [*(ARGUMENTS | DOUBTFUL | SEVERAL_WEIGHTS).values(), *POLICY_VALUES]
    seeds = [json.dumps({"name": "p", "arguments": each}).encode() for each in found]
    return seeds + golden("Policy_Update") + malformed(POLICY)


def loop_seeds() -> list[bytes]:
    bodies = [json.loads(body) for body in golden("ServiceConfiguration_Update")]
    documents = [
        {"serviceConfiguration": {n: v for n, v in body.items() if n in SERVICE_NAMES[:-1]},
         "policy": {"arguments": arguments}}
        for body, arguments in zip(bodies, POLICY_VALUES, strict=False)
    ]  # fmt: skip
    return [b"", b"{}", *(json.dumps(each).encode() for each in documents)]


JOB = {
    "name": "e", "startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-02T00:00:00+01:00",
    "policies": [{"name": "a", "arguments": "--cb_explore_adf"}], "evaluationId": "x",
    "enableOfflineExperimentation": True, "enablePolicyOptimization": False, "policyName": "a",
}  # fmt: skip
REWARD_SEEDS = [b'{"value":1}', b'{"value":-0.5}', b'{"Value":1e-9}']
SLOT_REWARD_SEEDS = [
    b'{"reward":[]}',
    b'{"reward":[{"slotId":"a","value":1},{"slotId":"b","value":0}]}',
]

TARGETS = (
    Target("rank", rank, lambda: golden("Rank") + malformed(RANK), _rank_mutator, 4096),
    Target("slots-rank", slots_rank, lambda: golden("MultiSlot_Rank") + malformed(SLOTS_RANK),
           json_mutator(SLOT_NAMES), 4096),
    Target("reward", reward, lambda: REWARD_SEEDS + malformed(REWARD), json_mutator(("value",))),
    Target("slots-reward", slot_rewards, lambda: SLOT_REWARD_SEEDS + malformed(SLOTS_REWARD),
           json_mutator(("reward", "slotId", "value"))),
    Target("policy", policy, policy_seeds, mutate_policy, 1400),
    Target("service-configuration", service,
           lambda: golden("ServiceConfiguration_Update") + malformed(SERVICE),
           json_mutator(SERVICE_NAMES, SERVICE_VALUES)),
    Target("loop-document", loop_document, loop_seeds,
           json_mutator((*SERVICE_NAMES, "serviceConfiguration", "policy", "name", "arguments"),
                        (*SERVICE_VALUES, *POLICY_VALUES))),
    Target("jobs", jobs, lambda: [json.dumps(JOB).encode()],
           json_mutator(tuple(JOB), ("2026-01-01", *SERVICE_VALUES, *POLICY_VALUES))),
)  # fmt: skip
