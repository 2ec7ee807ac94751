"""Inserts into Azure Table Storage as plain HTTP requests: the hot path of Rank and Reward.

The table client spends far longer on an insert than the request itself takes: it copies,
validates and traces every entity. Here only what the protocol asks for is done ("Insert Entity"
and "Authorize with Shared Key" in the Azure Storage REST API reference); all else goes through
the client. Nothing is tried twice: the services do that, and choose the bucket anew.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Protocol

import aiohttp
import msgspec
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from yarl import URL

from shared.services.ports import (
    EntityTooLarge,
    MissingSpace,
    StorageError,
    StorageUnavailable,
)
from shared.storage.errors import TRY_AGAIN, retry_after

logger = logging.getLogger(__name__)

VERSION = "2019-02-02"
SCOPE = "https://storage.azure.com/.default"
RENEW_BEFORE = 300
"""Seconds before its end at which a token is replaced."""

RENEW_EVERY = 30
"""Seconds between attempts to replace a token that is still valid."""

CONNECTIONS = 256
"""Kept open at most, per process."""

_HEADERS = {
    "Accept": "application/json;odata=nometadata",
    "Content-Type": "application/json",
    "DataServiceVersion": "3.0",
    "Prefer": "return-no-content",
    "x-ms-version": VERSION,
}
_encode = msgspec.json.Encoder().encode


class Authorization(Protocol):
    """Gives the headers that let a request in."""

    async def headers(self, path: str) -> dict[str, str]:
        """Return the headers for a request to a percent-encoded path."""


class SharedKey:
    """Signs requests with an account's key, as "Shared Key Lite" for tables."""

    def __init__(self, account: str, key: str) -> None:
        """Sign as ``account``, with its base64 key."""
        self._account = account
        self._key = base64.b64decode(key)
        self._second = 0
        self._signed: dict[str, dict[str, str]] = {}

    async def headers(self, path: str) -> dict[str, str]:
        """See ``Authorization``; the same path is signed once a second, as fine as dates are."""
        second = int(time.time())
        if second != self._second:
            self._second, self._signed = second, {}
        signed = self._signed.get(path)
        if signed is None:
            signed = self._signed[path] = self._sign(path, second)
        return signed

    def _sign(self, path: str, second: int) -> dict[str, str]:
        date = format_datetime(datetime.fromtimestamp(second, UTC), usegmt=True)
        to_sign = f"{date}\n/{self._account}{path}"
        digest = hmac.digest(self._key, to_sign.encode(), hashlib.sha256)
        signature = base64.b64encode(digest).decode()
        return {
            "x-ms-date": date,
            "Authorization": f"SharedKeyLite {self._account}:{signature}",
        }


class BearerToken:
    """Presents a token of an identity; it is renewed before it ends.

    While that fails the token is used to its end, and only one request at a time waits for another.
    """

    def __init__(self, credential: AsyncTokenCredential) -> None:
        """Ask ``credential`` for tokens."""
        self._credential = credential
        self._renewing = asyncio.Lock()
        self._header = ""
        self._renew_at = self._ends = 0.0

    async def headers(self, path: str) -> dict[str, str]:
        """See ``Authorization``."""
        if time.time() >= self._ends:
            async with self._renewing:
                if time.time() >= self._ends:
                    await self._renew()
        elif time.time() >= self._renew_at:
            self._renew_at = time.time() + RENEW_EVERY
            try:
                await self._renew()
            except AzureError as exc:
                logger.warning("a token for storage was not renewed: %s", type(exc).__name__)
        return {"Authorization": self._header}

    async def _renew(self) -> None:
        token = await self._credential.get_token(SCOPE)
        self._header = f"Bearer {token.token}"
        self._ends = token.expires_on
        self._renew_at = self._ends - RENEW_BEFORE


class TableInserts:
    """Inserts rows into the tables of one account."""

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: str, authorization: Authorization
    ) -> None:
        """Send to ``endpoint``, such as ``https://ACCOUNT.table.core.windows.net``."""
        url = URL(endpoint)
        self._session = session
        self._origin = str(url.origin())
        self._path = url.raw_path.rstrip("/")
        self._authorization = authorization

    async def insert(self, table: str, row: Mapping[str, Any]) -> bool:
        """Insert a row; False where its key is taken.

        Args:
            table: Its name.
            row: Texts, and bytes for binary properties.

        Raises:
            MissingSpace: There is no such table, or it is being deleted.
            StorageUnavailable: Storage did not answer, or asked to be left alone. The row may be
                there or not.
        """
        path = f"{self._path}/{table}"
        doing = f"insert into {table}"
        try:
            headers = _HEADERS | await self._authorization.headers(path)
            async with self._session.post(
                URL(self._origin + path, encoded=True), data=_body(row), headers=headers
            ) as answer:
                if answer.status == 204:
                    return True
                asked = retry_after(answer.headers.get("Retry-After"))
                raise_for(answer.status, error_code(await answer.read()), doing, asked)
        except AzureError as exc:  # of the identity
            raise StorageUnavailable(f"could not {doing}: no token") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise StorageUnavailable(f"could not {doing}: storage did not answer") from exc
        return False


def open_session() -> aiohttp.ClientSession:
    """Return a session for ``TableInserts``, which belongs to the running event loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=20, sock_connect=5),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def raise_for(status: int, code: str, doing: str, asked: float | None = None) -> None:
    """Raise what an answer other than success means; nothing if the row is there already.

    ``asked``: seconds for which storage asked to be left alone.
    """
    message = f"could not {doing}: {status} {code}"
    if code == "EntityAlreadyExists":
        return
    if code in ("TableNotFound", "TableBeingDeleted"):
        raise MissingSpace(message)
    if code in ("EntityTooLarge", "RequestBodyTooLarge", "PropertyValueTooLarge"):
        raise EntityTooLarge(message)
    if status in TRY_AGAIN:
        raise StorageUnavailable(message, asked)
    raise StorageError(message)


def _body(row: Mapping[str, Any]) -> bytes:
    binary = {f"{name}@odata.type": "Edm.Binary" for name, v in row.items() if type(v) is bytes}
    return _encode({**row, **binary})  # bytes are written as base64


def error_code(body: bytes) -> str:
    """Return the code of an error's body; empty if it is not one of storage's own."""
    try:
        error = msgspec.json.decode(body, type=dict[str, dict[str, Any]])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    return str(error.get("odata.error", {}).get("code", ""))
