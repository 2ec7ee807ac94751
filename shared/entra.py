"""Bearer tokens of Microsoft Entra ID: whether they are genuine, and which app roles they hold."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import jwt
import msgspec

from shared.contract.errors import ContractError, ErrorCode
from shared.settings import EntraSettings

OWNER_ROLE = "Personalizer.Owner"
"""App role with the rights of a key of the app."""

LEEWAY = 60
"""Seconds by which the clock of the issuer may differ."""

FRESH_FOR = 3600.0
"""Seconds after which signing keys are fetched again, so that withdrawn ones stop working."""

PAUSE = 60.0
"""Seconds between two fetches for keys that are not known: tokens are made up easily."""

PAUSE_AFTER_FAILURE = 10.0

_TIMEOUT = aiohttp.ClientTimeout(total=5)
_MAX_BYTES = 1 << 20
_ALGORITHMS = ["RS256"]
"""What Entra signs with. ``none`` and shared secrets must never be among them."""

_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
_UNREACHABLE = (aiohttp.ClientError, TimeoutError, jwt.PyJWTError, msgspec.DecodeError, ValueError)

logger = logging.getLogger(__name__)


def loop_role(loop: str) -> str:
    """Return the app role with the rights of a key of one loop."""
    return f"Personalizer.Loop.{loop}"


class TokenChecker:
    """Checks tokens with the signing keys of one tenant, which it fetches when first needed."""

    def __init__(
        self, settings: EntraSettings, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Accept tokens that ``settings`` describe."""
        self._settings = settings
        self._monotonic = monotonic
        self._keys: dict[str, Any] = {}
        self._fetched = self._next_fetch = float("-inf")
        self._failed = False
        self._fetching = asyncio.Lock()

    async def roles(self, token: str) -> frozenset[str]:
        """Return the app roles of a genuine token; see ``holder``."""
        return (await self.holder(token))[1]

    async def holder(self, token: str) -> tuple[str, frozenset[str]]:
        """Return the object id of who holds a genuine token, and its app roles.

        Raises:
            ContractError: It is not genuine, not for this app, not valid now, or cannot be
                checked at present.
        """
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in _ALGORITHMS:
                raise _refused("it is not signed with RS256")
            key = await self._key(str(header.get("kid")))
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=self._settings.audiences,
                issuer=self._settings.issuers,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud"]},
            )
        except _UNREADABLE as exc:
            raise _refused(_reason(exc)) from exc
        roles = claims.get("roles")
        subject = claims.get("oid") or claims.get("sub") or ""
        return str(subject), frozenset(map(str, roles if isinstance(roles, list) else ()))

    async def _key(self, kid: str) -> Any:
        known = kid in self._keys
        stale = self._monotonic() - self._fetched >= FRESH_FOR
        # Who has a known key does not wait for a fetch that somebody else has begun.
        if not known or (stale and not self._fetching.locked()):
            await self._refresh()
        if kid in self._keys:
            return self._keys[kid]
        if self._failed:
            raise ContractError(
                ErrorCode.SIGNING_KEYS_UNAVAILABLE,
                "The tenant's signing keys cannot be fetched; the bearer token was not checked.",
            )
        raise _refused("its signing key is not one of the tenant's")

    async def _refresh(self) -> None:
        """Fetch the keys, unless that was just done; what was known stays if it fails."""
        async with self._fetching:
            now = self._monotonic()
            if now < self._next_fetch:
                return
            try:
                self._keys = await self._fetch()
                self._fetched, self._failed = now, False
            except _UNREACHABLE as exc:
                logger.warning("the signing keys cannot be fetched: %s", type(exc).__name__)
                self._failed = True
            self._next_fetch = now + (PAUSE_AFTER_FAILURE if self._failed else PAUSE)

    async def _fetch(self) -> dict[str, Any]:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, raise_for_status=True) as session,
            session.get(self._settings.jwks_uri, allow_redirects=False) as answer,
        ):
            found = msgspec.json.decode(await _read(answer.content), type=dict[str, Any])
        keys = jwt.PyJWKSet.from_dict(found).keys
        return {
            key.key_id: key.key
            for key in keys
            if key.key_id and key.key_type == "RSA" and key.public_key_use in (None, "sig")
        }


async def _read(content: aiohttp.StreamReader) -> bytes:
    text = b""
    async for part in content.iter_any():
        text += part
        if len(text) > _MAX_BYTES:
            raise ValueError("the key set is too large")
    return text


def _refused(reason: str) -> ContractError:
    return ContractError(ErrorCode.UNAUTHORIZED, f"Access denied: the bearer token: {reason}.")


def _reason(exc: Exception) -> str:
    """Return why a token is not valid, in our words: the library's may quote the token."""
    reasons: tuple[tuple[type[Exception], str], ...] = (
        (jwt.ExpiredSignatureError, "it has expired"),
        (jwt.ImmatureSignatureError, "it is not valid yet"),
        (jwt.InvalidAudienceError, "it is for another audience than ENTRA_AUDIENCE"),
        (jwt.InvalidIssuerError, "it is from another tenant than ENTRA_TENANT_ID"),
        (jwt.MissingRequiredClaimError, "it has no expiry, issuer or audience"),
        (jwt.InvalidSignatureError, "its signature is wrong"),
    )
    return next((text for kind, text in reasons if isinstance(exc, kind)), "it cannot be read")
