"""The table of operations: from it come the routes, the answers 404 and 405, and the docs."""

from dataclasses import dataclass
from enum import Enum, auto

from shared.contract.errors import ContractError, ErrorCode
from shared.contract.fields import MAX_BODY_BYTES
from shared.contract.paths import path_of

PREFIX = "personalizer"
LOOPS = "loops"
KEY_HEADER = "Ocp-Apim-Subscription-Key"
UNLOGGED_HEADER = "x-personalizer-unlogged"
"""Of an answer to Rank whose decision could not be stored; its value is ``true``."""

MAX_MODEL_BYTES = 200 << 20
"""What the Functions host lets through by default."""

HOT_MARGIN = 1
"""Seconds that an answer to Rank, Reward and Activate may take besides the storing."""

LONG = 200
"""Seconds for what moves or does much; Azure's load balancer cuts a call off after 230."""


class Surface(Enum):
    """Where an operation is served.

    Attributes:
        PERSONALIZER: As the retired service did, below ``/personalizer/``, on every version; the
            default loop at the root, every loop below ``/loops/{loop}/``.
        LOOP: Our own, below ``/loops/{loop}/``.
        APP: Our own, at the root.
    """

    PERSONALIZER = auto()
    LOOP = auto()
    APP = auto()


class Access(Enum):
    """Who may call an operation.

    Attributes:
        LOOP: Who holds a key of the loop, or of the app.
        OWNER: Who holds a key of the app.
    """

    LOOP = auto()
    OWNER = auto()


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the API.

    Attributes:
        name: As in the published API documents, or our own.
        method: HTTP method.
        path: Below what the surface says.
        success: The only status of success; old clients raise on any other.
        media_type: Of the answer.
        max_body: Bytes that a request's body may have.
        seconds: Within which it is answered, whatever storage does; None for ``HOT_MARGIN`` more
            than storing an event may take.
        surface: Where it is served.
        access: Who may call it.
    """

    name: str
    method: str
    path: str
    success: int
    media_type: str = "application/json"
    max_body: int = MAX_BODY_BYTES
    seconds: float | None = 20
    surface: Surface = Surface.PERSONALIZER
    access: Access = Access.LOOP

    @property
    def routes(self) -> dict[str, str]:
        """Function names and route templates under which it is served."""
        if self.surface is Surface.APP:
            return {self.name: self.path}
        if self.surface is Surface.LOOP:
            return {self.name: f"{LOOPS}/{{loop}}/{self.path}".rstrip("/")}
        versioned = f"{PREFIX}/{{version}}/{self.path}"
        versionless = f"{PREFIX}/{self.path}"
        return {
            self.name: versioned,
            f"{self.name}_versionless": versionless,
            f"{self.name}_of_loop": f"{LOOPS}/{{loop}}/{versioned}",
            f"{self.name}_of_loop_versionless": f"{LOOPS}/{{loop}}/{versionless}",
        }


RANK = Operation("Rank", "POST", "rank", 201, seconds=None)
REWARD = Operation("Events_Reward", "POST", "events/{eventId}/reward", 204, seconds=None)
ACTIVATE = Operation("Events_Activate", "POST", "events/{eventId}/activate", 204, seconds=None)
MULTI_SLOT_RANK = Operation("MultiSlot_Rank", "POST", "multislot/rank", 201, seconds=None)
MULTI_SLOT_REWARD = Operation(
    "MultiSlotEvents_Reward", "POST", "multislot/events/{eventId}/reward", 204, seconds=None
)
MULTI_SLOT_ACTIVATE = Operation(
    "MultiSlotEvents_Activate", "POST", "multislot/events/{eventId}/activate", 204, seconds=None
)
GET_SERVICE = Operation("ServiceConfiguration_Get", "GET", "configurations/service", 200)
PUT_SERVICE = Operation("ServiceConfiguration_Update", "PUT", "configurations/service", 200)
GET_POLICY = Operation("Policy_Get", "GET", "configurations/policy", 200)
PUT_POLICY = Operation("Policy_Update", "PUT", "configurations/policy", 200)
RESET_POLICY = Operation("Policy_Reset", "DELETE", "configurations/policy", 200)
GET_MODEL_PROPERTIES = Operation("Model_GetProperties", "GET", "model/properties", 200)
GET_MODEL = Operation(
    "Model_Get", "GET", "model", 200, media_type="application/octet-stream", seconds=LONG
)
PUT_MODEL = Operation("Model_Import", "PUT", "model", 204, max_body=MAX_MODEL_BYTES, seconds=LONG)
RESET_MODEL = Operation("Model_Reset", "DELETE", "model", 204)

DELETE_LOGS = Operation("Log_Delete", "DELETE", "logs", 204, seconds=LONG)
GET_LOG_PROPERTIES = Operation("Log_GetProperties", "GET", "logs/properties", 200)

LOG_INTERACTIONS = Operation("Log_Interactions", "POST", "logs/interactions", 204, seconds=LONG)
LOG_OBSERVATIONS = Operation("Log_Observations", "POST", "logs/observations", 204, seconds=LONG)
LIST_EVALUATIONS = Operation("Evaluations_List", "GET", "evaluations", 200)
CREATE_EVALUATION = Operation("Evaluations_Create", "POST", "evaluations", 201)
PUT_EVALUATION = Operation("Evaluations_Put", "PUT", "evaluations/{evaluationId}", 200)
GET_EVALUATION = Operation("Evaluations_Get", "GET", "evaluations/{evaluationId}", 200)
DELETE_EVALUATION = Operation("Evaluations_Delete", "DELETE", "evaluations/{evaluationId}", 204)
APPLY_FROM_EVALUATION = Operation(
    "ServiceConfiguration_ApplyFromEvaluation", "POST", "configurations/applyFromEvaluation", 204
)
LIST_FEATURE_IMPORTANCES = Operation("FeatureImportances_List", "GET", "featureImportances", 200)
CREATE_FEATURE_IMPORTANCE = Operation(
    "FeatureImportances_Create", "PUT", "featureImportances/{featureImportanceId}", 200
)
GET_FEATURE_IMPORTANCE = Operation(
    "FeatureImportances_Get", "GET", "featureImportances/{featureImportanceId}", 200
)
DELETE_FEATURE_IMPORTANCE = Operation(
    "FeatureImportances_Delete", "DELETE", "featureImportances/{featureImportanceId}", 204
)

LIST_LOOPS = Operation("Loops_List", "GET", LOOPS, 200, surface=Surface.APP, access=Access.OWNER)
PUT_LOOP = Operation("Loops_Put", "PUT", "", 200, surface=Surface.LOOP, access=Access.OWNER)
GET_LOOP = Operation("Loops_Get", "GET", "", 200, surface=Surface.LOOP)
DELETE_LOOP = Operation(
    "Loops_Delete", "DELETE", "", 204, seconds=LONG, surface=Surface.LOOP, access=Access.OWNER
)
REGENERATE_KEY = Operation(
    "Loops_RegenerateKey",
    "POST",
    "keys/{number}/regenerate",
    200,
    surface=Surface.LOOP,
    access=Access.OWNER,
)
PUBLISH_MODEL = Operation(
    "Loops_PublishModel", "POST", "models/{version}/publish", 204, surface=Surface.LOOP
)
TRAIN = Operation("Loops_Train", "POST", "train", 200, seconds=LONG, surface=Surface.LOOP)
GET_LOG = Operation(
    "Loops_GetLog",
    "GET",
    "log",
    200,
    seconds=LONG,
    media_type="application/x-ndjson",
    surface=Surface.LOOP,
)

GET_METRICS = Operation("Loops_GetMetrics", "GET", "metrics", 200, seconds=60, surface=Surface.LOOP)
GET_DOCTOR = Operation("Loops_GetDoctor", "GET", "doctor", 200, seconds=60, surface=Surface.LOOP)
GET_DECISIONS = Operation(
    "Loops_GetDecisions", "GET", "decisions", 200, seconds=60, surface=Surface.LOOP
)
GET_DECISION = Operation(
    "Loops_GetDecision", "GET", "decisions/{eventId}", 200, seconds=60, surface=Surface.LOOP
)

OPERATIONS = (
    RANK,
    REWARD,
    ACTIVATE,
    MULTI_SLOT_RANK,
    MULTI_SLOT_REWARD,
    MULTI_SLOT_ACTIVATE,
    GET_SERVICE,
    PUT_SERVICE,
    GET_POLICY,
    PUT_POLICY,
    RESET_POLICY,
    GET_MODEL_PROPERTIES,
    GET_MODEL,
    PUT_MODEL,
    RESET_MODEL,
    DELETE_LOGS,
    GET_LOG_PROPERTIES,
    LOG_INTERACTIONS,
    LOG_OBSERVATIONS,
    LIST_EVALUATIONS,
    CREATE_EVALUATION,
    PUT_EVALUATION,
    GET_EVALUATION,
    DELETE_EVALUATION,
    APPLY_FROM_EVALUATION,
    LIST_FEATURE_IMPORTANCES,
    CREATE_FEATURE_IMPORTANCE,
    GET_FEATURE_IMPORTANCE,
    DELETE_FEATURE_IMPORTANCE,
    LIST_LOOPS,
    PUT_LOOP,
    GET_LOOP,
    DELETE_LOOP,
    REGENERATE_KEY,
    PUBLISH_MODEL,
    TRAIN,
    GET_LOG,
    GET_METRICS,
    GET_DOCTOR,
    GET_DECISIONS,
    GET_DECISION,
)


def no_operation(method: str, url: str) -> ContractError:
    """Return the error for a request that no operation answers: 405, or 404 with a hint."""
    path = path_of(url).strip("/").split("/")
    if path[0].lower() == "personalization":
        return _not_found("The API's path is /personalizer/v1.0/..., not /personalization/...")
    allowed = sorted(
        {o.method for o in OPERATIONS for route in o.routes.values() if _matches(route, path)}
    )
    if allowed and method.upper() not in allowed:
        return ContractError(
            ErrorCode.METHOD_NOT_ALLOWED,
            f"This path answers {', '.join(allowed)} only.",
            allowed=", ".join(allowed),
        )
    return _not_found("There is no such operation; paths look like /personalizer/v1.0/rank.")


def _matches(template: str, segments: list[str]) -> bool:
    parts = template.split("/")
    return len(parts) == len(segments) and all(
        part.startswith("{") or part.lower() == segment.lower()
        for part, segment in zip(parts, segments, strict=True)
    )


def _not_found(message: str) -> ContractError:
    return ContractError(ErrorCode.RESOURCE_NOT_FOUND, message, "path")
