"""The features of a slot's actions, exactly as Vowpal Wabbit puts them together.

Sources: ``conditional_contextual_bandit.cc`` (``inject_slot_features``, ``inject_slot_id``) and
``parse_example_json.cc`` (``_slots``, ``_inc``). A slot is a decision of its own: its features join
those that all actions share, and so does one that says which slot of the decision it is.
"""

import re
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from shared.learner.arguments import LearningSettings
from shared.learner.features import FeatureError, Features, split_decision, walk
from shared.learner.hashing import hash_text
from shared.learner.interactions import (
    DEFAULT_NAMESPACE,
    SLOT_INDEX_NAMESPACE,
    SLOT_NAMESPACE,
    counts,
)

_Part = tuple[list[int], list[float]]

_decode = msgspec.json.Decoder().decode
_may_say = re.compile(rb"_inc|\\").search  # which actions are allowed; JSON may escape letters
_decode_slots = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Slot(msgspec.Struct, frozen=True, eq=False):
    """One slot of a decision, as read.

    Attributes:
        features: Its own.
        allowed: Positions of the actions that it may have; None for all.
    """

    features: Features
    allowed: frozenset[int] | None

    def offered(self, n_actions: int, taken: Container[int]) -> list[int]:
        """Return the positions of the actions that it may have and that are not ``taken``."""
        return [
            action
            for action in range(n_actions)
            if action not in taken and (self.allowed is None or action in self.allowed)
        ]


NO_SLOT = Slot(Features((), [], []), None)
"""The one slot of a decision that is not over slots."""


def split_slots(
    text: bytes,
) -> tuple[dict[str, msgspec.Raw], Sequence[bytes | msgspec.Raw], list[msgspec.Raw]]:
    """Return the shared namespaces, the actions and the slots of a decision's JSON text, undecoded.

    Raises:
        FeatureError: The text is not an object with lists of actions and of slots.
    """
    members, actions = split_decision(text, usual=False)
    try:
        return members, actions, _decode_slots(members.pop("_slots"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError) as exc:
        raise FeatureError("a decision over slots has a list of them in _slots") from exc


def read_slots(
    texts: Sequence[bytes | msgspec.Raw], n_actions: int, *, zeros: bool = False
) -> list[Slot]:
    """Return the slots of a decision, in their order.

    Args:
        texts: Their JSON texts, such as ``layout.slot_json`` makes.
        n_actions: How many actions the decision has.
        zeros: As for ``features.read_actions``.

    Raises:
        FeatureError: VW could not read one of them either, there is none, there are more of them
            than actions, or one allows an action that there is not.
    """
    if not 1 <= len(texts) <= n_actions:
        raise FeatureError("a decision has at least one slot and at most as many as actions")
    return [_read_slot(text, n_actions, zeros) for text in texts]


def are_numbered(slots: Sequence[Slot], settings: LearningSettings) -> bool:
    """Return whether a decision's slots need a feature that says which one each is.

    Not so for a single slot without features: it is as if there were none.
    """
    return len(slots) > 1 or any(
        counts(namespace, settings.ignore, settings.keep) and any(values)
        for namespace, (_, values) in _parts(slots[0].features)
    )


def contexts(shared: Features, slots: Sequence[Slot], numbered: bool) -> Iterator[Features]:
    """Yield what the actions of each slot have in common.

    A namespace keeps the place in the order that it got from the first slot that has it: VW empties
    namespaces from slot to slot, but does not forget them.

    Args:
        shared: What the actions of all slots have in common.
        slots: The slots.
        numbered: Whether to add the feature that says which one each is.
    """
    common = dict(_parts(shared))
    order = dict.fromkeys(common)
    for index, slot in enumerate(slots):
        groups = {namespace: [part] for namespace, part in common.items()}
        for namespace, part in _parts(slot.features):
            namespace = SLOT_NAMESPACE if namespace == DEFAULT_NAMESPACE else namespace
            groups.setdefault(namespace, []).append(part)
            order[namespace] = None
        parts = [(n, part) for n in order for part in groups.get(n, ())]
        if numbered:
            parts.append((SLOT_INDEX_NAMESPACE, _index_feature(index)))
        yield _joined(parts)


def _read_slot(text: bytes | msgspec.Raw, n_actions: int, zeros: bool) -> Slot:
    try:
        value = _decode(text)
        included = frozenset(_included(value) if _may_say(text) else ())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise FeatureError("a slot is a JSON object") from exc
    if not all(0 <= action < n_actions for action in included):
        raise FeatureError("a slot allows an action that there is not")
    return Slot(walk(value, zeros), included or None)


def _included(value: Any) -> Iterator[int]:
    """Yield the actions that a slot allows, wherever in its features that is said."""
    if isinstance(value, list):
        for item in value:
            yield from _included(item)
    if isinstance(value, dict):
        for key, member in value.items():
            if key != "_inc":
                yield from _included(member)
                continue
            actions = member if isinstance(member, list) else [member]
            if any(type(action) is not int for action in actions):
                raise FeatureError("_inc holds positions of actions")
            yield from actions


def _parts(features: Features) -> Iterator[tuple[int, _Part]]:
    """Yield namespaces with their hashes and values."""
    start = 0
    for namespace, size in features.shape:
        part = slice(start, start + size)
        yield namespace, (features.hashes[part], features.values[part])
        start += size


def _joined(parts: Sequence[tuple[int, _Part]]) -> Features:
    sizes: dict[int, int] = {}
    for namespace, (hashes, _) in parts:
        sizes[namespace] = sizes.get(namespace, 0) + len(hashes)
    return Features(
        tuple(sizes.items()),
        [each for _, (hashes, _) in parts for each in hashes],
        [each for _, (_, values) in parts for each in values],
    )


@lru_cache(maxsize=64)
def _index_feature(index: int) -> _Part:
    hashed = hash_text(f"index{index}", hash_text("_id", 0))
    return [hashed], [1.0]
