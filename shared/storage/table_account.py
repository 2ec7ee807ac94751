"""The tables of one storage account as plain HTTP requests: who asks, and what errors mean.

"Authorize with Shared Key" in the Azure Storage REST API reference. Nothing is tried twice here.
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
    "DataServiceVersion": "3.0",
    "x-ms-version": VERSION,
}


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


class TableAccount:
    """Sends requests to the tables of one account."""

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: str, authorization: Authorization
    ) -> None:
        """Send to ``endpoint``, such as ``https://ACCOUNT.table.core.windows.net``."""
        url = URL(endpoint)
        self._session = session
        self._origin = str(url.origin())
        self._path = url.raw_path.rstrip("/")
        self._authorization = authorization

    async def ask(
        self,
        method: str,
        resource: str,
        *,
        query: str = "",
        headers: Mapping[str, str] = {},
        body: bytes | None = None,
    ) -> aiohttp.ClientResponse:
        """Return the answer to a request; its body is still to be read, within ``async with``.

        Args:
            method: Of HTTP.
            resource: Such as a table, percent-encoded.
            query: Percent-encoded, with its question mark.
            headers: Besides those of all requests.
            body: To send.
        """
        path = f"{self._path}/{resource}"
        url = URL(f"{self._origin}{path}{query}", encoded=True)
        signed = await self._authorization.headers(path)
        return await self._session.request(
            method, url, data=body, headers={**_HEADERS, **headers, **signed}
        )


def open_session() -> aiohttp.ClientSession:
    """Return a session for a ``TableAccount``, which belongs to the running event loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=20, sock_connect=5),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def raise_for(answer: aiohttp.ClientResponse, doing: str) -> None:
    """Raise what an answer other than success means; nothing if the row is there already."""
    code = _error_code(await answer.read())
    message = f"could not {doing}: {answer.status} {code}"
    if code == "EntityAlreadyExists":
        return
    if code in ("TableNotFound", "TableBeingDeleted"):
        raise MissingSpace(message)
    if code in ("EntityTooLarge", "RequestBodyTooLarge", "PropertyValueTooLarge"):
        raise EntityTooLarge(message)
    if answer.status in TRY_AGAIN:
        raise StorageUnavailable(message, retry_after(answer.headers.get("Retry-After")))
    raise StorageError(message)


def _error_code(body: bytes) -> str:
    """Return the code of an error's body; empty if it is not one of storage's own."""
    try:
        error = msgspec.json.decode(body, type=dict[str, dict[str, Any]])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    return str(error.get("odata.error", {}).get("code", ""))
