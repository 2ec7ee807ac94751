"""Predicted costs of actions, for fixed weights: fast where actions are seen again.

A score is a sum over terms (``interactions``). Terms of the action alone are summed once, when the
action is first seen; terms of the context alone once per decision; the rest, which combine both,
are looked up for all actions of a decision at once. Known actions of one shape stand side by side
in a table, so a decision takes as many calls of NumPy for fifty actions as for one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings
from shared.learner.features import Features, Shape, read_actions
from shared.learner.hashing import CONSTANT_HASH
from shared.learner.interactions import FNV, Pairs, Terms, hashes, interactions_of, products
from shared.learner.recently_used import RecentlyUsed

ACTIONS_BUDGET = 48 << 20
"""Bytes for known actions, per model; one of 20 features takes about 4 kB."""

SETS_BUDGET = 32 << 20
"""Bytes for sets of actions that are ranked again and again, per model."""

_SHAPES_KEPT = 4
_TERMS_AT_ONCE = 1 << 19

Slots = NDArray[np.intp]
Floats = NDArray[np.float32]
Rows = NDArray[np.intp]


class Scorer:
    """Predicts costs by one member of a policy; safe for threads."""

    def __init__(self, settings: LearningSettings, weights: Floats, offset: int) -> None:
        """Use the ``offset``-th of the weights that each feature has."""
        self._weights = weights
        self._mask = np.uint32(len(weights) - 1)
        self._stride = np.uint32(settings.stride)
        self._offset = offset
        self._interactions = interactions_of(
            settings.interactions,
            settings.constant,
            settings.ignore_linear,
            settings.ignore,
            settings.keep,
            settings.duplicate_interactions,
        )
        members = settings.exploration.members
        self._actions_budget = ACTIONS_BUDGET // members
        self._sets_budget = SETS_BUDGET // members
        self._adding = Lock()
        self._forget()

    def scores(self, context: Features, actions: Sequence[bytes]) -> Floats:
        """Return the predicted cost of each action; one that is not a number counts as 0.

        Args:
            context: The features that all actions have in common, zeros among them.
            actions: JSON texts of at least one action.

        Raises:
            FeatureError: The features cannot be read, or combine to too many.
        """
        with np.errstate(all="ignore"):
            row = self._row(context)
            common = self._common(row)
            known = self._set(tuple(actions))
            mixed = known.mixed.get(context.shape) or self._keep(known, context.shape)
            if mixed:
                scores = mixed.scores + common
                scores[mixed.actions] += np.add.reduceat(self._found(mixed, row), mixed.starts)
            else:
                scores = np.empty(len(actions), np.float32)
                for group in known.groups:
                    scores[group.positions] = self._scores(group, row, common)
            if not math.isfinite(np.add.reduce(scores)):
                scores[~np.isfinite(scores)] = 0.0
        return scores

    def _row(self, context: Features) -> "_Row":
        """Return the context as extended rows (``interactions.Pairs``)."""
        hashed, width = context.hashes, len(context.values)
        if self._stride > 1:
            hashed = hashed * self._stride
        slots = np.empty(2 * width + 1, np.intp)
        slots[0] = 0
        np.bitwise_and(hashed, self._mask, out=slots[1 : width + 1])
        np.bitwise_and(hashed * FNV, self._mask, out=slots[width + 1 :])
        values = np.empty(width + 1, np.float32)
        values[0] = 1.0
        values[1:] = context.values
        return _Row(context.shape, slots, values)

    def _common(self, row: "_Row") -> np.float32:
        """Return the sum of the context's own terms."""
        plan = self._interactions.plan((), row.shape)
        pairs = plan.common
        found = self._weigh(row.slots.take(pairs.left) ^ row.slots.take(pairs.right))
        found *= row.values.take(pairs.left_values)
        found *= row.values.take(pairs.right_values)
        total: np.float32 = np.add.reduce(found)
        if plan.higher_common:
            total += self._higher(plan.higher_common, row.slots[None, 1:], row.values[None, 1:])[0]
        return total

    def _scores(self, group: "_Group", row: "_Row", common: np.float32) -> Floats:
        """Return each action's score, the same to the bit as for a set that came again."""
        plan = self._interactions.plan(group.table.shape, row.shape)
        pairs = plan.mixed
        right, right_values = row.slots.take(pairs.right), row.values.take(pairs.right_values)
        scores = group.table.scores.take(group.rows)
        scores += common
        step = max(1, _TERMS_AT_ONCE // max(1, pairs.left.size))
        for start in range(0, len(scores), step):
            part = slice(start, start + step)
            left, left_values = group.table.left(pairs, group.rows[part])
            found = self._weigh(left ^ right)
            found *= left_values
            found *= right_values
            if found.size:
                starts = np.arange(0, found.size, found.shape[1])
                scores[part] += np.add.reduceat(found.ravel(), starts)
        if plan.higher_mixed:
            scores += self._higher_mixed(plan.higher_mixed, group, row)
        return scores

    def _found(self, mixed: "_Mixed", row: "_Row") -> Floats:
        """Return the terms that actions have together with the context, one after the other."""
        found = self._weigh(mixed.slots ^ row.slots.take(mixed.right))
        found *= mixed.values
        found *= row.values.take(mixed.right_values)
        return found

    def _keep(self, known: "_Set", context: Shape) -> "_Mixed | None":
        """Return, and keep, what the mixed pairs need of a set that came again, unless it is much.

        Terms of three and more features are not among it.
        """
        if not known.came_again:
            return None
        plans = [self._interactions.plan(group.table.shape, context) for group in known.groups]
        sizes = [
            len(plan.mixed.left) * len(group.rows)
            for plan, group in zip(plans, known.groups, strict=True)
        ]
        if any(plan.higher_mixed for plan in plans) or not 0 < 28 * sum(sizes) <= known.budget:
            return None
        if len(known.mixed) >= _SHAPES_KEPT:
            known.mixed = {}
        mixed = _Mixed.of(known.groups, [plan.mixed for plan in plans])
        known.mixed[context] = mixed
        return mixed

    def _higher_mixed(self, terms: Terms, group: "_Group", row: "_Row") -> Floats:
        """Return each action's sum of terms of three and more features with the context."""
        width, shared = group.table.values.shape[1], len(row.values)
        size = len(group.rows)
        own = group.table.slots.take(group.rows, axis=0)[:, 1:width]
        context = np.broadcast_to(row.slots[1:shared], (size, shared - 1))
        own_values = group.table.values.take(group.rows, axis=0)[:, 1:]
        context_values = np.broadcast_to(row.values[1:], (size, shared - 1))
        return self._higher(
            terms,
            np.concatenate((own, context), axis=1),
            np.concatenate((own_values, context_values), axis=1),
        )

    def _within(self, pairs: Pairs, slots: Slots, values: Floats) -> Floats:
        """Return each row's sum of pairs within its extended rows ``slots`` and ``values``."""
        rows = len(slots)
        if rows > 1 and rows * len(pairs.left) > _TERMS_AT_ONCE:
            half = rows // 2
            return np.concatenate(
                (
                    self._within(pairs, slots[:half], values[:half]),
                    self._within(pairs, slots[half:], values[half:]),
                )
            )
        found = self._weigh(slots.take(pairs.left, axis=1) ^ slots.take(pairs.right, axis=1))
        found *= values.take(pairs.left_values, axis=1)
        found *= values.take(pairs.right_values, axis=1)
        total: Floats = np.add.reduce(found, axis=1)
        return total

    def _higher(self, terms: Terms, row: Slots, values: Floats) -> Floats:
        """Return each row's sum of terms.

        Args:
            terms: What to combine.
            row: ``rows x columns`` slots.
            values: Likewise.
        """
        total = np.zeros(len(row), np.float32)
        words = row.astype(np.uint32)
        for block in terms:
            step = max(1, _TERMS_AT_ONCE // block.shape[1])
            for start in range(0, len(row), step):
                part = slice(start, start + step)
                found = self._weigh(hashes(block, words[part]) & self._mask)
                found *= products(block, values[part])
                total[part] += np.add.reduce(found, axis=1)
        return total

    def _weigh(self, slots: Slots | NDArray[np.uint32]) -> Floats:
        """Return the weights of slots, which are cut to the model's size."""
        if self._offset:
            slots = (slots + self._offset) & self._mask
        return self._weights.take(slots)

    def _extended(self, hashed: NDArray[np.uint32], values: Floats) -> tuple[Slots, Floats]:
        """Return extended rows (``interactions.Pairs``) of slots and of values."""
        rows, width = hashed.shape
        if self._stride > 1:
            hashed = hashed * self._stride
        slots = np.zeros((rows, 2 * width + 1), np.intp)
        np.bitwise_and(hashed, self._mask, out=slots[:, 1 : width + 1])
        np.bitwise_and(hashed * FNV, self._mask, out=slots[:, width + 1 :])
        extended = np.ones((rows, width + 1), np.float32)
        extended[:, 1:] = values
        return slots, extended

    def _set(self, texts: tuple[bytes, ...]) -> "_Set":
        """Return the actions side by side; what a set needs is kept if it comes again."""
        known = self._sets.get(texts)
        if known is None:
            known = _Set(self._groups(texts))
            self._sets.put(texts, known, sum(map(len, texts)) + _SHAPES_KEPT * known.budget)
        else:
            known.came_again = True
        return known

    def _groups(self, texts: Sequence[bytes]) -> "list[_Group]":
        """Return the actions by shape; those not seen before are added to their tables."""
        places = self._places
        found = [places.get(text) for text in texts]
        if None in found:
            places = self._add(texts)
            found = [places[text] for text in texts]
        by_table: dict[_Table, tuple[list[int], list[int]]] = {}
        for position, (table, row) in enumerate(found):  # type: ignore[misc]  # none is None
            positions, rows = by_table.setdefault(table, ([], []))
            positions.append(position)
            rows.append(row)
        return [_Group(table, *each) for table, each in by_table.items()]

    def _add(self, texts: Sequence[bytes]) -> "dict[bytes, tuple[_Table, int]]":
        """Add actions to their tables; return the places of all that are known then."""
        with self._adding:
            if self._spent > self._actions_budget:
                self._forget()
            new = {text: None for text in texts if text not in self._places}
            for shape, alike, hashed, values in read_actions(new, zeros=True):
                plan = self._interactions.plan(shape, ())
                slots, extended = self._extended(*_with_constant(hashed, values))
                scores = self._within(plan.own, slots, extended)
                if plan.higher_own:
                    width = extended.shape[1]
                    scores += self._higher(plan.higher_own, slots[:, 1:width], extended[:, 1:])
                table = self._tables.setdefault(shape, _Table(shape))
                first = table.append(slots, extended, scores)
                for row, text in enumerate(alike, first):
                    self._places[text] = table, row
                self._spent += 12 * slots.size + sum(map(len, alike)) + 200 * len(alike)
            return self._places

    def _forget(self) -> None:
        self._places: dict[bytes, tuple[_Table, int]] = {}
        self._tables: dict[Shape, _Table] = {}
        self._sets: RecentlyUsed[tuple[bytes, ...], _Set] = RecentlyUsed(self._sets_budget)
        self._spent = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """A context: its shape, and its extended rows of slots and values."""

    shape: Shape
    slots: Slots
    values: Floats


class _Table:
    """Known actions of one shape, side by side. Rows are only ever added, by one thread a time.

    Attributes:
        shape: Theirs.
        slots: Extended rows (``interactions.Pairs``), cut to the model's size.
        values: Likewise.
        scores: Of each action, the part that has nothing to do with the context.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.slots: Slots = np.zeros((0, 0), np.intp)
        self.values: Floats = np.zeros((0, 0), np.float32)
        self.scores: Floats = np.zeros(0, np.float32)
        self._count = 0

    def append(self, slots: Slots, values: Floats, scores: Floats) -> int:
        """Add rows; return the number of the first."""
        first, self._count = self._count, self._count + len(scores)
        self.slots = _appended(self.slots, first, slots)
        self.values = _appended(self.values, first, values)
        self.scores = _appended(self.scores, first, scores)
        return first

    def left(self, pairs: Pairs, rows: Rows) -> tuple[Slots, Floats]:
        """Return the actions' parts of slots and values of mixed pairs."""
        return (
            self.slots.take(rows, axis=0).take(pairs.left, axis=1),
            self.values.take(rows, axis=0).take(pairs.left_values, axis=1),
        )


class _Group:
    """Actions of a decision that have the same shape.

    Attributes:
        table: Where they stand.
        positions: Their positions in the decision.
        rows: Their rows in the table.
    """

    def __init__(self, table: _Table, positions: Sequence[int], rows: Sequence[int]) -> None:
        self.table = table
        self.positions = np.array(positions)
        self.rows = np.array(rows)


class _Set:
    """The actions of a decision.

    Attributes:
        groups: They, by shape.
        came_again: Whether they were ranked before.
        budget: Bytes that their mixed pairs with one shape of context may take to be kept.
        mixed: Their mixed pairs with the latest shapes of context, if they came again.
    """

    def __init__(self, groups: Sequence[_Group]) -> None:
        self.groups = groups
        self.came_again = False
        self.budget = 16384 + 4096 * sum(len(group.rows) for group in groups)
        self.mixed: dict[Shape, _Mixed] = {}


@dataclass(frozen=True, slots=True, eq=False)
class _Mixed:
    """The mixed pairs of all actions of a set with one shape of context, one after the other.

    Attributes:
        scores: Each action's own score.
        slots: The actions' parts of the slots.
        values: Likewise, of the values.
        right: Columns of the context's extended row of slots.
        right_values: Likewise, of values.
        actions: Positions of the actions that have such pairs.
        starts: Where the pairs of each of these begin.
    """

    scores: Floats
    slots: Slots
    values: Floats
    right: Slots
    right_values: Slots
    actions: Slots
    starts: Slots

    @staticmethod
    def of(groups: Sequence[_Group], pairs: Sequence[Pairs]) -> "_Mixed":
        """Line up the actions of groups, in their order in the decision, and their pairs."""
        parts: dict[int, tuple[np.float32, Slots, Floats, Pairs]] = {}
        for group, mixed in zip(groups, pairs, strict=True):
            scores = group.table.scores.take(group.rows)
            lefts = group.table.left(mixed, group.rows)
            for position, *part in zip(group.positions.tolist(), scores, *lefts, strict=True):
                parts[position] = (*part, mixed)
        scores_, slots, values, pairs_ = zip(*(parts[at] for at in sorted(parts)), strict=True)
        sizes = np.array([len(each) for each in slots])
        used = np.flatnonzero(sizes)
        return _Mixed(
            scores=np.array(scores_),
            slots=np.concatenate(slots),
            values=np.concatenate(values),
            right=np.concatenate([each.right for each in pairs_]),
            right_values=np.concatenate([each.right_values for each in pairs_]),
            actions=used,
            starts=(np.cumsum(sizes) - sizes)[used],
        )


def _appended(array: np.ndarray, count: int, more: np.ndarray) -> np.ndarray:
    """Return an array whose rows from ``count`` on are ``more``; older rows stay where they are.

    Whoever reads rows of the array that was given goes on reading the same.
    """
    needed = count + len(more)
    if needed > len(array):
        larger = np.empty((max(needed, 2 * len(array)), *more.shape[1:]), more.dtype)
        if count:
            larger[:count] = array[:count]
        array = larger
    array[count:needed] = more
    return array


def _with_constant(hashed: NDArray[np.uint32], values: Floats) -> tuple[NDArray[np.uint32], Floats]:
    """Return rows of hashes and values with the constant in the last column."""
    rows = len(hashed)
    return (
        np.concatenate((hashed, np.full((rows, 1), CONSTANT_HASH, np.uint32)), axis=1),
        np.concatenate((values, np.ones((rows, 1), np.float32)), axis=1),
    )
