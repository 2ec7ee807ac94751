"""From JSON to hashed features, exactly as Vowpal Wabbit's JSON reader does it.

Source: ``parse_example_json.h``. Features live in namespaces, and namespaces are told apart by
the first byte of their name only.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.hashing import CONSTANT_HASH, Namespace, hash_text, namespace
from shared.learner.recently_used import RecentlyUsed

_Member = TypeVar("_Member")
Shape = tuple[tuple[int, int], ...]
"""Namespace bytes in Vowpal Wabbit's order, each with its number of features."""

CACHE_BUDGET = 48 << 20
"""Bytes that known actions may take; one of 20 features costs about 2 kB."""

_ROOT = " "
_LARGEST = float(np.finfo(np.float32).max)
_USUAL = 1e30  # NumPy can make float32 of numbers below it, whatever their kind
_NOTHING = 2.0**-150  # float32 rounds this and less to zero
_decode = msgspec.json.Decoder().decode
_decode_actions = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_decision = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Decision(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A decision as ``layout.decision_json`` makes it: read in one go, others in two."""

    FromUrl: msgspec.Raw
    actions: list[msgspec.Raw] = msgspec.field(name="_multi")


_ACTIONS = b',"_multi":['
_LONGEST_END = 1 << 20
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


class Actions(NamedTuple):
    """Actions of one shape, what is false, null or 0 among their features.

    Attributes:
        shape: Theirs.
        texts: Their JSON texts.
        hashes: ``actions x columns``, as for ``Features``; the last column is the constant.
        values: Likewise.
    """

    shape: Shape
    texts: Sequence[bytes]
    hashes: NDArray[np.uint32]
    values: NDArray[np.float32]


def read_actions(texts: Sequence[bytes]) -> list[Actions]:
    """Return actions to be scored, by shape.

    VW leaves out what is false, null or 0, and so must learning; a score is the same with it, and
    actions that differ in it only have the same shape.

    Args:
        texts: JSON texts of at least one action.

    Raises:
        FeatureError: VW could not read one of them either.
    """
    roots = list(map(_decoded, texts))
    alike = _alike(roots)
    if alike is not None:
        shape, hashes, values = alike
        columns = np.array(hashes, np.uint32).reshape(-1, len(texts))
        return [
            Actions(shape, texts, columns.T, np.array(values, np.float32).reshape(columns.shape).T)
        ]
    by_shape: dict[Shape, tuple[list[bytes], list[int], list[float]]] = {}
    for text, root in zip(texts, roots, strict=True):
        shape, hashes, values = _walk_action(root, zeros=True)
        same = by_shape.setdefault(shape, ([], [], []))
        same[0].append(text)
        same[1].extend(hashes)
        same[2].extend(values)
    found = []
    for shape, (same_texts, hashes, values) in by_shape.items():
        rows = np.array(hashes, np.uint32).reshape(len(same_texts), -1)
        found.append(
            Actions(shape, same_texts, rows, np.array(values, np.float32).reshape(rows.shape))
        )
    return found


def _alike(roots: Sequence[Any]) -> Features | None:
    """Return the features of actions, name by name, with the constant; None if they differ.

    It does what ``_flat`` does for all actions at once, at a third of the time, where all have
    the same names, each with one flat object of the same names.
    """
    names = _common_keys(roots)
    if names is None:
        return None
    hashes: list[int] = []
    values: list[float] = []
    sizes: dict[int, int] = {}
    ones = [1.0] * len(roots)
    for name in names:
        if name[:1] == "_":
            if name == "_text":
                return None
            continue
        inner = [root[name] for root in roots]
        if type(inner[0]) is list:
            if {*map(type, inner)} != {list} or {*map(len, inner)} != {1}:
                return None
            inner = [each for (each,) in inner]
        keys = _common_keys(inner)
        space = namespace(name)
        if keys is None or space.byte in sizes:
            return None
        for key, column in zip(keys, zip(*map(dict.values, inner), strict=True), strict=True):
            kinds = {*map(type, column)}
            if key[:1] == "_" or dict in kinds or list in kinds:
                return None
            if str not in kinds:
                hashes += [space.hash_name(key)] * len(column)
                usual = type(None) not in kinds and -_USUAL < min(column) and max(column) < _USUAL
                values += column if usual else [to_float(v) if v else 0.0 for v in column]
            elif len(kinds) == 1:
                hashes += space.hash_values(key, column)
                values += ones
            else:
                return None
        if keys:
            sizes[space.byte] = len(keys)
    hashes += [CONSTANT_HASH] * len(roots)
    values += ones
    return Features(tuple(sizes.items()), hashes, values)


def _common_keys(objects: Sequence[Any]) -> tuple[str, ...] | None:
    """Return the keys of objects if all have the same in the same order."""
    if {*map(type, objects)} != {dict}:
        return None
    keys = {*map(tuple, objects)}
    return keys.pop() if len(keys) == 1 else None


def _read_known(texts: Iterable[bytes]) -> dict[bytes, Features]:
    """Return the features of actions, and remember them."""
    features = {}
    for text in texts:
        features[text] = found = _walk_action(_decoded(text), zeros=False)
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
    return walk({name: _decoded(text) for name, text in namespaces.items()}, zeros)


def split_decision(
    text: bytes, *, usual: bool = True
) -> tuple[dict[str, msgspec.Raw], Sequence[bytes | msgspec.Raw]]:
    """Return the shared namespaces and the actions of a decision's JSON text, undecoded.

    Args:
        text: The decision.
        usual: Whether it is expected to have no more than ``FromUrl`` and the actions; any other
            takes longer then.

    Raises:
        FeatureError: The text is not an object with a list of actions.
    """
    found = _latest_end.split(text, _decode_decision)
    if found is None:
        return (_split if usual else _split_unusual)(text)
    members, others, actions = found
    members.update(others)
    return members, actions


def read_decision(
    text: bytes, *, zeros: bool = False
) -> tuple[Features, Sequence[bytes | msgspec.Raw]]:
    """Return the features that all actions of a decision have in common, and the actions.

    Args:
        text: The decision's JSON text.
        zeros: As for ``read_actions``.

    Raises:
        FeatureError: As ``split_decision`` and ``shared_features``.
    """
    found = _latest_end.split(text, _decode)
    if found is None:
        shared, texts = _split(text)
        return shared_features(shared, zeros=zeros), texts
    members, others, actions = found
    for name, other in others.items():
        members[name] = _decoded(other)
    return walk(members, zeros), actions


def as_texts(actions: Sequence[bytes | msgspec.Raw]) -> Sequence[bytes]:
    """Return actions that ``split_decision`` returned as bytes."""
    return actions if type(actions) is tuple else list(map(bytes, actions))


def _split(text: bytes) -> tuple[dict[str, msgspec.Raw], list[msgspec.Raw]]:
    try:
        usual = _decode_usual(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _split_unusual(text)
    return {"FromUrl": usual.FromUrl}, usual.actions


class _LatestEnd:
    """How the latest decisions ended, if alike: a list of actions that comes again is not reread.

    A text ``P,"_multi":[...]}`` has the members of the objects ``P}`` and ``{"_multi":[...]}``,
    whatever it is that stands in the brackets and behind them, if ``P}`` is one of JSON and not
    empty.
    """

    def __init__(self) -> None:
        self._seen = b""
        self._known: tuple[bytes, dict[str, msgspec.Raw], tuple[bytes, ...]] = (b"", {}, ())

    def split(
        self, text: bytes, decode: Callable[[bytes], dict[str, _Member]]
    ) -> tuple[dict[str, _Member], dict[str, msgspec.Raw], tuple[bytes, ...]] | None:
        """Return the namespaces before the actions, those behind them, and the actions.

        Args:
            text: A decision's JSON text.
            decode: How to read what is before the actions.

        Returns:
            None of a decision that does not end as others.
        """
        start = text.find(_ACTIONS)
        end, others, actions = self._known
        if start < 0:
            return None
        if len(text) - start != len(end) or not text.endswith(end):
            end, others, actions = text[start:], {}, ()
            if end != self._seen:
                self._seen = end if len(end) < _LONGEST_END else b""
                return None
        try:
            members = decode(text[:start] + b"}")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if not members:
            return None  # there is a comma in front of the actions
        if not actions:
            others, read = _split(b"{" + end[1:])
            actions = tuple(map(bytes, read))
            self._known = end, others, actions
        members.pop("_multi", None)
        return members, others, actions


_latest_end = _LatestEnd()


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
                    known = texts.get(key)
                    hashed = known.get(value) if known else None
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
                    if value and _NOTHING < value < _USUAL:
                        number = value + 0.0
                    else:
                        number = to_float(value) if value else 0.0
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


def _walk_action(root: Any, zeros: bool) -> Features:
    """Return the features of an action's decoded JSON, with the constant."""
    features = walk(root, zeros)
    features.hashes.append(CONSTANT_HASH)
    features.values.append(1.0)
    return features


def walk(root: Any, zeros: bool) -> Features:
    """Return the shape, hashes and values of a decoded JSON object's features.

    Raises:
        FeatureError: VW could not read it either.
    """
    if type(root) is not dict:
        raise FeatureError("features must be a JSON object")
    try:
        return _flat(root, zeros) or _Walk(zeros).features(root)
    except (UnicodeEncodeError, RecursionError) as exc:
        raise FeatureError(f"a feature cannot be used: {exc}") from exc
