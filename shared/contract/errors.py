"""Every error that the API answers with: codes, statuses and the body that clients parse."""

from dataclasses import dataclass
from enum import Enum

import msgspec

RETRY_AFTER = 2
"""Seconds after which a refused call is worth repeating, where nothing better is known."""


@dataclass(frozen=True, slots=True)
class _Code:
    text: str
    status: int
    about: str


class ErrorCode(Enum):
    """Codes of the retired service, with their HTTP status; the last group is our own."""

    BAD_REQUEST = _Code("BadRequest", 400, "The request cannot be read at all.")
    INVALID_RANK_REQUEST = _Code("InvalidRankRequest", 400, "A field of a Rank call is wrong.")
    INVALID_REWARD_REQUEST = _Code(
        "InvalidRewardRequest", 400, "A field of a Reward call is wrong."
    )
    INVALID_EVENT_ID = _Code("InvalidEventIdToActivate", 400, "The event id in the path is wrong.")
    INVALID_SERVICE_CONFIGURATION = _Code(
        "InvalidServiceConfiguration", 400, "A field of the service configuration is wrong."
    )
    INVALID_LEARNING_MODE = _Code(
        "InvalidLearningModeServiceConfiguration",
        400,
        "The learning mode and reward settings cannot change in one call.",
    )
    INVALID_REWARD_WAIT = _Code(
        "InvalidRewardWaitTime", 400, "The reward wait time is wrong; since v1.1-preview.1."
    )
    INVALID_LOG_RETENTION = _Code(
        "InvalidLogRetentionDays", 400, "The retention of logs is wrong; since v1.1-preview.3."
    )
    INVALID_MODEL_RETRAIN_DAYS = _Code(
        "InvalidModelRetrainDays", 400, "modelRetrainDays is wrong; since 2022-09-01-preview."
    )
    INVALID_POLICY_CONTRACT = _Code(
        "InvalidPolicyContract", 400, "A policy has no usable name or arguments."
    )
    INVALID_POLICY_CONFIGURATION = _Code(
        "InvalidPolicyConfiguration", 400, "An argument of a policy cannot be used."
    )
    INVALID_MULTI_SLOT_API_ACCESS = _Code(
        "InvalidMultiSlotApiAccess", 400, "A multi-slot call to a loop whose policy has no slots."
    )
    INVALID_MODEL_FORMAT = _Code(
        "InvalidModelImportFormat", 400, "A model cannot be used, or not by this loop."
    )
    INVALID_MODEL_SIGNATURE = _Code(
        "InvalidModelImportSignature", 400, "A signed model is not what was signed."
    )
    INVALID_EVALUATION_CONTRACT = _Code(
        "InvalidEvaluationContract", 400, "A field of an evaluation is wrong."
    )
    DUPLICATE_POLICY_NAMES = _Code(
        "DuplicateCustomPolicyNames", 400, "Two policies of an evaluation have the same name."
    )
    EVALUATION_ALREADY_EXISTS = _Code(
        "EvaluationAlreadyExists", 400, "There is an evaluation of that id already."
    )
    INVALID_CONTRACT = _Code("InvalidContract", 400, "A field of a feature importance is wrong.")
    FEATURE_IMPORTANCE_ALREADY_EXISTS = _Code(
        "FeatureImportanceAlreadyExists", 400, "There is a feature importance of that id already."
    )
    INVALID_REQUEST = _Code(
        "InvalidRequest", 400, "A batch of logged events is not in a format that is read."
    )
    PAYLOAD_SIZE_EXCEEDED = _Code("PayloadSizeExceeded", 400, "The request is too large.")
    INVALID_API_ACCESS = _Code(
        "InvalidApiAccess",
        403,
        "No app role of the bearer token allows this, or the loop's policy has slots.",
    )
    AUTO_OPTIMIZATION_WITH_SLOTS = _Code(
        "ProblemTypeIncompatibleWithAutoOptimization",
        403,
        "A loop has either slots or auto-optimization.",
    )
    RESOURCE_NOT_FOUND = _Code("ResourceNotFound", 404, "There is nothing at this path.")
    EVALUATION_NOT_FOUND = _Code("EvaluationNotFound", 404, "There is no evaluation of that id.")
    FEATURE_IMPORTANCE_NOT_FOUND = _Code(
        "FeatureImportanceNotFound", 404, "There is no feature importance of that id."
    )
    LEARNING_SETTINGS_NOT_FOUND = _Code(
        "LearningSettingsNotFound", 404, "An evaluation has no policy of that name."
    )
    UNAUTHORIZED = _Code("401", 401, "The key or bearer token is missing or wrong.")
    METHOD_NOT_ALLOWED = _Code("MethodNotAllowed", 405, "The path exists for other methods.")
    TOO_MANY_CALLS = _Code(
        "429", 429, "This key or identity calls more often than the app's settings allow."
    )
    CONFLICT = _Code("Conflict", 409, "Somebody else is changing the same thing; try again.")
    INTERNAL_SERVER_ERROR = _Code("InternalServerError", 500, "A fault of the service itself.")
    STORAGE_UNAVAILABLE = _Code(
        "StorageUnavailable", 503, "Storage did not confirm it in time; the call can be repeated."
    )
    SIGNING_KEYS_UNAVAILABLE = _Code(
        "SigningKeysUnavailable",
        503,
        "A bearer token cannot be checked now; the call can be repeated.",
    )

    @property
    def text(self) -> str:
        """The code as clients see it."""
        return self.value.text

    @property
    def status(self) -> int:
        """The HTTP status that goes with it."""
        return self.value.status


MOST_TEXT = 512
"""Characters of an error's message and of its target."""


class ContractError(Exception):
    """A request is refused.

    Attributes:
        code: Says which error it is.
        message: For the developer who reads it; never holds feature values or secrets.
        target: The field at fault, such as ``actions[2].id``.
        allowed: Methods for the ``Allow`` header of a 405.
        retry_after: Seconds for the ``Retry-After`` header, where the usual ones do not do.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        target: str | None = None,
        allowed: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Refuse a request."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.target = target
        self.allowed = allowed
        self.retry_after = retry_after


def sentence(error: Exception) -> str:
    """Return what an error says, as a sentence."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _short(text: str) -> str:
    """Return a text without what is too much of it: callers' names of fields have no limit."""
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 3]}..."


def render_error(
    error: ContractError, *, code_header: bool = False
) -> tuple[int, dict[str, str], bytes]:
    """Return status, extra headers and body of an error's answer.

    Args:
        error: What is wrong.
        code_header: Repeat the code in a header, as version 2022-09-01-preview does.
    """
    body = {"code": error.code.text, "message": _short(error.message)}
    if error.target is not None:
        body["target"] = _short(error.target)
    headers = {}
    if code_header:
        headers["x-ms-error-code"] = error.code.text
    if error.allowed is not None:
        headers["Allow"] = error.allowed
    if error.code.status in (429, 503):
        headers["Retry-After"] = str(error.retry_after or RETRY_AFTER)
    return error.code.status, headers, msgspec.json.encode({"error": body})
