"""Reading JSON objects field by field, with errors that name the field."""

import codecs
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from shared.contract.errors import ContractError, ErrorCode

MAX_BODY_BYTES = 900 * 1024
"""Of a request; an event must fit into one table row of 1 MiB."""

MAX_ID = 256
"""Characters of an id."""

MAX_FLOAT32 = 3.4028234663852886e38

Refuse = Callable[[str, str], ContractError]
"""Makes the error for a field's name and a message."""

_decode = msgspec.json.Decoder().decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def refuser(code: ErrorCode) -> Refuse:
    """Return a function that makes errors of one code."""
    return lambda target, message: ContractError(code, message, target)


def check_size(length: int, most: int = MAX_BODY_BYTES) -> None:
    """Refuse a body of too many bytes before it costs anything to read."""
    if length > most:
        raise ContractError(
            ErrorCode.PAYLOAD_SIZE_EXCEEDED,
            f"The body has {length:,} bytes; at most {most:,} are accepted.",
            "body",
        )


def parse_object(body: bytes) -> dict[str, msgspec.Raw]:
    """Return the members of a JSON object, undecoded."""
    check_size(len(body))
    try:
        return _decode_object(body.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise ContractError(
            ErrorCode.BAD_REQUEST, f"The body is not a JSON object: {_reason(exc)}", "body"
        ) from exc


def named(members: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return the known members under their proper names, whatever the case they came in."""
    found = {name: members[name] for name in names if name in members}
    if len(found) < len(members):
        proper = _by_lower(names)
        for given, value in members.items():
            name = proper.get(given.lower())
            if name is not None:
                found.setdefault(name, value)
    return found


def decode(raw: msgspec.Raw | bytes, target: str, refuse: Refuse) -> Any:
    """Return the value of a member's JSON text."""
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise refuse(target, f"{target} cannot be read: {_reason(exc)}") from exc


def check_id(value: Any, target: str, refuse: Refuse) -> str:
    """Return an id: a string of 1 to 256 characters that can be written as UTF-8."""
    if type(value) is not str:
        raise refuse(target, f"{target} must be a string, not {kind(value)}.")
    if not 1 <= len(value) <= MAX_ID:
        raise refuse(target, f"{target} must have 1 to {MAX_ID} characters, not {len(value)}.")
    if any(ord(character) < 32 for character in value) or not _encodable(value):
        raise refuse(target, f"{target} holds characters that are not allowed.")
    return value


def check_number(value: Any, low: float, high: float, target: str, refuse: Refuse) -> float:
    """Return a number within limits, as the shortest one with the same float32."""
    if type(value) not in (int, float):
        raise refuse(target, f"{target} must be a number, not {kind(value)}.")
    if not low <= value <= high:
        raise refuse(target, f"{target} must be between {low:g} and {high:g}.")
    return as_float32(float(value))


def as_float32(value: float) -> float:
    """Return the shortest decimal with the same float32, as the retired service echoed it."""
    (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    for digits in range(1, 10):
        shortest = float(f"{rounded:.{digits}g}")
        if struct.pack("<f", shortest) == struct.pack("<f", rounded):
            return shortest
    return float(rounded)


def fits_float32(value: float) -> bool:
    """Whether a JSON number is finite as a float32."""
    return abs(value) <= MAX_FLOAT32  # math.isfinite raises on integers of 310 digits


def kind(value: Any) -> str:
    """Return what JSON calls a value."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")


@lru_cache(maxsize=32)
def _by_lower(names: tuple[str, ...]) -> dict[str, str]:
    return {name.lower(): name for name in names}


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _reason(exc: Exception) -> str:
    """Return why decoding failed; the decoder's messages hold positions, never values."""
    if isinstance(exc, RecursionError):
        return "it is nested too deeply."
    if isinstance(exc, UnicodeError):
        return "it is not UTF-8."
    return f"{str(exc).split(' - at ')[0]}."  # the target names the place better
