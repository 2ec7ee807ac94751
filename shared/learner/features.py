"""From JSON to hashed features, exactly as Vowpal Wabbit's JSON reader does it.

Source: ``parse_example_json.h``. Features live in namespaces, and namespaces are told apart by
the first byte of their name only.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.hashing import hash_name, hash_text, hash_value
from shared.learner.recently_used import RecentlyUsed

Shape = tuple[tuple[int, int], ...]
"""Namespace bytes in Vowpal Wabbit's order, each with its number of features."""

CACHE_BUDGET = 48 << 20
"""Bytes that known actions may take; one of 20 features costs about 1.2 kB."""

_ROOT = " "
_LARGEST = float(np.finfo(np.float32).max)
_NOTHING = 2.0**-150  # float32 rounds this and less to zero
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


def action_features(text: bytes) -> Features:
    """Return the features of an action's JSON text; texts seen lately are not read again.

    Raises:
        FeatureError: VW could not read it either.
    """
    features = _known_actions.get(text)
    if features is None:
        features = _features({_ROOT: _decoded(text)})
        _known_actions.put(text, features, len(text) + 8 * len(features.values) + 700)
    return features


_known_actions: RecentlyUsed[bytes, Features] = RecentlyUsed(CACHE_BUDGET)


def shared_features(namespaces: Mapping[str, bytes | msgspec.Raw]) -> Features:
    """Return the features that all actions of a decision have in common.

    Args:
        namespaces: JSON text by name, such as ``{"FromUrl": b'[{"os":"linux"}]'}``.

    Raises:
        FeatureError: VW could not read it either.
    """
    return _features({_ROOT: {name: _decoded(text) for name, text in namespaces.items()}})


def split_decision(text: bytes) -> tuple[dict[str, msgspec.Raw], list[msgspec.Raw]]:
    """Return the shared namespaces and the actions of a decision's JSON text, undecoded.

    Raises:
        FeatureError: The text is not an object with a list of actions.
    """
    try:
        members = _decode_decision(text)
        return members, _decode_actions(members.pop("_multi"))
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError) as exc:
        raise FeatureError("a decision is an object with the actions in _multi") from exc


def _decoded(text: bytes | msgspec.Raw) -> Any:
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise FeatureError(f"features are not JSON: {exc}") from exc


class _Walk:
    """Collects features by namespace.

    A feature joins its group where it stands in the text; a group takes its place in the order
    when the first object or array that gave it a feature of its own is closed.
    """

    def __init__(self) -> None:
        self.groups: dict[int, tuple[list[int], list[float]]] = {}
        self.order: dict[int, None] = {}

    def object(self, members: Mapping[str, Any], name: str) -> None:
        namespace, seed, hashes, values = self._open(name)
        used = False
        for key, value in members.items():
            kind = type(value)
            if key[:1] == "_":
                if key == "_text" and kind is str:
                    used |= _words(value, seed, hashes, values)
                continue
            if kind is str:
                hashes.append(hash_value(key, value, seed))
                values.append(1.0)
            elif kind is dict:
                self.object(value, key)
                continue
            elif kind is list:
                self._array(value, key)
                continue
            else:
                number = 0.0 if value is None else _float(value)
                if not number:
                    continue
                hashes.append(hash_name(key, seed))
                values.append(number)
            used = True
        if used:
            self.order[namespace] = None

    def _array(self, items: Iterable[Any], name: str) -> None:
        namespace, index, hashes, values = self._open(name)
        used = False
        for item in items:
            kind = type(item)
            if kind is dict:
                self.object(item, name)
            elif kind is float or kind is int:
                number = _float(item)
                if number:
                    hashes.append(index & 0xFFFFFFFF)
                    values.append(number)
                    used = True
                index += 1
            elif item is not None:
                raise FeatureError("an array of features may hold numbers or objects only")
        if used:
            self.order[namespace] = None

    def _open(self, name: str) -> tuple[int, int, list[int], list[float]]:
        """Return a namespace's byte, its hash, and its group's hashes and values."""
        namespace = name[0].encode()[0] if name else 0
        group = self.groups.get(namespace)
        if group is None:
            group = self.groups[namespace] = ([], [])
        return namespace, hash_name(name, 0), *group


def _words(text: str, seed: int, hashes: list[int], values: list[float]) -> bool:
    words = text.replace("\t", " ").replace(":", "_").replace("|", "_").split()
    hashes.extend(hash_text(word, seed) for word in words)
    values.extend([1.0] * len(words))
    return bool(words)


def _float(value: float) -> float:
    """Return a number, zero or infinite where ``float32`` has nothing closer."""
    if -_LARGEST <= value <= _LARGEST:
        return float(value) if abs(value) > _NOTHING else 0.0
    return math.inf if value > 0 else -math.inf


def _features(root: Mapping[str, Any]) -> Features:
    walk = _Walk()
    for name, members in root.items():
        if type(members) is not dict:
            raise FeatureError("features must be a JSON object")
        try:
            walk.object(members, name)
        except (UnicodeEncodeError, RecursionError) as exc:
            raise FeatureError(f"a feature cannot be used: {exc}") from exc
    groups = [(namespace, *walk.groups[namespace]) for namespace in walk.order]
    return Features(
        tuple((namespace, len(hashes)) for namespace, hashes, _ in groups),
        np.array([h for _, hashes, _ in groups for h in hashes], np.uint32),
        np.array([v for _, _, values in groups for v in values], np.float32),
    )
