"""Features on the wire: checked, and written as the learner reads them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from shared.contract.fields import fits_float32, kind

MAX_DEPTH = 16
"""Of objects inside features."""

_encode = msgspec.json.Encoder().encode


class FieldError(Exception):
    """A field of a part of the request is wrong; the part's own place is not known yet.

    Attributes:
        path: Of the field, from the part, such as ``.features[1].x``.
        message: For the developer who reads it.
    """

    def __init__(self, path: str, message: str) -> None:
        """Complain about a field."""
        super().__init__(message)
        self.path = path
        self.message = message


def features_json(items: Sequence[Any], path: str) -> bytes:
    """Return the JSON text (UTF-8) of an array of features without what is null.

    Raises:
        FieldError: An item is no object, or holds what is no feature.
    """
    return _text(
        [_object(item, f"{path}[{i}]", 1) for i, item in enumerate(items) if item is not None], path
    )


def _object(value: Any, path: str, depth: int) -> dict[str, Any]:
    """Return an object of features as the learner gets it."""
    if type(value) is not dict:
        raise FieldError(path, f"A feature item must be an object, not {kind(value)}.")
    if depth > MAX_DEPTH:
        raise FieldError(path, f"Features may be nested {MAX_DEPTH} levels deep.")
    clean: dict[str, Any] = {}
    for name, member in value.items():
        if name == "":
            raise FieldError(path, "Features may not have an empty name.")
        if name[0] == "_":
            continue  # the retired service ignored such names
        clean[name] = _value(member, path, name, depth)
    return clean


def _value(value: Any, path: str, name: str, depth: int) -> Any:
    of = type(value)
    if of is str or of is bool:
        return value
    if of is int or of is float:
        return _feature_number(value, f"{path}.{name}")
    if value is None:
        return "null"
    if of is dict:
        return _object(value, f"{path}.{name}", depth + 1)
    for item in value:
        if type(item) not in (int, float):
            raise FieldError(
                f"{path}.{name}", "Features should not contain array with non-number items."
            )
        _feature_number(item, f"{path}.{name}")
    return value


def _feature_number(value: float, path: str) -> float:
    if not fits_float32(value):
        raise FieldError(path, "A feature's number must be finite as a 32-bit float.")
    return value


def _text(clean: list[dict[str, Any]], path: str) -> bytes:
    try:
        return _encode(clean)
    except (UnicodeEncodeError, OverflowError, RecursionError, msgspec.EncodeError) as exc:
        raise FieldError(path, "Features hold text that is not valid Unicode.") from exc
