"""The table of operations: from it come the routes, the answers 404 and 405, and the docs."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.contract.errors import ContractError, ErrorCode
from shared.contract.fields import MAX_BODY_BYTES

PREFIX = "personalizer"

MAX_MODEL_BYTES = 200 << 20
"""What the Functions host lets through by default."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the API.

    Attributes:
        name: As in the published API documents.
        method: HTTP method.
        path: Below ``/personalizer/{version}/``.
        success: The only status of success; old clients raise on any other.
        media_type: Of the answer.
        max_body: Bytes that a request's body may have.
    """

    name: str
    method: str
    path: str
    success: int
    media_type: str = "application/json"
    max_body: int = MAX_BODY_BYTES


RANK = Operation("Rank", "POST", "rank", 201)
REWARD = Operation("Events_Reward", "POST", "events/{eventId}/reward", 204)
ACTIVATE = Operation("Events_Activate", "POST", "events/{eventId}/activate", 204)
GET_SERVICE = Operation("ServiceConfiguration_Get", "GET", "configurations/service", 200)
PUT_SERVICE = Operation("ServiceConfiguration_Update", "PUT", "configurations/service", 200)
GET_POLICY = Operation("Policy_Get", "GET", "configurations/policy", 200)
PUT_POLICY = Operation("Policy_Update", "PUT", "configurations/policy", 200)
RESET_POLICY = Operation("Policy_Reset", "DELETE", "configurations/policy", 200)
GET_MODEL_PROPERTIES = Operation("Model_GetProperties", "GET", "model/properties", 200)
GET_MODEL = Operation("Model_Get", "GET", "model", 200, media_type="application/octet-stream")
PUT_MODEL = Operation("Model_Import", "PUT", "model", 204, max_body=MAX_MODEL_BYTES)
RESET_MODEL = Operation("Model_Reset", "DELETE", "model", 204)

OPERATIONS = (
    RANK,
    REWARD,
    ACTIVATE,
    GET_SERVICE,
    PUT_SERVICE,
    GET_POLICY,
    PUT_POLICY,
    RESET_POLICY,
    GET_MODEL_PROPERTIES,
    GET_MODEL,
    PUT_MODEL,
    RESET_MODEL,
)


def no_operation(method: str, url: str) -> ContractError:
    """Return the error for a request that no operation answers: 405, or 404 with a hint."""
    try:
        segments = urlsplit(url).path.strip("/").split("/")
    except ValueError:
        return _not_found("The URL cannot be read.")
    if segments[0].lower() == "personalization":
        return _not_found("The API's path is /personalizer/v1.0/..., not /personalization/...")
    rest = segments[1:]
    for path in (rest, rest[1:]):
        allowed = sorted({o.method for o in OPERATIONS if _matches(o.path, path)})
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
        part.startswith("{") or part == segment.lower()
        for part, segment in zip(parts, segments, strict=True)
    )


def _not_found(message: str) -> ContractError:
    return ContractError(ErrorCode.RESOURCE_NOT_FOUND, message, "path")
