"""Features with their names: the slow, clear twin of ``features``, for people to read.

The same features in the same order with the same hashes (a test compares), each called
``namespace.feature`` as in the retired service's explanations.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from shared.learner.features import Shape, to_float
from shared.learner.hashing import hash_text, namespace

CONSTANT = "constant"
_ROOT = " "


class NamedFeature(msgspec.Struct, frozen=True):
    """One feature.

    Attributes:
        name: Such as ``FromUrl.os``; elements of an array of numbers are called by position.
        text: Its value as a person would write it.
        hash: Not yet cut to the size of a model.
        value: What the learner multiplies its weight with; 1 for a text.
    """

    name: str
    text: str
    hash: int
    value: float

    @property
    def key(self) -> str:
        """Name and value: what makes it a feature of its own for counting."""
        return f"{self.name}={self.text}"


class NamedFeatures(msgspec.Struct, frozen=True):
    """All features of an action, or of a context.

    Attributes:
        shape: As of ``features.Features``.
        features: In the order of the shape.
    """

    shape: Shape
    features: tuple[NamedFeature, ...]


def named_features(root: Mapping[str, Any], *, zeros: bool = False) -> NamedFeatures:
    """Return the features of a decoded JSON object that ``features`` has been able to read.

    Args:
        root: An action, or the context by namespace.
        zeros: Whether to keep what is false, null or 0.
    """
    walk = _Walk(zeros)
    walk.object(root, _ROOT)
    groups = [(byte, walk.groups[byte]) for byte in walk.closed]
    return NamedFeatures(
        tuple((byte, len(group)) for byte, group in groups),
        tuple(feature for _, group in groups for feature in group),
    )


class _Walk:
    """Collects features by the first byte of their namespace, in the order of ``features``."""

    def __init__(self, zeros: bool) -> None:
        self.zeros = zeros
        self.groups: dict[int, list[NamedFeature]] = {}
        self.closed: dict[int, None] = {}

    def object(self, members: Mapping[str, Any], space: str) -> None:
        group = self._group(space)
        self._close(space, [self._member(group, space, *member) for member in members.items()])

    def _array(self, items: Iterable[Any], space: str) -> None:
        group = self._group(space)
        used, position = [], 0
        for item in items:
            if isinstance(item, dict):
                found = [self._member(group, space, *member) for member in item.items()]
                self._close(space, found)
            elif item is not None:
                hashed = (namespace(space).seed + position) & 0xFFFFFFFF
                used.append(self._number(group, f"{space}.{position}", item, hashed))
                position += 1
        self._close(space, used)

    def _member(self, group: list[NamedFeature], space: str, key: str, value: Any) -> bool:
        """Take a member of an object; return whether it gave the object's own group a feature."""
        if isinstance(value, str) and key == "_text":
            words = value.replace("\t", " ").replace(":", "_").replace("|", "_").split(" ")
            known = [
                NamedFeature(f"{space}.{word}", word, hash_text(word, namespace(space).seed), 1.0)
                for word in words
                if word
            ]
            group += known
            return bool(known)
        if key.startswith("_"):
            return False
        name = f"{space}.{key}" if space != _ROOT else key
        if isinstance(value, str):
            hashed = namespace(space).hash_value(key, value)
            group.append(NamedFeature(name, value, hashed, 1.0))
            return True
        if isinstance(value, dict):
            self.object(value, key)
            return False
        if isinstance(value, list):
            self._array(value, key)
            return False
        return self._number(group, name, value, namespace(space).hash_name(key))

    def _number(self, group: list[NamedFeature], name: str, value: Any, hashed: int) -> bool:
        number = 0.0 if value is None else to_float(value)
        if not number and not self.zeros:
            return False
        group.append(NamedFeature(name, _shown(value), hashed, number))
        return True

    def _group(self, space: str) -> list[NamedFeature]:
        return self.groups.setdefault(namespace(space).byte, [])

    def _close(self, space: str, used: list[bool]) -> None:
        if any(used):
            self.closed[namespace(space).byte] = None


def _shown(value: Any) -> str:
    """Return a value as JSON shows it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.9g}" if isinstance(value, float) else str(value)
