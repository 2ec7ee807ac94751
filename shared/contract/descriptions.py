"""What the API's description says of each operation, beyond the table of operations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.contract import bodies
from shared.contract.decisions import MOST
from shared.contract.errors import ErrorCode
from shared.contract.evaluations import INTERVALS, WINDOWS
from shared.contract.jobs import INT32, PAGE
from shared.contract.operations import (
    ACTIVATE,
    APPLY_FROM_EVALUATION,
    CREATE_EVALUATION,
    CREATE_FEATURE_IMPORTANCE,
    DELETE_EVALUATION,
    DELETE_FEATURE_IMPORTANCE,
    DELETE_LOGS,
    DELETE_LOOP,
    GET_DECISION,
    GET_DECISIONS,
    GET_DOCTOR,
    GET_EVALUATION,
    GET_FEATURE_IMPORTANCE,
    GET_LOG,
    GET_LOG_PROPERTIES,
    GET_LOOP,
    GET_METRICS,
    GET_MODEL,
    GET_MODEL_PROPERTIES,
    GET_POLICY,
    GET_SERVICE,
    LIST_EVALUATIONS,
    LIST_FEATURE_IMPORTANCES,
    LIST_LOOPS,
    LOG_INTERACTIONS,
    LOG_OBSERVATIONS,
    MULTI_SLOT_ACTIVATE,
    MULTI_SLOT_RANK,
    MULTI_SLOT_REWARD,
    PUBLISH_MODEL,
    PUT_EVALUATION,
    PUT_LOOP,
    PUT_MODEL,
    PUT_POLICY,
    PUT_SERVICE,
    RANK,
    REGENERATE_KEY,
    RESET_MODEL,
    RESET_POLICY,
    REWARD,
    TRAIN,
    UNLOGGED_HEADER,
    Operation,
)
from shared.services.loop_settings import DEFAULT_ARGUMENTS
from shared.services.train import TrainingReport

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query.

    Attributes:
        name: Of the parameter.
        schema: Of its value.
        about: What it is for.
        required: Whether it must be there.
    """

    name: str
    schema: Schema
    about: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    """What there is to say of an operation.

    Attributes:
        tag: Of the capability that it belongs to.
        summary: What it does.
        request: Type of the request's JSON body; ``bytes`` for any other body, None for none.
        response: Type of the answer's JSON body, likewise.
        newest_request: Where it is another one in version 2022-09-01-preview.
        newest_response: Likewise.
        created: Type of the answer 201 of an operation whose usual success is 200.
        query: Parameters of the query.
        newest_query: Those that only version 2022-09-01-preview has.
        refusals: Codes on top of those that any operation may answer with.
        examples: Of requests.
        answer: An example of an answer.
        headers: Of the answer, with what they say.
        body_is_optional: Whether the request may have no body.
    """

    tag: str
    summary: str
    request: Any = None
    response: Any = None
    newest_request: Any = None
    newest_response: Any = None
    created: Any = None
    query: tuple[Parameter, ...] = ()
    newest_query: tuple[Parameter, ...] = ()
    refusals: tuple[ErrorCode, ...] = ()
    examples: Mapping[str, Any] = field(default_factory=dict)
    answer: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body_is_optional: bool = False


TAGS = {
    "Rank": "Decide which action to take.",
    "Events": "Say how a decision went.",
    "Multi-slot": "The same for several places at once.",
    "Service configuration": "Settings of a loop.",
    "Policy": "Learning settings of a loop.",
    "Model": "What was learned, as a file.",
    "Log": "What happened.",
    "Evaluations": "Policies compared on what happened.",
    "Feature importances": "Which features matter.",
    "Metrics": "What a loop does and what it earns; our own.",
    "Loops": "Many models in one app; our own.",
}

RANKED = {
    "eventId": "visit-1",
    "contextFeatures": [{"timeOfDay": "morning", "user": {"visits": 3, "member": True}}],
    "actions": [
        {"id": "espresso", "features": [{"hot": True, "price": 2.5}]},
        {"id": "lemonade", "features": [{"hot": False, "taste": {"sweet": 0.9}}]},
        {"id": "iced tea", "features": [{"hot": False, "embedding": [0.1, -0.4]}]},
    ],
    "excludedActions": ["iced tea"],
    "deferActivation": False,
}
DECIDED = {
    "ranking": [
        {"id": "espresso", "probability": 0.9},
        {"id": "lemonade", "probability": 0.1},
        {"id": "iced tea", "probability": 0.0},
    ],
    "eventId": "visit-1",
    "rewardActionId": "espresso",
}
PLACED = {
    "actions": RANKED["actions"],
    "slots": [
        {"id": "top", "baselineAction": "espresso", "features": [{"size": "large"}]},
        {"id": "side", "baselineAction": "lemonade", "excludedActions": ["espresso"]},
    ],
    "eventId": "visit-2",
}
CONFIGURED = {
    "rewardWaitTime": "PT10M",
    "defaultReward": 0.0,
    "rewardAggregation": "earliest",
    "explorationPercentage": 0.2,
    "modelExportFrequency": "PT5M",
    "logRetentionDays": 90,
}
POLICY = {"name": "interactions", "arguments": "--cb_explore_adf --epsilon 0.1 -q :: --cb_type mtr"}
EVALUATED = {
    "name": "smaller steps",
    "startTime": "2026-01-01T00:00:00Z",
    "endTime": "2026-02-01T00:00:00Z",
    "policies": [{"name": "slow", "arguments": f"{DEFAULT_ARGUMENTS} --l1 1e-7"}],
    "enableOfflineExperimentation": False,
}
IMPORTANT = {name: EVALUATED[name] for name in ("name", "startTime", "endTime")}
DECLARED = {
    "serviceConfiguration": {"rewardWaitTime": "PT30M", "learningMode": "Apprentice"},
    "policy": {"arguments": "--cb_explore_adf --squarecb --epsilon 0.02 -q Fi"},
}

_WHOLE = {"type": "integer", "minimum": 0, "maximum": INT32}
_TIME = {"type": "string", "examples": ["2026-01-01T00:00:00Z"]}
_PAGING = (
    Parameter("top", _WHOLE, "How many to return at most, over all pages."),
    Parameter("skip", _WHOLE, "How many to leave out."),
    Parameter("maxpagesize", {**_WHOLE, "minimum": 1}, f"At most {PAGE} are in one answer."),
)
_FILTER = Parameter(
    "filter", {"type": "string", "examples": ["evaluationType eq 'Manual'"]}, "By who asked."
)
_SERIES = (
    Parameter("startTime", _TIME, "From when results are shown.", required=True),
    Parameter("endTime", _TIME, "Until when.", required=True),
    Parameter("intervalInMinutes", {"type": "integer", "enum": list(INTERVALS)}, "Of a result."),
    Parameter("window", {"enum": list(WINDOWS)}, "Expanding goes with 5 minutes, Rolling not."),
)
_SERVICE_CODES = (
    ErrorCode.INVALID_SERVICE_CONFIGURATION,
    ErrorCode.INVALID_LEARNING_MODE,
    ErrorCode.INVALID_REWARD_WAIT,
    ErrorCode.INVALID_LOG_RETENTION,
    ErrorCode.INVALID_MODEL_RETRAIN_DAYS,
    ErrorCode.AUTO_OPTIMIZATION_WITH_SLOTS,
)
_POLICY_CODES = (
    ErrorCode.INVALID_POLICY_CONTRACT,
    ErrorCode.INVALID_POLICY_CONFIGURATION,
    ErrorCode.AUTO_OPTIMIZATION_WITH_SLOTS,
)
_UNLOGGED = {UNLOGGED_HEADER: "`true` if the decision could not be stored; off unless set."}
_MODEL_FILE = "attachment; filename=model.vw, or model.vw.zip if it is signed."

DESCRIPTIONS: Mapping[Operation, Description] = {
    RANK: Description(
        "Rank",
        "Decide which action to take.",
        request=bodies.RankRequest,
        response=bodies.RankResponse,
        refusals=(ErrorCode.INVALID_RANK_REQUEST, ErrorCode.CONFLICT),
        examples={"a drink": RANKED},
        answer=DECIDED,
        headers=_UNLOGGED,
    ),
    REWARD: Description(
        "Events",
        "Record how well a decision went; unknown event ids are accepted too.",
        request=bodies.RewardRequest,
        refusals=(ErrorCode.INVALID_REWARD_REQUEST, ErrorCode.INVALID_EVENT_ID),
        examples={"well": {"value": 1.0}},
    ),
    ACTIVATE: Description(
        "Events",
        "Record that a deferred decision was shown.",
        refusals=(ErrorCode.INVALID_EVENT_ID,),
    ),
    MULTI_SLOT_RANK: Description(
        "Multi-slot",
        "Decide which action to take for each of several slots.",
        request=bodies.MultiSlotRankRequest,
        response=bodies.MultiSlotRankResponse,
        refusals=(
            ErrorCode.INVALID_RANK_REQUEST,
            ErrorCode.INVALID_MULTI_SLOT_API_ACCESS,
            ErrorCode.CONFLICT,
        ),
        examples={"two places": PLACED},
        answer={
            "slots": [
                {"id": "top", "rewardActionId": "espresso"},
                {"id": "side", "rewardActionId": "iced tea"},
            ],
            "eventId": "visit-2",
        },
        headers=_UNLOGGED,
    ),
    MULTI_SLOT_REWARD: Description(
        "Multi-slot",
        "Record how well the decisions for slots went; unknown ids are accepted too.",
        request=bodies.MultiSlotRewardRequest,
        refusals=(
            ErrorCode.INVALID_REWARD_REQUEST,
            ErrorCode.INVALID_EVENT_ID,
            ErrorCode.INVALID_MULTI_SLOT_API_ACCESS,
        ),
        examples={"the first": {"reward": [{"slotId": "top", "value": 1.0}]}},
    ),
    MULTI_SLOT_ACTIVATE: Description(
        "Multi-slot",
        "Record that a deferred decision was shown, in all its slots.",
        refusals=(ErrorCode.INVALID_EVENT_ID, ErrorCode.INVALID_MULTI_SLOT_API_ACCESS),
    ),
    GET_SERVICE: Description(
        "Service configuration",
        "Show the service configuration, with the members that the version has.",
        response=bodies.ServiceConfiguration,
        newest_response=bodies.ServiceConfiguration2022,
        answer=CONFIGURED,
    ),
    PUT_SERVICE: Description(
        "Service configuration",
        "Change the service configuration.",
        request=bodies.ServiceConfiguration,
        newest_request=bodies.ServiceConfiguration2022,
        response=bodies.ServiceConfiguration,
        newest_response=bodies.ServiceConfiguration2022,
        refusals=(*_SERVICE_CODES, ErrorCode.CONFLICT),
        examples={"defaults": {**CONFIGURED, "modelRetrainDays": 2}},
    ),
    GET_POLICY: Description(
        "Policy", "Show the learning settings.", response=bodies.PolicyContract
    ),
    PUT_POLICY: Description(
        "Policy",
        "Change the learning settings; the model is learned anew.",
        request=bodies.PolicyContract,
        response=bodies.PolicyContract,
        refusals=(*_POLICY_CODES, ErrorCode.CONFLICT),
        examples={"interactions": POLICY},
    ),
    RESET_POLICY: Description(
        "Policy",
        "Go back to the default learning settings; the model is learned anew.",
        response=bodies.PolicyContract,
        refusals=(ErrorCode.CONFLICT,),
    ),
    GET_MODEL_PROPERTIES: Description(
        "Model",
        "Show since when the published model learns, and when it was last changed.",
        response=bodies.ModelProperties,
    ),
    GET_MODEL: Description(
        "Model",
        "Download the published model as a file of Vowpal Wabbit; empty before there is one.",
        response=bytes,
        query=(Parameter("signed", {"type": "boolean"}, "In a zip with its signature."),),
        headers={
            "Content-Disposition": _MODEL_FILE,
            "Last-Modified": "When the model was last changed.",
        },
    ),
    PUT_MODEL: Description(
        "Model",
        "Serve a model that was exported, signed or not, and go on learning from it.",
        request=bytes,
        refusals=(ErrorCode.INVALID_MODEL_FORMAT, ErrorCode.INVALID_MODEL_SIGNATURE),
    ),
    PUBLISH_MODEL: Description(
        "Model",
        "Serve an earlier model again, and go on learning from it.",
        refusals=(ErrorCode.INVALID_MODEL_FORMAT, ErrorCode.CONFLICT),
    ),
    RESET_MODEL: Description("Model", "Forget what was learned."),
    DELETE_LOGS: Description(
        "Log", "Delete all events and the joined log.", refusals=(ErrorCode.CONFLICT,)
    ),
    GET_LOG_PROPERTIES: Description(
        "Log", "Show from when to when events are logged.", response=bodies.LogsProperties
    ),
    LOG_INTERACTIONS: Description(
        "Log",
        "Refused: batches of decisions made by local inference cannot be read.",
        request=bytes,
        refusals=(ErrorCode.INVALID_REQUEST,),
    ),
    LOG_OBSERVATIONS: Description(
        "Log",
        "Refused: batches of observations made by local inference cannot be read.",
        request=bytes,
        refusals=(ErrorCode.INVALID_REQUEST,),
    ),
    LIST_EVALUATIONS: Description(
        "Evaluations",
        "List evaluations, newest first.",
        response=list[bodies.Evaluation],
        newest_response=bodies.EvaluationPage,
        query=(_FILTER, *_PAGING),
    ),
    CREATE_EVALUATION: Description(
        "Evaluations",
        "Keep an evaluation under a new id.",
        request=bodies.EvaluationContract,
        response=bodies.Evaluation,
        newest_response=bodies.Evaluation2022,
        refusals=(ErrorCode.INVALID_EVALUATION_CONTRACT, ErrorCode.DUPLICATE_POLICY_NAMES),
        examples={"one policy": EVALUATED},
        headers={"Location": "Path of the evaluation."},
    ),
    PUT_EVALUATION: Description(
        "Evaluations",
        "Keep an evaluation under the caller's id.",
        request=bodies.EvaluationContract,
        refusals=(
            ErrorCode.INVALID_EVALUATION_CONTRACT,
            ErrorCode.DUPLICATE_POLICY_NAMES,
            ErrorCode.EVALUATION_ALREADY_EXISTS,
        ),
        examples={"one policy": EVALUATED},
    ),
    GET_EVALUATION: Description(
        "Evaluations",
        "Show an evaluation.",
        response=bodies.Evaluation,
        newest_response=bodies.Evaluation2022,
        newest_query=_SERIES,
        refusals=(ErrorCode.INVALID_EVALUATION_CONTRACT, ErrorCode.EVALUATION_NOT_FOUND),
    ),
    DELETE_EVALUATION: Description(
        "Evaluations",
        "Forget an evaluation.",
        refusals=(ErrorCode.INVALID_EVALUATION_CONTRACT, ErrorCode.EVALUATION_NOT_FOUND),
    ),
    APPLY_FROM_EVALUATION: Description(
        "Evaluations",
        "Put a policy of a completed evaluation in force; none completes yet.",
        request=bodies.PolicyReferenceContract,
        refusals=(ErrorCode.EVALUATION_NOT_FOUND, ErrorCode.LEARNING_SETTINGS_NOT_FOUND),
        examples={"the best": {"evaluationId": "e", "policyName": "slow"}},
    ),
    LIST_FEATURE_IMPORTANCES: Description(
        "Feature importances",
        "List feature importances, newest first.",
        response=bodies.FeatureImportancePage,
        query=_PAGING,
    ),
    CREATE_FEATURE_IMPORTANCE: Description(
        "Feature importances",
        "Keep a feature importance under the caller's id.",
        request=bodies.FeatureImportanceContract,
        refusals=(ErrorCode.INVALID_CONTRACT, ErrorCode.FEATURE_IMPORTANCE_ALREADY_EXISTS),
        examples={"last month": IMPORTANT},
    ),
    GET_FEATURE_IMPORTANCE: Description(
        "Feature importances",
        "Show a feature importance.",
        response=bodies.FeatureImportance,
        refusals=(ErrorCode.INVALID_CONTRACT, ErrorCode.FEATURE_IMPORTANCE_NOT_FOUND),
    ),
    DELETE_FEATURE_IMPORTANCE: Description(
        "Feature importances",
        "Forget a feature importance.",
        refusals=(ErrorCode.INVALID_CONTRACT, ErrorCode.FEATURE_IMPORTANCE_NOT_FOUND),
    ),
    LIST_LOOPS: Description("Loops", "Name all loops.", response=bodies.LoopList),
    PUT_LOOP: Description(
        "Loops",
        "Create a loop, or change it; its keys are shown once, when it is created.",
        request=bodies.LoopDocument,
        response=bodies.Loop,
        created=bodies.Loop,
        refusals=(*dict.fromkeys((*_SERVICE_CODES, *_POLICY_CODES)), ErrorCode.CONFLICT),
        examples={"settings as code": DECLARED},
        body_is_optional=True,
    ),
    GET_LOOP: Description("Loops", "Show a loop's settings and state.", response=bodies.Loop),
    DELETE_LOOP: Description(
        "Loops",
        "Delete a loop with its settings, models, keys and events.",
        refusals=(ErrorCode.CONFLICT,),
    ),
    REGENERATE_KEY: Description("Loops", "Replace a key of a loop.", response=bodies.LoopKey),
    TRAIN: Description("Loops", "Train at once.", response=TrainingReport),
    GET_LOG: Description(
        "Log",
        "Return a page of the joined log as decision-service JSON lines.",
        response=bytes,
        query=(
            Parameter("from", _TIME, "From when; a day before the end, if not given."),
            Parameter("to", _TIME, "Until when; now, if not given."),
            Parameter("skip", _WHOLE, "Lines to leave out; the next page's address has it."),
        ),
        headers={"Link": 'Address of the next page, with rel="next", if there is one.'},
    ),
    GET_METRICS: Description(
        "Metrics",
        "Show what a loop does and what it earns, for a range of time.",
        response=bodies.Metrics,
        query=(
            Parameter("from", _TIME, "From when; a day before the end, if not given."),
            Parameter("to", _TIME, "Until when; now, if not given."),
            Parameter("interval", {"type": "string", "examples": ["PT1H"]}, "Width of a row."),
        ),
    ),
    GET_DOCTOR: Description(
        "Metrics",
        "Say what is wrong with a loop, and what to do about it.",
        response=bodies.Diagnosis,
    ),
    GET_DECISIONS: Description(
        "Metrics",
        "Show the latest decisions and what came of them.",
        response=bodies.DecisionList,
        query=(Parameter("top", {**_WHOLE, "minimum": 1, "maximum": MOST}, "How many."),),
    ),
    GET_DECISION: Description(
        "Metrics",
        "Show one decision and why it was made.",
        response=bodies.Decision,
        query=(Parameter("time", _TIME, "Of the decision; it is found at once."),),
        refusals=(ErrorCode.INVALID_EVENT_ID,),
    ),
}
