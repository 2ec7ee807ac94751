"""One decorator for every operation: version, key, body in, answer out, errors as documented."""

import asyncio
import logging
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import azure.functions as func

from shared import wiring
from shared.contract.errors import (
    RETRY_AFTER,
    ContractError,
    ErrorCode,
    render_error,
    sentence,
)
from shared.contract.fields import check_size
from shared.contract.operations import HOT_MARGIN, KEY_HEADER, Access, Operation, Surface
from shared.contract.versions import ApiVersion, parse_version
from shared.learner.features import FeatureError
from shared.services.failures import trace
from shared.services.loop_registry import digest, opens
from shared.services.loop_state import DEFAULT_LOOP, UnknownLoop
from shared.services.meter import record_call
from shared.services.ports import Conflict, EntityTooLarge, StorageError, StorageUnavailable
from shared.services.serving import WrongKindOfLoop
from shared.services.storage_watch import SeldomLogger

logger = logging.getLogger(__name__)
_seldom = SeldomLogger(logger)

_NO_KEY = (
    f"Access denied: send a key of this app or loop in the {KEY_HEADER} header; there was none."
)
_WRONG_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. The key is none of this "
    "endpoint's{hint}."
)
_WITHOUT_SLOTS = (
    "Multi-slot calls are disabled for this loop; PUT a policy with --ccb_explore_adf enables them."
)
_WITH_SLOTS = (
    "Single-slot calls are disabled for this loop; PUT a policy with --cb_explore_adf enables them."
)
_NO_TOKENS = (
    f"Access denied: bearer tokens are not set up for this app (ENTRA_TENANT_ID); send a key in "
    f"the {KEY_HEADER} header."
)
_NO_STORAGE = "Storage did not confirm the call in time; it can be repeated."
LONGEST_RETRY_AFTER = 60
"""Seconds for which callers are sent away at most, whatever storage says."""

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
        version: Of the API, as the caller chose it; the newest for what is our own.
        loop: That it is for.
        url: As sent, percent-encoded.
        headers: Of the request; names are case-insensitive.
        parameters: Of the query.
        route: Parameters of the route.
        body: As sent, of acceptable size.
    """

    version: ApiVersion
    loop: str
    url: str
    headers: Mapping[str, str]
    parameters: Mapping[str, str]
    route: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is more than a body.

    Attributes:
        body: Of the answer.
        headers: On top of those that every answer has.
        status: Where it is not the operation's usual one.
    """

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None


LoopHandler = Callable[[wiring.Application, Call], Awaitable[bytes | Answer]]
AppHandler = Callable[[wiring.Process, Call], Awaitable[bytes | Answer]]
HttpFunction = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


def operation(
    blueprint: func.Blueprint, described: Operation
) -> Callable[[LoopHandler], HttpFunction]:
    """Serve an operation of a loop on all its routes.

    The handler gets the loop's services and a valid call and returns what success looks like. It
    may raise ``ContractError``, ``UnknownLoop`` and any storage error.
    """

    def register(handler: LoopHandler) -> HttpFunction:
        async def handle(process: wiring.Process, call: Call) -> bytes | Answer:
            return await handler(await process.application(call.loop), call)

        return app_operation(blueprint, described)(handle)

    return register


def app_operation(
    blueprint: func.Blueprint, described: Operation
) -> Callable[[AppHandler], HttpFunction]:
    """Serve an operation that is not of one existing loop, as ``operation`` does."""

    def register(handler: AppHandler) -> HttpFunction:
        async def answer(req: func.HttpRequest) -> func.HttpResponse:
            started = time.perf_counter()
            answered = await _answer(described, handler, req)
            took = time.perf_counter() - started
            record_call(wiring.meter(), described.name, answered.status_code, took)
            return answered

        for name, route in described.routes.items():
            blueprint.function_name(name)(
                blueprint.route(
                    route, methods=[described.method], auth_level=func.AuthLevel.ANONYMOUS
                )(answer)
            )
        return answer

    return register


async def _answer(
    described: Operation, handler: AppHandler, req: func.HttpRequest
) -> func.HttpResponse:
    code_header = (
        described.surface is Surface.PERSONALIZER and req.route_params.get("version") is None
    )
    try:
        async with asyncio.timeout(_seconds(described)):
            answer = await _handled(described, handler, req)
    except Exception as exc:  # noqa: BLE001 (the last line before the caller: all is documented)
        return refusal(exc, code_header=code_header)
    if isinstance(answer, bytes):
        answer = Answer(answer)
    status = answer.status or described.success
    return response(status, answer.body, answer.headers, described.media_type)


def _seconds(described: Operation) -> float:
    """Return the seconds within which an operation is answered, whatever storage does."""
    if described.seconds is not None:
        return described.seconds
    return wiring.settings().write_deadline.total_seconds() + HOT_MARGIN


async def _handled(
    described: Operation, handler: AppHandler, req: func.HttpRequest
) -> bytes | Answer:
    loop = req.route_params.get("loop", DEFAULT_LOOP)
    process = await wiring.process()
    caller = await authenticate(process, req, loop, described.access)
    _check_rate(process, caller)
    version = ApiVersion.V1_1_PREVIEW_3
    if described.surface is Surface.PERSONALIZER:
        version = parse_version(req.route_params.get("version"), req.params.get("api-version"))
    body = req.get_body()
    check_size(len(body), described.max_body)
    call = Call(version, loop, req.url, req.headers, req.params, req.route_params, body)
    return await handler(process, call)


async def authenticate(
    process: wiring.Process, req: func.HttpRequest, loop: str, access: Access = Access.LOOP
) -> str:
    """Let a request in by its key or, without one, by its bearer token; return who calls.

    Raises:
        ContractError: As the retired service's gateway refused.
    """
    key = req.headers.get(KEY_HEADER, "")
    scheme, _, token = req.headers.get("Authorization", "").partition(" ")
    if key:
        given = digest(key)
        await _check_key(process, given, loop, access)
        return given
    if scheme.lower() == "bearer":
        return await _check_token(process, token.strip(), loop, access)
    raise ContractError(ErrorCode.UNAUTHORIZED, _NO_KEY)


def _check_rate(process: wiring.Process, caller: str) -> None:
    """Refuse a caller who calls too often; before the body is looked at."""
    wait = process.limit.wait(caller) if process.limit else 0.0
    if wait:
        seconds = math.ceil(wait)
        message = f"Rate limit is exceeded. Try again in {seconds} seconds."
        raise ContractError(ErrorCode.TOO_MANY_CALLS, message, retry_after=seconds)


async def _check_key(process: wiring.Process, given: str, loop: str, access: Access) -> None:
    """Check a key by its digest: one of the app opens every loop, one of a loop opens that loop."""
    if opens(process.key_digests, given):
        return
    try:
        if access is Access.LOOP and opens((await process.registry.find(loop)).key_digests, given):
            return
    except UnknownLoop:
        pass  # who has no key is not told which loops there are
    home = process.registry.opened_by(given)
    hint = ""
    if home is not None:
        hint = (
            f"; it opens /loops/{home}/, without the right to manage loops"
            if home == loop
            else f"; it opens /loops/{home}/"
        )
    raise ContractError(ErrorCode.UNAUTHORIZED, _WRONG_KEY.format(hint=hint))


async def _check_token(process: wiring.Process, token: str, loop: str, access: Access) -> str:
    """Check a bearer token and return whose it is.

    Its app roles stand for a key of the app, or of one loop.
    """
    if process.tokens is None:
        raise ContractError(ErrorCode.UNAUTHORIZED, _NO_TOKENS)
    from shared.entra import OWNER_ROLE, loop_role

    needed = [OWNER_ROLE, loop_role(loop)] if access is Access.LOOP else [OWNER_ROLE]
    subject, roles = await process.tokens.holder(token)
    if roles.isdisjoint(needed):
        raise ContractError(
            ErrorCode.INVALID_API_ACCESS,
            f"The bearer token is genuine, but has none of the app roles {', '.join(needed)}.",
        )
    return subject


def response(
    status: int,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> func.HttpResponse:
    """Return an answer with the headers that the retired service sent."""
    # The platform would leave the charset out for all but text/*.
    charset = "" if media_type == "application/octet-stream" else "; charset=utf-8"
    return func.HttpResponse(
        body,
        status_code=status,
        headers={
            **_HEADERS,
            "Content-Type": f"{media_type}{charset}",
            "apim-request-id": str(uuid.uuid4()),
            **(headers or {}),
        },
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
    if isinstance(exc, UnknownLoop):
        return ContractError(
            ErrorCode.RESOURCE_NOT_FOUND,
            "There is no such loop; PUT /loops/{loop} makes one.",
            "loop",
        )
    if isinstance(exc, WrongKindOfLoop):
        if exc.has_slots:
            return ContractError(ErrorCode.INVALID_API_ACCESS, _WITH_SLOTS, "path")
        return ContractError(ErrorCode.INVALID_MULTI_SLOT_API_ACCESS, _WITHOUT_SLOTS, "path")
    if isinstance(exc, EntityTooLarge):
        return ContractError(
            ErrorCode.PAYLOAD_SIZE_EXCEEDED, "The request is too large to be stored.", "body"
        )
    if isinstance(exc, FeatureError):
        return ContractError(ErrorCode.INVALID_RANK_REQUEST, sentence(exc), "actions")
    if isinstance(exc, Conflict):
        return ContractError(ErrorCode.CONFLICT, "Somebody else is changing it; try again.")
    if isinstance(exc, StorageUnavailable | TimeoutError):
        logger.debug("storage: %s", exc)  # the watch tells, once
        asked = getattr(exc, "retry_after", None) or 0
        wait = min(max(math.ceil(asked), RETRY_AFTER), LONGEST_RETRY_AFTER)
        return ContractError(ErrorCode.STORAGE_UNAVAILABLE, _NO_STORAGE, retry_after=wait)
    if isinstance(exc, StorageError):
        _seldom.error("storage: %s", exc)
        return ContractError(ErrorCode.STORAGE_UNAVAILABLE, _NO_STORAGE)
    logger.error("unexpected: %s", trace(exc))
    return ContractError(ErrorCode.INTERNAL_SERVER_ERROR, "An unexpected error occurred.")
