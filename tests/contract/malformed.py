"""Malformed requests with the answer that is documented for each, for parsers and over HTTP."""

import json
from dataclasses import dataclass
from typing import Any

RANK = "personalizer/v1.0/rank"
REWARD = "personalizer/v1.0/events/e/reward"
SERVICE = "personalizer/v1.0/configurations/service"
POLICY = "personalizer/v1.0/configurations/policy"
SLOTS_RANK = "personalizer/v1.1-preview.3/multislot/rank"
SLOTS_REWARD = "personalizer/v1.1-preview.3/multislot/events/e/reward"
NEWEST = "personalizer/configurations/service?api-version=2022-09-01-preview"


@dataclass(frozen=True)
class Malformed:
    """One request and its documented refusal."""

    name: str
    method: str
    path: str
    body: bytes
    status: int
    code: str
    target: str | None
    key: str | None = "right"


ACTION = {"id": "a", "features": [{"x": 1}]}
OTHER = {**ACTION, "id": "b"}
SLOT = {"id": "s", "baselineAction": "a"}
SECOND = {"id": "t", "baselineAction": "b"}
SETTINGS = {
    "rewardWaitTime": "PT10M",
    "defaultReward": 0.0,
    "rewardAggregation": "earliest",
    "explorationPercentage": 0.2,
    "modelExportFrequency": "PT5M",
    "logRetentionDays": 90,
}


def _rank(name: str, target: str, body: Any, code: str = "InvalidRankRequest") -> Malformed:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Malformed(f"rank: {name}", "POST", RANK, text, 400, code, target)


def _reward(name: str, target: str, body: bytes, code: str = "InvalidRewardRequest") -> Malformed:
    return Malformed(f"reward: {name}", "POST", REWARD, body, 400, code, target)


def _slots_rank(name: str, target: str, *slots: Any, **members: Any) -> Malformed:
    body = {"actions": [ACTION, OTHER], "slots": list(slots), **members}
    text = json.dumps({k: v for k, v in body.items() if v is not ...}).encode()
    return Malformed(
        f"multi-slot rank: {name}", "POST", SLOTS_RANK, text, 400, "InvalidRankRequest", target
    )


def _slots_reward(name: str, target: str, body: Any) -> Malformed:
    text = json.dumps(body).encode()
    return Malformed(
        f"multi-slot reward: {name}", "POST", SLOTS_REWARD, text, 400, "InvalidRewardRequest",
        target,
    )  # fmt: skip


def _service(
    name: str,
    changes: dict[str, Any],
    code: str = "InvalidServiceConfiguration",
    path: str = SERVICE,
) -> Malformed:
    body = {k: v for k, v in {**SETTINGS, **changes}.items() if v is not ...}
    target = next(iter(changes))
    return Malformed(f"service: {name}", "PUT", path, json.dumps(body).encode(), 400, code, target)


def _policy(name: str, body: Any, code: str, target: str) -> Malformed:
    return Malformed(f"policy: {name}", "PUT", POLICY, json.dumps(body).encode(), 400, code, target)


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"n": value}
    return value


def _with(feature: Any) -> dict[str, Any]:
    return {"actions": [{"id": "a", "features": [feature]}]}


MALFORMED = (
    _rank("empty body", "body", b"", "BadRequest"),
    _rank("not JSON", "body", b"{actions}", "BadRequest"),
    _rank("cut short", "body", b'{"actions":[', "BadRequest"),
    _rank("array", "body", b"[]", "BadRequest"),
    _rank("null", "body", b"null", "BadRequest"),
    _rank("number", "body", b"1", "BadRequest"),
    _rank("not UTF-8", "body", b'{"\xff\xfe":1}', "BadRequest"),
    _rank("trailing text", "body", b"{}x", "BadRequest"),
    _rank("NaN", "body", b'{"actions":NaN}', "BadRequest"),
    _rank("too deep for a parser", "body", b'{"actions":' + b"[" * 100_000, "BadRequest"),
    _rank("no actions", "actions", {}),
    _rank("actions null", "actions", {"actions": None}),
    _rank("actions an object", "actions", {"actions": {}}),
    _rank("actions a string", "actions", {"actions": "a"}),
    _rank("actions empty", "actions", {"actions": []}),
    _rank("51 actions", "actions", {"actions": [{**ACTION, "id": str(i)} for i in range(51)]}),
    _rank("action null", "actions[1]", {"actions": [ACTION, None]}),
    _rank("action a string", "actions[0]", {"actions": ["a"]}),
    _rank("no action id", "actions[0].id", {"actions": [{"features": [{"x": 1}]}]}),
    _rank("empty action id", "actions[0].id", {"actions": [{**ACTION, "id": ""}]}),
    _rank("action id a number", "actions[0].id", {"actions": [{**ACTION, "id": 7}]}),
    _rank("long action id", "actions[0].id", {"actions": [{**ACTION, "id": "x" * 257}]}),
    _rank("action id with a control", "actions[0].id", {"actions": [{**ACTION, "id": "a\n"}]}),
    _rank("lone surrogate", "body", b'{"actions":[{"id":"\\ud800","features":[{"x":1}]}]}', "BadRequest"),
    _rank("same id twice", "actions", {"actions": [ACTION, ACTION]}),
    _rank("no features", "actions[0].features", {"actions": [{"id": "a"}]}),
    _rank("features null", "actions[0].features", {"actions": [{"id": "a", "features": None}]}),
    _rank("features empty", "actions[0].features", {"actions": [{"id": "a", "features": []}]}),
    _rank("features only null", "actions[0].features", {"actions": [{"id": "a", "features": [None]}]}),
    _rank("features an object", "actions[0].features", {"actions": [{"id": "a", "features": {}}]}),
    _rank("a feature a string", "actions[0].features[0]", _with("x")),
    _rank("array of strings", "actions[0].features[0].tags", _with({"tags": ["a"]})),
    _rank("array of booleans", "actions[0].features[0].tags", _with({"tags": [True]})),
    _rank("array of arrays", "actions[0].features[0].tags", _with({"tags": [[1]]})),
    _rank("array of objects", "actions[0].features[0].tags", _with({"tags": [{"a": 1}]})),
    _rank("array with null", "actions[0].features[0].tags", _with({"tags": [None]})),
    _rank("empty feature name", "actions[0].features[0]", _with({"": 1})),
    _rank("number above float32", "actions[0].features[0].x", _with({"x": 1e39})),
    _rank("huge integer", "actions[0].features[0].x", _with({"x": 10**60})),
    _rank("huge number in an array", "actions[0].features[0].x", _with({"x": [-1e300]})),
    _rank("integer of 310 digits", "actions[0].features[0].x", _with({"x": 10**309})),
    _rank("integer of 310 digits in an array", "actions[0].features[0].x", _with({"x": [-(10**309)]})),
    _rank("integer of 5000 digits", "actions[0]", b'{"actions":[{"id":"a","features":[{"x":' + b"9" * 5000 + b"}]}]}"),
    _rank("context integer of 310 digits", "contextFeatures[0].x", {"actions": [ACTION], "contextFeatures": [{"x": 10**309}]}),
    _rank("feature value not UTF-8", "actions[0]", b'{"actions":[{"id":"a","features":[{"x":"\xff"}]}]}'),
    _rank("wrong in an action too large to be remembered", "actions[0].features[0].x", _with({"x": ["y" * 5000]})),
    _rank("nested too deep", "actions[0].features[0]" + ".n" * 16, _with(_deep(17))),
    _rank("context a string", "contextFeatures", {"actions": [ACTION], "contextFeatures": "x"}),
    _rank("context an object", "contextFeatures", {"actions": [ACTION], "contextFeatures": {}}),
    _rank("context item null", "contextFeatures[0]", {"actions": [ACTION], "contextFeatures": [None]}),
    _rank("context item a number", "contextFeatures[1]", {"actions": [ACTION], "contextFeatures": [{}, 1]}),
    _rank("context array of strings", "contextFeatures[0].a", {"actions": [ACTION], "contextFeatures": [{"a": ["b"]}]}),
    _rank("excluded a string", "excludedActions", {"actions": [ACTION], "excludedActions": "a"}),
    _rank("excluded item null", "excludedActions[0]", {"actions": [ACTION], "excludedActions": [None]}),
    _rank("everything excluded", "excludedActions", {"actions": [ACTION], "excludedActions": ["a"]}),
    _rank("empty event id", "eventId", {"actions": [ACTION], "eventId": ""}),
    _rank("event id a number", "eventId", {"actions": [ACTION], "eventId": 5}),
    _rank("long event id", "eventId", {"actions": [ACTION], "eventId": "e" * 257}),
    _rank("defer a string", "deferActivation", {"actions": [ACTION], "deferActivation": "yes"}),
    _rank("defer a number", "deferActivation", {"actions": [ACTION], "deferActivation": 1}),
    _rank("too large", "body", b" " * (901 * 1024), "PayloadSizeExceeded"),
    _reward("empty body", "body", b"", "BadRequest"),
    _reward("a bare number", "body", b"1", "BadRequest"),
    _reward("no value", "value", b"{}"),
    _reward("value null", "value", b'{"value":null}'),
    _reward("value a string", "value", b'{"value":"1"}'),
    _reward("value a boolean", "value", b'{"value":true}'),
    _reward("value too high", "value", b'{"value":1.01}'),
    _reward("value too low", "value", b'{"value":-7}'),
    _reward("value beyond float", "value", b'{"value":1e999}'),
    _reward("value of 310 digits", "value", b'{"value":' + b"9" * 310 + b"}"),
    _reward("value negative of 310 digits", "value", b'{"value":-' + b"9" * 310 + b"}"),
    _reward("value an object", "value", b'{"value":{"value":1}}'),
    _reward("value an array", "value", b'{"value":[1]}'),
    _reward("value infinite", "body", b'{"value":Infinity}', "BadRequest"),
    Malformed("multi-slot rank: empty body", "POST", SLOTS_RANK, b"", 400, "BadRequest", "body"),
    _slots_rank("no slots", "slots", slots=...),
    _slots_rank("slots null", "slots", slots=None),
    _slots_rank("slots an object", "slots", slots={}),
    _slots_rank("slots a string", "slots", slots="top"),
    _slots_rank("slots empty", "slots"),
    _slots_rank("more slots than actions", "slots", SLOT, SECOND, {**SECOND, "id": "u"}),
    _slots_rank("no actions", "actions", SLOT, actions=...),
    _slots_rank("51 actions", "actions", SLOT, actions=[{**ACTION, "id": str(i)} for i in range(51)]),
    _slots_rank("action without features", "actions[1].features", SLOT, actions=[ACTION, {"id": "b"}]),
    _slots_rank("slot null", "slots[1]", SLOT, None),
    _slots_rank("slot a string", "slots[0]", "top"),
    _slots_rank("no slot id", "slots[0].id", {"baselineAction": "a"}),
    _slots_rank("empty slot id", "slots[1].id", SLOT, {**SECOND, "id": ""}),
    _slots_rank("slot id a number", "slots[0].id", {**SLOT, "id": 7}),
    _slots_rank("long slot id", "slots[0].id", {**SLOT, "id": "x" * 257}),
    _slots_rank("same slot id twice", "slots[1].id", SLOT, {**SECOND, "id": "s"}),
    _slots_rank("no baseline", "slots[0].baselineAction", {"id": "s"}),
    _slots_rank("baseline null", "slots[0].baselineAction", {**SLOT, "baselineAction": None}),
    _slots_rank("baseline a number", "slots[0].baselineAction", {**SLOT, "baselineAction": 0}),
    _slots_rank("baseline an array", "slots[0].baselineAction", {**SLOT, "baselineAction": ["a"]}),
    _slots_rank("baseline unknown", "slots[1].baselineAction", SLOT, {**SECOND, "baselineAction": "c"}),
    _slots_rank("same baseline twice", "slots[1].baselineAction", SLOT, {**SECOND, "baselineAction": "a"}),
    _slots_rank("baseline excluded", "slots[1].baselineAction", SLOT, {**SECOND, "excludedActions": ["b"]}),
    _slots_rank("everything excluded", "slots[0].baselineAction", {**SLOT, "excludedActions": ["a", "b"]}),
    _slots_rank("excluded a string", "slots[0].excludedActions", {**SLOT, "excludedActions": "b"}),
    _slots_rank("excluded item null", "slots[0].excludedActions[1]", {**SLOT, "excludedActions": ["b", None]}),
    _slots_rank("excluded item an object", "slots[0].excludedActions[0]", {**SLOT, "excludedActions": [{}]}),
    _slots_rank("excluded unknown", "slots[0].excludedActions[1]", {**SLOT, "excludedActions": ["b", "c"]}),
    _slots_rank("features an object", "slots[0].features", {**SLOT, "features": {}}),
    _slots_rank("a feature a string", "slots[0].features[1]", {**SLOT, "features": [None, "x"]}),
    _slots_rank("array of strings", "slots[1].features[0].n.tags", SLOT, {**SECOND, "features": [{"n": {"tags": ["a"]}}]}),
    _slots_rank("feature beyond float32", "slots[0].features[0].x", {**SLOT, "features": [{"x": 1e39}]}),
    _slots_rank("context a string", "contextFeatures", SLOT, contextFeatures="x"),
    _slots_rank("context item null", "contextFeatures[1]", SLOT, contextFeatures=[{}, None]),
    _slots_rank("empty event id", "eventId", SLOT, eventId=""),
    _slots_rank("defer a string", "deferActivation", SLOT, deferActivation="yes"),
    Malformed("multi-slot reward: empty body", "POST", SLOTS_REWARD, b"", 400, "BadRequest", "body"),
    _slots_reward("single-slot body", "reward", {"value": 1}),
    _slots_reward("reward null", "reward", {"reward": None}),
    _slots_reward("reward a number", "reward", {"reward": 1}),
    _slots_reward("item null", "reward[0]", {"reward": [None]}),
    _slots_reward("item a number", "reward[1]", {"reward": [{"slotId": "s", "value": 1}, 1]}),
    _slots_reward("no slot id", "reward[0].slotId", {"reward": [{"value": 1}]}),
    _slots_reward("empty slot id", "reward[0].slotId", {"reward": [{"slotId": "", "value": 1}]}),
    _slots_reward("slot id a number", "reward[0].slotId", {"reward": [{"slotId": 1, "value": 1}]}),
    _slots_reward("long slot id", "reward[0].slotId", {"reward": [{"slotId": "x" * 257, "value": 1}]}),
    _slots_reward("no value", "reward[0].value", {"reward": [{"slotId": "s"}]}),
    _slots_reward("value a string", "reward[0].value", {"reward": [{"slotId": "s", "value": "1"}]}),
    _slots_reward("value too high", "reward[1].value", {"reward": [{"slotId": "s", "value": 1}, {"slotId": "t", "value": 1.5}]}),
    _slots_reward("value of 310 digits", "reward[0].value", {"reward": [{"slotId": "s", "value": 10**310}]}),
    _service("no wait", {"rewardWaitTime": ...}),
    _service("wait a number", {"rewardWaitTime": 600}),
    _service("wait in words", {"rewardWaitTime": "ten minutes"}),
    _service("wait zero", {"rewardWaitTime": "PT0S"}),
    _service("wait too long", {"rewardWaitTime": "P61D"}),
    _service("default reward too high", {"defaultReward": 1.5}),
    _service("default reward a string", {"defaultReward": "0"}),
    _service("unknown aggregation", {"rewardAggregation": "mean"}),
    _service("aggregation a number", {"rewardAggregation": 1}),
    _service("exploration above one", {"explorationPercentage": 20}),
    _service("exploration null", {"explorationPercentage": None}),
    _service("export frequency zero", {"modelExportFrequency": "00:00:00"}),
    _service("retention shorter than the wait", {"logRetentionDays": 1, "rewardWaitTime": "P1D"}),
    _service("retention a fraction", {"logRetentionDays": 7.5}),
    _service("retention too large", {"logRetentionDays": 2**31}),
    _service("mode unknown", {"learningMode": "Offline"}),
    _service("mode and reward together", {"learningMode": "Apprentice", "defaultReward": 0.5}, "InvalidLearningModeServiceConfiguration"),
    _service("auto optimization a string", {"isAutoOptimizationEnabled": "true"}),
    _service("date in words", {"autoOptimizationStartDate": "tomorrow"}),
    _service("retrain days missing", {"modelRetrainDays": ...}, "InvalidModelRetrainDays", NEWEST),
    _service("retrain days negative", {"modelRetrainDays": -1}, "InvalidModelRetrainDays", NEWEST),
    _service("wait zero, newer", {"rewardWaitTime": "PT0S"}, "InvalidRewardWaitTime", SERVICE.replace("v1.0", "v1.1-preview.1")),
    _service("retention zero, newer", {"logRetentionDays": 0}, "InvalidLogRetentionDays", SERVICE.replace("v1.0", "v1.1-preview.3")),
    _service("retention zero, before it had a code", {"logRetentionDays": 0}, path=SERVICE.replace("v1.0", "v1.1-preview.2")),
    _policy("no name", {"arguments": "--cb_explore_adf"}, "InvalidPolicyContract", "name"),
    _policy("no arguments", {"name": "p"}, "InvalidPolicyContract", "arguments"),
    _policy("arguments a list", {"name": "p", "arguments": []}, "InvalidPolicyContract", "arguments"),
    _policy("too long", {"name": "p", "arguments": "--cb_explore_adf" + " " * 1024}, "InvalidPolicyContract", "arguments"),
    _policy("no exploration", {"name": "p", "arguments": "-q ::"}, "InvalidPolicyConfiguration", "arguments"),
    _policy("unsupported", {"name": "p", "arguments": "--cb_explore_adf --cats 5"}, "InvalidPolicyConfiguration", "arguments"),
    _policy("a file", {"name": "p", "arguments": "--cb_explore_adf -f /etc/x"}, "InvalidPolicyConfiguration", "arguments"),
    _policy("gigabytes", {"name": "p", "arguments": "--cb_explore_adf -b 40"}, "InvalidPolicyConfiguration", "arguments"),
    _policy("quoted epsilon", {"name": "p", "arguments": "--cb_explore_adf --epsilon '0.3 '"}, "InvalidPolicyConfiguration", "arguments"),
    _policy("epsilon in an id", {"name": "p", "arguments": '--cb_explore_adf --id "x --epsilon 5"'}, "InvalidPolicyConfiguration", "arguments"),
    _policy("no room for an epsilon", {"name": "p", "arguments": "--cb_explore_adf".ljust(1022)}, "InvalidPolicyConfiguration", "arguments"),
    _policy("long name", {"name": "p" * 257, "arguments": "--cb_explore_adf"}, "InvalidPolicyContract", "name"),
    _policy("open quote", {"name": "p", "arguments": '--cb_explore_adf "'}, "InvalidPolicyConfiguration", "arguments"),
    Malformed("policy: slots with auto-optimization", "PUT", POLICY, b'{"name":"p","arguments":"--ccb_explore_adf"}', 403, "ProblemTypeIncompatibleWithAutoOptimization", "arguments"),
    _policy("slots with something unsupported", {"name": "p", "arguments": "--ccb_explore_adf --leave_duplicate_interactions"}, "InvalidPolicyConfiguration", "arguments"),
    Malformed("multi-slot event id too long", "POST", f"personalizer/v1.1-preview.1/multislot/events/{'e' * 257}/activate", b"", 400, "InvalidEventIdToActivate", "eventId"),
    Malformed("wrong method on multi-slot", "GET", SLOTS_RANK, b"", 405, "MethodNotAllowed", None),
    Malformed("wrong method", "GET", RANK, b"", 405, "MethodNotAllowed", None),
    Malformed("wrong method on an event", "PUT", REWARD, b"{}", 405, "MethodNotAllowed", None),
    Malformed("wrong path", "POST", "personalizer/v1.0/ranks", b"{}", 404, "ResourceNotFound", "path"),
    Malformed("path of 2019", "POST", "personalization/v1.0/rank", b"{}", 404, "ResourceNotFound", "path"),
    Malformed("unknown version", "POST", "personalizer/v9/rank", b"{}", 404, "ResourceNotFound", "version"),
    Malformed("no version", "POST", "personalizer/rank", b"{}", 400, "BadRequest", "api-version"),
    Malformed("unknown api-version", "POST", "personalizer/rank?api-version=1", b"{}", 400, "BadRequest", "api-version"),
    Malformed("no key", "POST", RANK, b"{}", 401, "401", None, key=None),
    Malformed("wrong key", "POST", RANK, b"{}", 401, "401", None, key="wrong"),
    Malformed("wrong key on a wrong path", "GET", "personalizer/x", b"", 401, "401", None, key="wrong"),
    Malformed("event id not UTF-8", "POST", "personalizer/v1.0/events/%FF/reward", b'{"value":1}', 400, "InvalidEventIdToActivate", "eventId"),
    Malformed("event id too long", "POST", f"personalizer/v1.0/events/{'e' * 257}/activate", b"", 400, "InvalidEventIdToActivate", "eventId"),
    Malformed("event id with a control", "POST", "personalizer/v1.0/events/a%00b/activate", b"", 400, "InvalidEventIdToActivate", "eventId"),
)  # fmt: skip
