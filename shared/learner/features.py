"""From JSON to hashed features, exactly as Vowpal Wabbit's JSON reader does it.

Source: ``parse_example_json.h``. Features live in namespaces, and namespaces are told apart by
the first byte of their name only.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.hashing import Namespace, hash_text, namespace
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


def features_of_actions(texts: Sequence[bytes]) -> list[Features]:
    """Return the features of actions' JSON texts; texts seen lately are not read again.

    Raises:
        FeatureError: VW could not read one of them either.
    """
    found = [_known_actions.get(text) for text in texts]
    if None in found:
        new = _read_known(
            {text for text, features in zip(texts, found, strict=True) if not features}
        )
        found = [features or new[text] for text, features in zip(texts, found, strict=True)]
    return found  # type: ignore[return-value]  # none is None any more


def read_actions(
    texts: Iterable[bytes], *, zeros: bool = False
) -> Iterator[tuple[Shape, list[bytes], NDArray[np.uint32], NDArray[np.float32]]]:
    """Yield actions' texts by shape, with ``actions x features`` hashes and values.

    Args:
        texts: JSON texts of actions.
        zeros: Whether to keep what is false, null or 0. VW leaves it out, and so must learning;
            a score is the same with it, and actions that differ in it only have the same shape.

    Raises:
        FeatureError: VW could not read one of them either.
    """
    by_shape: dict[Shape, tuple[list[bytes], list[list[int]], list[list[float]]]] = {}
    for text in texts:
        shape, hashes, values = _walk(_decoded(text), zeros)
        alike = by_shape.get(shape)
        if alike is None:
            alike = by_shape[shape] = ([], [], [])
        alike[0].append(text)
        alike[1].append(hashes)
        alike[2].append(values)
    for shape, (alike_texts, hashed, valued) in by_shape.items():
        yield shape, alike_texts, np.array(hashed, np.uint32), np.array(valued, np.float32)


def _read_known(texts: Iterable[bytes]) -> dict[bytes, Features]:
    """Return the features of actions, and remember them."""
    features = {}
    for shape, alike, hashes, values in read_actions(texts):
        for text, *row in zip(alike, hashes, values, strict=True):
            features[text] = Features(shape, row[0], row[1])
            _known_actions.put(text, features[text], len(text) + 8 * len(row[0]) + 700)
    return features


_known_actions: RecentlyUsed[bytes, Features] = RecentlyUsed(CACHE_BUDGET)


def shared_features(
    namespaces: Mapping[str, bytes | msgspec.Raw], *, zeros: bool = False
) -> Features:
    """Return the features that all actions of a decision have in common.

    Args:
        namespaces: JSON text by name, such as ``{"FromUrl": b'[{"os":"linux"}]'}``.
        zeros: As for ``read_actions``.

    Raises:
        FeatureError: VW could not read it either.
    """
    members = {name: _decoded(text) for name, text in namespaces.items()}
    shape, hashes, values = _walk(members, zeros)
    return Features(shape, np.array(hashes, np.uint32), np.array(values, np.float32))


def split_decision(text: bytes) -> tuple[dict[str, msgspec.Raw], list[msgspec.Raw]]:
    """Return the shared namespaces and the actions of a decision's JSON text, undecoded.

    Raises:
        FeatureError: The text is not an object with a list of actions.
    """
    try:
        members = _decode_decision(text)
        return members, _decode_actions(members.pop("_multi"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError) as exc:
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

    def __init__(self, zeros: bool) -> None:
        self.zeros = zeros
        self.groups: dict[int, tuple[list[int], list[float]]] = {}
        self.order: dict[int, None] = {}

    def object(self, members: Mapping[str, Any], name: str) -> None:
        """Collect the features of an object that is not in an array."""
        space = namespace(name)
        self._members(members, space, *self._group(space))

    def _members(
        self, members: Mapping[str, Any], space: Namespace, hashes: list[int], values: list[float]
    ) -> None:
        used = False
        for key, value in members.items():
            kind = type(value)
            if kind is str:
                hashed = space.texts.get((key, value))
                if hashed is None:
                    if key[:1] == "_":
                        if key == "_text":
                            used |= _words(value, space.seed, hashes, values)
                        continue
                    hashed = space.hash_value(key, value)
                number = 1.0
            elif kind is dict or kind is list:
                if key[:1] != "_":
                    (self.object if kind is dict else self._array)(value, key)
                continue
            else:
                hashed = space.names.get(key)
                if hashed is None:
                    if key[:1] == "_":
                        continue
                    hashed = space.hash_name(key)
                number = 0.0 if value is None else to_float(value)
                if not number and not self.zeros:
                    continue
            hashes.append(hashed)
            values.append(number)
            used = True
        if used:
            self.order[space.byte] = None

    def _array(self, items: Iterable[Any], name: str) -> None:
        space = namespace(name)
        hashes, values = self._group(space)
        index = space.seed
        used = False
        for item in items:
            kind = type(item)
            if kind is dict:
                self._members(item, space, hashes, values)
            elif kind is float or kind is int:
                number = to_float(item)
                if number or self.zeros:
                    hashes.append(index & 0xFFFFFFFF)
                    values.append(number)
                    used = True
                index += 1
            elif item is not None:
                raise FeatureError("an array of features may hold numbers or objects only")
        if used:
            self.order[space.byte] = None

    def _group(self, space: Namespace) -> tuple[list[int], list[float]]:
        """Return the hashes and values of a namespace's group."""
        group = self.groups.get(space.byte)
        if group is None:
            group = self.groups[space.byte] = ([], [])
        return group


def _words(text: str, seed: int, hashes: list[int], values: list[float]) -> bool:
    text = text.replace("\t", " ").replace(":", "_").replace("|", "_")
    words = [word for word in text.split(" ") if word]
    hashes.extend(hash_text(word, seed) for word in words)
    values.extend([1.0] * len(words))
    return bool(words)


def to_float(value: float) -> float:
    """Return a number, zero or infinite where ``float32`` has nothing closer."""
    if -_LARGEST <= value <= _LARGEST:
        return float(value) if abs(value) > _NOTHING else 0.0
    return math.inf if value > 0 else -math.inf


def _walk(root: Any, zeros: bool) -> tuple[Shape, list[int], list[float]]:
    """Return the shape, hashes and values of a decoded JSON object's features."""
    if type(root) is not dict:
        raise FeatureError("features must be a JSON object")
    walk = _Walk(zeros)
    try:
        walk.object(root, _ROOT)
    except (UnicodeEncodeError, RecursionError) as exc:
        raise FeatureError(f"a feature cannot be used: {exc}") from exc
    shape: list[tuple[int, int]] = []
    hashes: list[int] = []
    values: list[float] = []
    for byte in walk.order:
        found, numbers = walk.groups[byte]
        shape.append((byte, len(found)))
        hashes += found
        values += numbers
    return tuple(shape), hashes, values
