"""Azure's exceptions, translated into the storage errors that the services know."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from xml.etree.ElementTree import ParseError

import aiohttp
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.services.ports import Conflict, StorageError, StorageUnavailable

PATIENCE = 12.0
"""Seconds that one operation on storage may take, its retries included."""

_TAKEN = frozenset({409, 412})
TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})

_WRONG_CONTENT = (
    aiohttp.ClientError,
    ArithmeticError,
    AttributeError,
    LookupError,
    ParseError,
    TypeError,
    ValueError,
)
"""What the clients raise, besides their own errors, where an answer is cut off or not storage's."""


@asynccontextmanager
async def translated(doing: str, within: float | None = None) -> AsyncIterator[None]:
    """Re-raise Azure errors as storage errors that say what was being attempted.

    The block may take ``within`` seconds, or ``PATIENCE``: time limits of the clients hold for
    parts of an operation, such as one read from a socket, and their retries obey any
    ``Retry-After``.

    Raises:
        StorageUnavailable: Storage did not answer in time or not as storage does, or it asked to
            be left alone.
        Conflict: Somebody else was first.
        StorageError: Storage refused.
    """
    within = PATIENCE if within is None else within
    try:
        async with asyncio.timeout(within):
            yield
    except TimeoutError as exc:
        raise StorageUnavailable(f"could not {doing}: no answer within {within:.0f} s") from exc
    except HttpResponseError as exc:
        raise _answered(exc, doing) from exc
    except (ServiceRequestError, ServiceResponseError) as exc:
        raise StorageUnavailable(f"could not {doing}: storage did not answer") from exc
    except AzureError as exc:
        raise StorageError(f"could not {doing}") from exc
    except _WRONG_CONTENT as exc:
        raise StorageUnavailable(f"could not {doing}: the answer is not storage's") from exc


def retry_after(value: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` header; None without one in seconds."""
    return float(value) if value is not None and value.isascii() and value.isdigit() else None


def error_code(exc: HttpResponseError) -> str:
    """Return the code by which storage names an error; empty if it is not storage's own."""
    code = getattr(exc, "error_code", None)
    return str(getattr(code, "value", code) or "")


def _answered(exc: HttpResponseError, doing: str) -> StorageError:
    status, code = exc.status_code, error_code(exc)
    message = f"could not {doing}: {status or 'a broken answer'} {code}".rstrip()
    if status in _TAKEN and "Being" not in code:  # such as ContainerBeingDeleted: that passes
        return Conflict(message)
    if isinstance(exc, ClientAuthenticationError) and exc.response is None:
        return StorageUnavailable(f"could not {doing}: no token")
    broken = status is None or status < 300 or isinstance(exc, DecodeError)
    if broken or status in TRY_AGAIN or status in _TAKEN:
        headers = getattr(exc.response, "headers", {})
        return StorageUnavailable(message, retry_after(headers.get("Retry-After")))
    return StorageError(message)
