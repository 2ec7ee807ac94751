"""From JSON to hashed features, exactly as Vowpal Wabbit's JSON reader does it.

Source: ``parse_example_json.h``. Features live in namespaces, and namespaces are told apart by
the first byte of their name only.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.hashing import CONSTANT_HASH, Namespace, hash_text, namespace
from shared.learner.recently_used import RecentlyUsed

Shape = tuple[tuple[int, int], ...]
"""Namespace bytes in Vowpal Wabbit's order, each with its number of features."""

CACHE_BUDGET = 48 << 20
"""Bytes that known actions may take; one of 20 features costs about 2 kB."""

_ROOT = " "
_LARGEST = float(np.finfo(np.float32).max)
_NOTHING = 2.0**-150  # float32 rounds this and less to zero
_decode = msgspec.json.Decoder().decode
_decode_actions = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_decision = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Decision(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A decision as ``layout.decision_json`` makes it: read in one go, others in two."""

    FromUrl: msgspec.Raw
    actions: list[msgspec.Raw] = msgspec.field(name="_multi")


_decode_usual = msgspec.json.Decoder(_Decision).decode


class FeatureError(ValueError):
    """Features have a form that Vowpal Wabbit cannot read, or are too many."""


class Features(NamedTuple):
    """The features of one action, or those shared by all actions of a decision.

    Attributes:
        shape: Namespaces and their sizes, in order.
        hashes: One per feature, 32 bits, not yet cut to the size of a model. An action's end with
            the constant feature, which is not part of the shape.
        values: One per feature, within the range of ``float32`` or infinite.
    """

    shape: Shape
    hashes: list[int]
    values: list[float]


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
    """Yield actions' texts by shape, with ``actions x columns`` hashes and values.

    The last column is the constant feature.

    Args:
        texts: JSON texts of actions.
        zeros: Whether to keep what is false, null or 0. VW leaves it out, and so must learning;
            a score is the same with it, and actions that differ in it only have the same shape.

    Raises:
        FeatureError: VW could not read one of them either.
    """
    by_shape: dict[Shape, tuple[list[bytes], list[int], list[float]]] = {}
    for text in texts:
        shape, hashes, values = _walk_action(text, zeros)
        alike = by_shape.get(shape)
        if alike is None:
            alike = by_shape[shape] = ([], [], [])
        alike[0].append(text)
        alike[1].extend(hashes)
        alike[2].extend(values)
    for shape, (alike_texts, hashed, valued) in by_shape.items():
        rows = len(alike_texts)
        hashed_rows = np.array(hashed, np.uint32).reshape(rows, -1)
        yield shape, alike_texts, hashed_rows, np.array(valued, np.float32).reshape(rows, -1)


def _read_known(texts: Iterable[bytes]) -> dict[bytes, Features]:
    """Return the features of actions, and remember them."""
    features = {}
    for text in texts:
        features[text] = found = _walk_action(text, zeros=False)
        _known_actions.put(text, found, len(text) + 64 * len(found.hashes) + 500)
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
    return _walk({name: _decoded(text) for name, text in namespaces.items()}, zeros)


def split_decision(text: bytes) -> tuple[dict[str, msgspec.Raw], list[msgspec.Raw]]:
    """Return the shared namespaces and the actions of a decision's JSON text, undecoded.

    Raises:
        FeatureError: The text is not an object with a list of actions.
    """
    try:
        usual = _decode_usual(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _split_unusual(text)
    return {"FromUrl": usual.FromUrl}, usual.actions


def _split_unusual(text: bytes) -> tuple[dict[str, msgspec.Raw], list[msgspec.Raw]]:
    """Return what ``split_decision`` does, of a decision with any namespaces."""
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


def _flat(root: Mapping[str, Any], zeros: bool) -> Features | None:
    """Return the features of namespaces that hold flat objects only, None of any other.

    It does what ``_Walk`` does, at half the time; nearly all features come in this form.
    """
    hashes: list[int] = []
    values: list[float] = []
    sizes: dict[int, int] = {}
    for name, inner in root.items():
        kind = type(inner)
        if name[:1] == "_":
            if name == "_text":
                return None
            continue
        if kind is not list and kind is not dict:
            return None
        space = namespace(name)
        texts, names = space.texts, space.names
        before = len(hashes)
        for members in inner if kind is list else (inner,):
            if type(members) is not dict:
                return None
            for key, value in members.items():
                kind = type(value)
                if kind is str:
                    hashed = texts.get((key, value))
                    if hashed is None:
                        if key[:1] == "_":
                            return None
                        hashed = space.hash_value(key, value)
                    hashes.append(hashed)
                    values.append(1.0)
                elif kind is dict or kind is list:
                    return None
                else:
                    hashed = names.get(key)
                    if hashed is None:
                        if key[:1] == "_":
                            return None
                        hashed = space.hash_name(key)
                    number = 1.0 if value is True else to_float(value) if value else 0.0
                    if number or zeros:
                        hashes.append(hashed)
                        values.append(number)
        if len(hashes) > before:
            if space.byte in sizes:
                return None
            sizes[space.byte] = len(hashes) - before
    return Features(tuple(sizes.items()), hashes, values)


class _Walk:
    """Collects features by namespace.

    A feature joins its group where it stands in the text; a group takes its place in the order
    when the first object or array that gave it a feature of its own is closed.
    """

    def __init__(self, zeros: bool) -> None:
        self.zeros = zeros
        self.groups: dict[int, tuple[list[int], list[float]]] = {}
        self.order: dict[int, None] = {}

    def features(self, root: Mapping[str, Any]) -> Features:
        """Return all features of a decoded JSON object, namespaces in order."""
        self.object(root, _ROOT)
        groups = [(byte, *self.groups[byte]) for byte in self.order]
        return Features(
            tuple([(byte, len(hashes)) for byte, hashes, _ in groups]),
            [each for _, hashes, _ in groups for each in hashes],
            [each for _, _, values in groups for each in values],
        )

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


def _walk_action(text: bytes, zeros: bool) -> Features:
    """Return the features of an action's JSON text, with the constant."""
    features = _walk(_decoded(text), zeros)
    features.hashes.append(CONSTANT_HASH)
    features.values.append(1.0)
    return features


def _walk(root: Any, zeros: bool) -> Features:
    """Return the shape, hashes and values of a decoded JSON object's features."""
    if type(root) is not dict:
        raise FeatureError("features must be a JSON object")
    try:
        return _flat(root, zeros) or _Walk(zeros).features(root)
    except (UnicodeEncodeError, RecursionError) as exc:
        raise FeatureError(f"a feature cannot be used: {exc}") from exc
