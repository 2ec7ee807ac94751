"""From JSON to hashed features, exactly as Vowpal Wabbit's JSON reader does it.

Sources: ``hashstring`` in ``hash.h``, ``parse_example_json.h``. Features live in namespaces, and
namespaces are told apart by the first byte of their name only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import mmh3
import msgspec
import numpy as np
from numpy.typing import NDArray

CONSTANT_HASH = 11650396
"""Slot of the constant feature (``constant`` in constant.h)."""

Shape = tuple[tuple[int, int], ...]
"""Namespace bytes in Vowpal Wabbit's order, each with its number of features."""

_SPACE = bytes(range(0x21))
_ESCAPED = str.maketrans({" ": "_", "\t": "_", "|": "_", ":": "_"})
_decode = msgspec.json.Decoder().decode
_decode_actions = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_decision = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class FeatureError(ValueError):
    """Features have a form that Vowpal Wabbit cannot read, or are too many."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The features of one action, or those shared by all actions of a decision.

    Attributes:
        shape: Namespaces and their sizes, in order.
        hashes: ``uint32``, one per feature, not yet cut to the size of a model.
        values: ``float32``, one per feature.
    """

    shape: Shape
    hashes: NDArray[np.uint32]
    values: NDArray[np.float32]


@lru_cache(maxsize=1 << 16)
def hash_string(text: str, seed: int) -> int:
    """Return VW's hash of a name: digits count as a number, all else through murmur3."""
    raw = text.encode().strip(_SPACE)
    if not raw or raw.isdigit():
        return ((int(raw) if raw else 0) + seed) & 0xFFFFFFFF
    return mmh3.hash(raw, seed, signed=False)


@lru_cache(maxsize=1 << 16)
def _hash_feature(name: str, value: str, seed: int) -> int:
    """Hash a string-valued feature: name and value without anything between them."""
    return hash_string(name + value.translate(_ESCAPED), seed)


@lru_cache(maxsize=8192)
def action_features(text: bytes) -> Features:
    """Return the features of an action's JSON text.

    The cache holds up to 8,192 actions, about 1.5 kB each at 20 features: 12 MB.

    Raises:
        FeatureError: VW could not read it either.
    """
    return _features({" ": _decoded(text)})


def shared_features(namespaces: Mapping[str, bytes | msgspec.Raw]) -> Features:
    """Return the features that all actions of a decision have in common.

    Args:
        namespaces: JSON text by name, such as ``{"FromUrl": b'[{"os":"linux"}]'}``.

    Raises:
        FeatureError: VW could not read it either.
    """
    return _features({" ": {name: _decoded(text) for name, text in namespaces.items()}})


def split_decision(text: bytes) -> tuple[dict[str, msgspec.Raw], list[msgspec.Raw]]:
    """Return the shared namespaces and the actions of a decision's JSON text, undecoded."""
    try:
        members = _decode_decision(text)
        return members, _decode_actions(members.pop("_multi"))
    except (msgspec.DecodeError, KeyError) as exc:
        raise FeatureError("a decision is an object with the actions in _multi") from exc


def _decoded(text: bytes | msgspec.Raw) -> Any:
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise FeatureError(f"features are not JSON: {exc}") from exc


class _Walk:
    """Collects features by namespace, in the order in which VW closes namespaces."""

    def __init__(self) -> None:
        self.hashes: dict[int, list[int]] = {}
        self.values: dict[int, list[float]] = {}

    def object(self, members: Mapping[str, Any], name: str) -> None:
        seed, found, values = hash_string(name, 0), [], []  # type: tuple[int, list[int], list[float]]
        for key, value in members.items():
            kind = type(value)
            if key.startswith("_"):
                if key == "_text" and kind is str:
                    self._text(value, seed, found, values)
            elif kind is str:
                found.append(_hash_feature(key, value, seed))
                values.append(1.0)
            elif kind is bool:
                if value:
                    found.append(hash_string(key, seed))
                    values.append(1.0)
            elif kind is float or kind is int:
                number = _number(value)
                if number:
                    found.append(hash_string(key, seed))
                    values.append(number)
            elif kind is dict:
                self.object(value, key)
            elif kind is list:
                self._array(value, key)
        self._close(name, found, values)

    def _array(self, items: Iterable[Any], name: str) -> None:
        index, found, values = hash_string(name, 0), [], []  # type: tuple[int, list[int], list[float]]
        for item in items:
            kind = type(item)
            if kind is dict:
                self.object(item, name)
            elif kind is float or kind is int:
                number = _number(item)
                if number:
                    found.append(index & 0xFFFFFFFF)
                    values.append(number)
                index += 1
            elif item is not None:
                raise FeatureError("an array of features may hold numbers or objects only")
        self._close(name, found, values)

    def _text(self, text: str, seed: int, found: list[int], values: list[float]) -> None:
        for word in text.replace("\t", " ").replace(":", "_").replace("|", "_").split(" "):
            if word:
                found.append(hash_string(word, seed))
                values.append(1.0)

    def _close(self, name: str, found: list[int], values: list[float]) -> None:
        if found:
            namespace = name.encode()[0] if name else 0
            self.hashes.setdefault(namespace, []).extend(found)
            self.values.setdefault(namespace, []).extend(values)


def _number(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def _features(root: Mapping[str, Any]) -> Features:
    walk = _Walk()
    for name, members in root.items():
        if type(members) is not dict:
            raise FeatureError("features must be a JSON object")
        try:
            walk.object(members, name)
        except (OverflowError, UnicodeEncodeError, RecursionError) as exc:
            raise FeatureError(f"a feature cannot be used: {exc}") from exc
    return Features(
        tuple((namespace, len(found)) for namespace, found in walk.hashes.items()),
        np.array([h for found in walk.hashes.values() for h in found], np.uint32),
        np.array([v for found in walk.values.values() for v in found], np.float32),
    )
