"""One decorator for every operation: version, key, body in, answer out, errors as documented."""

import hashlib
import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import azure.functions as func

from shared import wiring
from shared.contract.errors import ContractError, ErrorCode, render_error, sentence
from shared.contract.fields import check_size
from shared.contract.operations import PREFIX, Operation
from shared.contract.versions import ApiVersion, parse_version
from shared.learner.features import FeatureError
from shared.services.ports import EntityTooLarge, StorageError

logger = logging.getLogger(__name__)

KEY_HEADER = "Ocp-Apim-Subscription-Key"

_UNAUTHORIZED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide "
    "a valid key in the Ocp-Apim-Subscription-Key header and to use this app's endpoint."
)
_HEADERS = {
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Expires": "0",
    "Pragma": "no-cache",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in.

    Attributes:
        version: Of the API, as the caller chose it.
        url: As sent, percent-encoded.
        body: As sent, of acceptable size.
        parameters: Of the query.
    """

    version: ApiVersion
    url: str
    body: bytes
    parameters: Mapping[str, str]


Handler = Callable[[wiring.Application, Call], Awaitable[bytes]]
HttpFunction = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


def operation(blueprint: func.Blueprint, described: Operation) -> Callable[[Handler], HttpFunction]:
    """Serve an operation on all versions.

    The handler gets the application and a valid call and returns the body of success. It may
    raise ``ContractError`` and any storage error.
    """

    def register(handler: Handler) -> HttpFunction:
        async def answer(req: func.HttpRequest) -> func.HttpResponse:
            return await _answer(described, handler, req)

        routes = {
            described.name: f"{PREFIX}/{{version}}/{described.path}",
            f"{described.name}_versionless": f"{PREFIX}/{described.path}",
        }
        for name, route in routes.items():
            blueprint.function_name(name)(
                blueprint.route(
                    route, methods=[described.method], auth_level=func.AuthLevel.ANONYMOUS
                )(answer)
            )
        return answer

    return register


async def _answer(
    described: Operation, handler: Handler, req: func.HttpRequest
) -> func.HttpResponse:
    by_query = req.route_params.get("version") is None
    try:
        authenticate(req)
        version = parse_version(req.route_params.get("version"), req.params.get("api-version"))
        body = req.get_body()
        check_size(len(body), described.max_body)
        answer = await handler(await wiring.application(), Call(version, req.url, body, req.params))
    except Exception as exc:  # noqa: BLE001 (the last line before the caller: all is documented)
        return refusal(exc, code_header=by_query)
    return response(described.success, answer, media_type=described.media_type)


def authenticate(req: func.HttpRequest) -> None:
    """Let a request in, or raise the error of the retired service's gateway.

    Digests are compared, so that the time taken tells nothing about the keys.
    """
    given = _digest(req.headers.get(KEY_HEADER, ""))
    known = [_digest(key) for key in wiring.settings().keys]
    if not any([hmac.compare_digest(given, key) for key in known]):
        raise ContractError(ErrorCode.UNAUTHORIZED, _UNAUTHORIZED)


def response(
    status: int,
    body: bytes,
    headers: dict[str, str] | None = None,
    media_type: str = "application/json",
) -> func.HttpResponse:
    """Return an answer with the headers that the retired service sent."""
    return func.HttpResponse(
        body,
        status_code=status,
        headers={**_HEADERS, "apim-request-id": str(uuid.uuid4()), **(headers or {})},
        mimetype=media_type,
        charset="utf-8",
    )


def refusal(exc: Exception, *, code_header: bool = False) -> func.HttpResponse:
    """Return the documented answer for anything that went wrong."""
    status, headers, body = render_error(_documented(exc), code_header=code_header)
    return response(status, body, headers)


def _documented(exc: Exception) -> ContractError:
    if isinstance(exc, ContractError):
        return exc
    if isinstance(exc, EntityTooLarge):
        return ContractError(
            ErrorCode.PAYLOAD_SIZE_EXCEEDED, "The request is too large to be stored.", "body"
        )
    if isinstance(exc, FeatureError):
        return ContractError(ErrorCode.INVALID_RANK_REQUEST, sentence(exc), "actions")
    if isinstance(exc, StorageError):
        logger.error("storage: %s", exc)
        return ContractError(
            ErrorCode.STORAGE_UNAVAILABLE, "Storage did not answer; nothing was stored."
        )
    logger.error("unexpected %s", type(exc).__name__, exc_info=exc)
    return ContractError(ErrorCode.INTERNAL_SERVER_ERROR, "An unexpected error occurred.")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
