"""The shape of every body, request and answer, from which the API's description is made.

Requests are not decoded into these types: the parsers beside this module are faster and name
the field at fault. Limits come from the parsers' own constants, and tests send what these types
allow to the parsers, and hold answers against them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from shared.contract.durations import render_duration
from shared.contract.evaluations import INTERVALS, MAX_POLICIES
from shared.contract.features import MAX_DEPTH
from shared.contract.fields import MAX_FLOAT32, MAX_ID
from shared.contract.rank import MAX_ACTIONS
from shared.contract.sas_uri import MAX_LENGTH as MAX_SAS_URI
from shared.contract.sas_uri import PATTERN as SAS_URI
from shared.contract.service_configuration import EXPORT, INT32, OPTIMIZATION, WAIT
from shared.events.learning_mode import LearningMode
from shared.events.rewards import Aggregation
from shared.learner.arguments import MAX_LENGTH
from shared.services.findings.checkup import Finding
from shared.services.loop_registry import KEYS, NAME
from shared.services.loop_state import ModelInfo, Replay

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID, pattern=r"^[^\u0000-\u001f]*$")]
Time = Annotated[str, Meta(description="ISO 8601; UTC if no zone is given.")]
LoopName = Annotated[str, Meta(pattern=f"^{NAME}$")]


def _duration(limits: tuple[Any, Any] | None, about: str) -> Meta:
    """Describe a duration, with its limits where it is given by the caller."""
    if limits is not None:
        about += f" Between {render_duration(limits[0])} and {render_duration(limits[1])};"
        about += " 00:10:00 is read as PT10M."
    return Meta(
        pattern=r"^(P(?=.)(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?|(\d+\.)?\d+:\d+:\d+(\.\d+)?)$",
        description=about,
        examples=["PT10M"],
    )


_FLOAT32 = {"type": "number", "minimum": -MAX_FLOAT32, "maximum": MAX_FLOAT32}
FEATURE_VALUE: Mapping[str, Any] = {
    "description": "A category (string or boolean), a number that is finite as a 32-bit float, a "
    "vector of numbers, or an object, whose name is the namespace of what it holds. Null is the "
    f"category 'null'. Objects may be nested {MAX_DEPTH} levels deep.",
    "anyOf": [
        {"type": ["string", "boolean", "null"]},
        _FLOAT32,
        {"type": "array", "items": _FLOAT32},
        {"$ref": "#/components/schemas/Features"},
    ],
}
FEATURES: Mapping[str, Any] = {
    "description": "Free-form features by name. A name may not be empty; names that begin with an "
    "underscore are ignored.",
    "type": "object",
    "propertyNames": {"minLength": 1},
    "patternProperties": {"^_": True},
    "additionalProperties": {"$ref": "#/components/schemas/FeatureValue"},
}
FREE_FORM = {"FeatureValue": FEATURE_VALUE, "Features": FEATURES}
"""Schemas that refer to themselves, which no type can say."""

_REFERENCE = {"$ref": "#/components/schemas/Features"}
Features = Annotated[Any, Meta(extra_json_schema=_REFERENCE)]
FeaturesOrNull = Annotated[Any, Meta(extra_json_schema={"anyOf": [_REFERENCE, {"type": "null"}]})]


class Body(msgspec.Struct, rename="camel"):
    """Base of all bodies. Names of members are read in any case; unknown ones are ignored."""


class RankableAction(Body):
    """An action that may be chosen."""

    id: Annotated[Id, Meta(description="Unique among the actions.")]
    features: Annotated[
        list[FeaturesOrNull], Meta(min_length=1, description="At least one that is not null.")
    ]


class DecisionRequest(Body):
    """What requests for a decision have in common."""

    context_features: list[Features] | None = None
    event_id: Annotated[Id | None, Meta(description="Generated if none is given.")] = None
    defer_activation: Annotated[
        bool | None, Meta(description="The event counts only once it is activated.")
    ] = None


class RankRequest(DecisionRequest, kw_only=True):
    """What is known, and what may be chosen."""

    actions: Annotated[
        list[RankableAction],
        Meta(
            min_length=1,
            max_length=MAX_ACTIONS,
            description="The first one that is not excluded is the baseline action.",
        ),
    ]
    excluded_actions: Annotated[
        list[str] | None,
        Meta(description="Ids; unknown ones are ignored, at least one action must be left."),
    ] = None


class RankedAction(Body):
    """An action and with what probability it was going to be chosen."""

    id: str
    probability: Annotated[float, Meta(ge=0, le=1)]


class ScoredFeature(Body):
    """What a feature, or some together, speak for (positive) or against."""

    name: Annotated[str, Meta(description="`namespace.feature`; those together joined by `^`.")]
    score: float


class InferenceExplanation(Body):
    """Why an action has its place."""

    id: str
    features: list[ScoredFeature]


class RankResponse(Body):
    """The decision."""

    ranking: Annotated[
        list[RankedAction],
        Meta(description="Excluded actions keep their place, with probability 0."),
    ]
    event_id: str
    reward_action_id: Annotated[str, Meta(description="The action to take.")]
    inference_explanation: Annotated[
        list[InferenceExplanation] | None,
        Meta(description="Where isInferenceExplainabilityEnabled is set."),
    ] = None


class SlotRequest(Body, kw_only=True):
    """A place to be filled."""

    id: Annotated[Id, Meta(description="Unique among the slots.")]
    features: list[FeaturesOrNull] | None = None
    excluded_actions: Annotated[list[str] | None, Meta(description="Ids of actions.")] = None
    baseline_action: Annotated[
        str, Meta(description="Id of an action that is not excluded; another one for each slot.")
    ]


class MultiSlotRankRequest(DecisionRequest, kw_only=True):
    """What is known, what may be chosen, and for which places; earlier ones choose first."""

    actions: Annotated[list[RankableAction], Meta(min_length=1, max_length=MAX_ACTIONS)]
    slots: Annotated[
        list[SlotRequest],
        Meta(min_length=1, max_length=MAX_ACTIONS, description="At most as many as actions."),
    ]


class SlotResponse(Body):
    """What a place is filled with; nothing if no action was left for it."""

    id: str
    reward_action_id: str | None = None


class MultiSlotRankResponse(Body):
    """The decision."""

    slots: list[SlotResponse]
    event_id: str


class RewardRequest(Body):
    """How well a decision went."""

    value: Annotated[float, Meta(ge=-1, le=1)]


class SlotReward(Body):
    """How well the decision for a place went."""

    slot_id: Id
    value: Annotated[float, Meta(ge=-1, le=1)]


class MultiSlotRewardRequest(Body):
    """How well the decisions for some places went."""

    reward: list[SlotReward]


class ServiceConfiguration(Body, kw_only=True):
    """A loop's settings. A PUT sets the required members and keeps what else is left out."""

    reward_wait_time: Annotated[str, _duration(WAIT, "How long an event waits for rewards.")]
    default_reward: Annotated[float, Meta(ge=-1, le=1)]
    reward_aggregation: Aggregation
    exploration_percentage: Annotated[
        float, Meta(ge=0, le=1, description="Share of decisions; the policy's --epsilon.")
    ]
    model_export_frequency: Annotated[str, _duration(EXPORT, "How often models are published.")]
    log_retention_days: Annotated[
        int,
        Meta(
            ge=-1,
            le=INT32,
            description="-1 keeps logs for ever; else the reward wait time and one day at least.",
        ),
    ]
    log_mirror_enabled: Annotated[bool | None, Meta(description="Kept, not acted upon.")] = None
    log_mirror_sas_uri: Annotated[
        Annotated[str, Meta(max_length=MAX_SAS_URI, pattern=f"^({SAS_URI})?$")] | None,
        Meta(description="Kept, never contacted; empty for none."),
    ] = None
    last_configuration_edit_date: Annotated[
        str | None, Meta(description="UTC without a zone; set by the service.")
    ] = None
    learning_mode: LearningMode | None = None
    is_auto_optimization_enabled: bool | None = None
    auto_optimization_frequency: (
        Annotated[str, _duration(OPTIMIZATION, "Of the policy search.")] | None
    ) = None
    auto_optimization_start_date: Time | None = None
    model_retrain_days: Annotated[int, Meta(ge=0, le=INT32)] | None = None
    is_inference_explainability_enabled: bool | None = None


class ServiceConfiguration2022(ServiceConfiguration, kw_only=True):
    """A loop's settings as version 2022-09-01-preview has them."""

    model_retrain_days: Annotated[int, Meta(ge=0, le=INT32)]


class PolicyContract(Body):
    """Learning settings."""

    name: Annotated[Id, Meta(description="Answers have the loop's own.")]
    arguments: Annotated[
        str,
        Meta(
            max_length=MAX_LENGTH,
            description="Vowpal Wabbit arguments. One that is not supported is refused by name.",
        ),
    ]


class PolicyReferenceContract(Body):
    """A policy of an evaluation."""

    evaluation_id: Id
    policy_name: Id


class EvaluationContract(Body):
    """An evaluation that is asked for."""

    name: Id
    start_time: Time
    end_time: Annotated[Time, Meta(description="After startTime.")]
    policies: Annotated[
        list[PolicyContract], Meta(max_length=MAX_POLICIES, description="Of different names.")
    ]
    enable_offline_experimentation: bool | None = None
    enable_policy_optimization: Annotated[
        bool | None, Meta(description="The same, as version 2022-09-01-preview calls it.")
    ] = None


class FeatureImportanceContract(Body):
    """A feature importance that is asked for."""

    name: Id
    start_time: Time
    end_time: Annotated[Time, Meta(description="After startTime.")]


class PolicyResult(Body):
    """What an evaluation found about a policy."""

    name: str
    arguments: str
    policy_source: str | None = None


class Evaluation(Body):
    """An evaluation; the last three members since version v1.1-preview.1."""

    id: str
    name: str
    start_time: datetime
    end_time: datetime
    status: str
    policy_results: list[PolicyResult]
    feature_importance: list[list[str]]
    evaluation_type: str | None = None
    optimal_policy: str | None = None
    creation_time: datetime | None = None


class EvaluationContent(Body):
    """Results of an evaluation over time."""

    start_time: datetime
    end_time: datetime
    interval_in_minutes: Annotated[int, Meta(extra_json_schema={"enum": list(INTERVALS)})]
    value: list[dict[str, Any]]


class Evaluation2022(Body):
    """An evaluation as version 2022-09-01-preview shows it."""

    id: str
    name: str
    start_time: datetime
    end_time: datetime
    creation_time: datetime
    status: str
    evaluation_type: str
    description: str
    content: EvaluationContent | None = None


class EvaluationPage(Body):
    """Part of the list of evaluations."""

    value: list[Evaluation2022]
    next_link: str | None = None


class FeatureScore(Body):
    """How much a feature matters."""

    namespace: str
    feature_name: str
    score: float


class FeatureImportance(Body):
    """Features by importance."""

    id: str
    name: str
    start_time: datetime
    end_time: datetime
    creation_time: datetime
    status: str
    feature_scores: list[FeatureScore]
    description: str


class FeatureImportancePage(Body):
    """Part of the list of feature importances."""

    value: list[FeatureImportance]
    next_link: str | None = None


class DateRange(Body):
    """From when to when."""

    start: datetime = msgspec.field(name="from")
    to: datetime


class LogsProperties(Body):
    """From when to when events are logged; an empty object if none is."""

    date_range: DateRange | None = None


class ModelProperties(Body):
    """Times of the published model; in the year 1 before there is one."""

    creation_time: datetime
    last_modified_time: datetime


class LoopDocument(Body, forbid_unknown_fields=True):
    """Settings of a loop; what is left out stays as it is."""

    service_configuration: Annotated[
        dict[str, Any] | None, Meta(description="Members of ServiceConfiguration, each optional.")
    ] = None
    policy: Annotated[
        dict[str, Any] | None, Meta(description="Members of PolicyContract; the name is optional.")
    ] = None


class LoopListItem(Body):
    """A loop."""

    name: LoopName


class LoopList(Body):
    """All loops of the app."""

    loops: list[LoopListItem]


class LoopProgress(Body):
    """How far a loop is."""

    epoch: Annotated[int, Meta(ge=0, description="Raised when all logs are deleted.")]
    learned_until: datetime
    settings_fingerprint: str
    relearning: Annotated[
        Replay | None, Meta(description="What a reset loop learns again, in unix seconds.")
    ]
    trained_model: ModelInfo | None
    published_model: ModelInfo | None
    published_at: datetime | None
    last_training: datetime | None
    earlier_models: list[str]


class Loop(Body):
    """A loop's settings, state and counters."""

    name: LoopName
    created: datetime
    service_configuration: ServiceConfiguration2022
    policy: PolicyContract
    state: LoopProgress
    counters: dict[str, Annotated[int, Meta(ge=0)]]
    keys: Annotated[
        Annotated[list[str], Meta(min_length=KEYS, max_length=KEYS)] | None,
        Meta(description="When the loop was just created only."),
    ] = None


class LoopKey(Body):
    """A key that was just made."""

    number: Annotated[int, Meta(ge=1, le=KEYS)]
    key: str


class OnlineEstimate(Body):
    """What decisions have earned."""

    event_count: int
    reward: float
    mean: float | None
    low: Annotated[float | None, Meta(description="Of the 95 % interval of the mean.")]
    high: float | None


class Estimate(OnlineEstimate):
    """What another policy would have earned, from events weighted by how likely it was to agree."""

    snips: float | None
    effective_sample_size: float | None


class Delays(Body):
    """How late rewards come: upper edges of bins, at most a fifth above the true value."""

    count: int
    p50_seconds: float | None
    p90_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


class Cardinality(Body):
    """How many different values there were."""

    count: int
    is_exact: bool


class ActionShare(Body):
    """How often an action was shown, and what that earned."""

    id: str
    shows: int
    reward: float
    mean: float | None


class OtherActions(Body):
    """All actions that are not listed."""

    shows: int
    reward: float
    mean: float | None


class ActionShares(Body):
    """Actions by how often they were shown."""

    top: list[ActionShare]
    rest: OtherActions
    missed_shows_at_most: Annotated[int, Meta(description="Of any action in `top`.")]
    cardinality: Cardinality


class FeatureShare(Body):
    """How often a feature occurred."""

    name: str
    occurrences: int


class FeatureShares(Body):
    """Features by how often they occurred."""

    per_event: float | None
    namespaces_per_event: float | None
    events_without: int
    cardinality: Cardinality
    top: list[FeatureShare]
    rest: int


class ModelShare(Body):
    """How many events a model decided."""

    version: str
    events: int


class RewardRange(Body):
    """The lowest and the highest reward."""

    min: float | None
    max: float | None


class RowTraining(Body):
    """What training the events took."""

    steps: int
    seconds: float
    learned_events: int
    most_lag_seconds: float


class MetricsTotal(Body):
    """What closed events amount to. Means and shares of nothing are null."""

    total_events: int
    non_activated_events: int
    learned_events: int
    observed_rewards: int
    defaulted_rewards: int
    duplicate_events: int
    late_rewards: int
    dangling_rewards: int
    late_events: Annotated[int, Meta(description="Must be 0.")]
    online: OnlineEstimate
    baseline: Annotated[Estimate, Meta(description="Always the first action.")]
    baseline_random: Annotated[Estimate, Meta(description="Any action, equally likely.")]
    best: Annotated[Estimate, Meta(description="Always the most probable action.")]
    explored: int
    explored_share: float | None
    matches_baseline: int
    matches_baseline_share: float | None
    equal_probabilities: int
    without_model: int
    decision_entropy: Annotated[float | None, Meta(description="Bits.")]
    choice_entropy: Annotated[float | None, Meta(description="Bits.")]
    choice_entropy_is_exact: bool
    reward_range: RewardRange
    reward_delay: Delays
    late_reward_delay: Delays
    actions: ActionShares
    actions_per_event: float | None
    context_features: FeatureShares
    action_features: FeatureShares
    models: list[ModelShare]
    models_rest: int
    shards: list[int]
    training: RowTraining


class MetricsRow(MetricsTotal, kw_only=True):
    """The same for one interval; an event lies in that of its Rank."""

    start: datetime


class ServedModel(Body):
    """The model that decides."""

    version: str
    published_at: datetime | None
    created_at: datetime
    learned_events: int


class MetricsTraining(Body):
    """Where training stands."""

    last_training: datetime | None
    lag_seconds: float
    model: ServedModel | None
    history: list[str]


class Metrics(Body):
    """What a loop does and what it earns."""

    loop: LoopName
    start: datetime = msgspec.field(name="from")
    to: datetime
    interval: Annotated[str, _duration(None, "Of a row.")]
    interval_seconds: int
    closed_until: Annotated[datetime, Meta(description="Later events are not counted yet.")]
    training: MetricsTraining
    total: MetricsTotal
    rows: Annotated[list[MetricsRow], Meta(description="Those without events are left out.")]


class Diagnosis(Body):
    """What is wrong with a loop, the worst first."""

    loop: LoopName
    checked_at: datetime
    start: datetime = msgspec.field(name="from")
    to: datetime
    events: Annotated[int, Meta(description="That were looked at.")]
    findings: list[Finding]


class SeenReward(Body):
    """A reward as it came."""

    value: float
    delay_seconds: float


class DecisionItem(Body):
    """A decision and what came of it."""

    event_id: str
    time: datetime
    status: Annotated[str, Meta(description="open, learned or notActivated.")]
    mode: LearningMode
    reward_action_id: str
    probability: float
    model_version: Annotated[str, Meta(description="Empty where there was no model.")]
    deferred: bool
    activated: bool
    reward: Annotated[float | None, Meta(description="The one number it is learned with.")]
    rewards: list[SeenReward]
    actions: list[RankedAction]


class DecisionList(Body):
    """The latest decisions, newest first."""

    loop: LoopName
    decisions: list[DecisionItem]


class Contribution(Body):
    """What a feature adds to an action's predicted reward."""

    name: str
    value: str
    score: float


class ExplainedAction(Body):
    """Why an action has its predicted reward."""

    id: str
    score: float
    features: list[Contribution]


class Explanation(Body):
    """A decision as a model sees it."""

    model_version: str
    is_deciding_model: bool
    actions: list[ExplainedAction]


class Decision(DecisionItem):
    """A decision and why it was made."""

    loop: LoopName
    context: list[Features] | None
    excluded_actions: list[str]
    explanation: Explanation | None
