"""A loop's settings as one document, to be kept in a repository or a deployment."""

import codecs
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from shared.contract.errors import ContractError, ErrorCode
from shared.contract.fields import decode, parse_object, refuser
from shared.contract.policy import declared_policy
from shared.contract.service_configuration import merge_service_configuration
from shared.services.loop_settings import LoopSettings
from shared.services.ports import Clock

T = TypeVar("T")

_NAMES = ("serviceConfiguration", "policy")
_MODE = "learningmode"


@dataclass(frozen=True, slots=True)
class LoopDocument:
    """Declared settings of a loop.

    Attributes:
        digest: Of the document; equal documents, however they are laid out, have equal ones.
        change: From the present settings to those that are declared; what the document leaves
            out stays as it is.
    """

    digest: str
    change: Callable[[LoopSettings], LoopSettings]


def parse_loop_document(body: bytes, clock: Clock) -> LoopDocument:
    """Return the settings that a document declares.

    Args:
        body: A JSON object with the members ``serviceConfiguration`` and ``policy``, both as in
            the Personalizer API, both optional, each with any of its fields. A policy with slots
            turns auto-optimization off.
        clock: Dates the changes.

    Raises:
        ContractError: A field is unknown or wrong.
    """
    members = parse_object(body) if body else {}
    for name in members:
        if name not in _NAMES:
            raise ContractError(
                ErrorCode.BAD_REQUEST,
                f"A loop has {' and '.join(_NAMES)}, not {name!r}.",
                name or "body",
            )
    configuration = _member(members, "serviceConfiguration")
    policy = _member(members, "policy")

    def change(current: LoopSettings) -> LoopSettings:
        now = clock()
        if policy:
            named = {"name": msgspec.Raw(b'"declared"'), **policy}
            body = msgspec.json.encode(named)
            current = _at("policy", lambda: declared_policy(body, current, now))
        # A new loop may begin in any mode, but mode and reward settings never change at once.
        for part in (
            {name: raw for name, raw in configuration.items() if name.lower() != _MODE},
            {name: raw for name, raw in configuration.items() if name.lower() == _MODE},
        ):
            current = _merged(part, current, now)
        return current

    change(LoopSettings(policy_name="", last_edit=clock()))
    text = body.removeprefix(codecs.BOM_UTF8) or b"{}"
    whole = decode(text, "body", refuser(ErrorCode.BAD_REQUEST))  # members given twice, too
    canonical = msgspec.json.encode(whole, order="deterministic")
    return LoopDocument(hashlib.sha256(canonical).hexdigest(), change)


def _merged(part: dict[str, msgspec.Raw], current: LoopSettings, now: datetime) -> LoopSettings:
    if not part:
        return current
    return _at("serviceConfiguration", lambda: merge_service_configuration(part, current, now))


def _member(members: dict[str, msgspec.Raw], name: str) -> dict[str, msgspec.Raw]:
    if name not in members:
        return {}
    return _at(name, lambda: parse_object(bytes(members[name])))


def _at(name: str, parse: Callable[[], T]) -> T:
    """Parse a part; its errors name the member of the document that they are in."""
    try:
        return parse()
    except ContractError as exc:
        target = name if exc.target in (None, "body") else f"{name}.{exc.target}"
        raise ContractError(exc.code, exc.message, target) from exc
