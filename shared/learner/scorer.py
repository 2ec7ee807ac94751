"""Predicted costs of actions, for fixed weights: fast where actions are seen again.

A score is a sum over terms (``interactions``). Terms of the action alone are summed once, when the
action is first seen; terms of the context alone once per decision; the rest, which combine both,
are looked up for all actions of a decision at once. Known actions of one shape stand side by side
in a table, so a decision takes as many calls of NumPy for fifty actions as for one.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from threading import Lock

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings
from shared.learner.effort import ONCE, Repeats, efforts_of
from shared.learner.features import Features, Shape, read_actions
from shared.learner.gradient_descent import GradientDescent
from shared.learner.interactions import (
    FNV,
    Numbered,
    Pairs,
    Plan,
    Terms,
    hashes,
    interactions_of,
    products,
)
from shared.learner.recently_used import RecentlyUsed

ACTIONS_BUDGET = 48 << 20
"""Bytes for known actions, per model; one of 20 features takes about 4 kB."""

SETS_BUDGET = 32 << 20
"""Bytes for sets of actions that are ranked again and again, per model."""

_SHAPES_KEPT = 4
_SETS_SEEN = 1 << 14  # hashes of sets that were ranked once: 1 MB
_BYTES_PER_PAIR = 20
_BYTES_PER_TABLE = 1000  # beside its rows
_TERMS_AT_ONCE = 1 << 19
_FNV = np.array(FNV)  # NumPy takes arrays quicker than numbers

Slots = NDArray[np.intp]
Floats = NDArray[np.float32]
Rows = NDArray[np.intp]


class Scorer:
    """Predicts costs by one member of a policy; safe for threads."""

    def __init__(self, settings: LearningSettings, weights: Floats, offset: int) -> None:
        """Use the ``offset``-th of the weights that each feature has."""
        self._mask = np.array(len(weights) - 1)
        self._stride = settings.stride
        self._offset = offset
        self._interactions = interactions_of(settings)
        self._efforts = efforts_of(settings)
        self._take: Callable[[Slots | NDArray[np.uint32]], Floats] = weights.take
        members = settings.exploration.members
        self._actions_budget = ACTIONS_BUDGET // members
        self._sets_budget = SETS_BUDGET // members
        self._adding = Lock()
        self._forget()

    @np.errstate(all="ignore")
    def scores(
        self, context: Features, actions: Sequence[bytes], repeats: Repeats = ONCE
    ) -> list[float]:
        """Return the predicted cost of each action; one that is not a number counts as 0.

        Args:
            context: The features that all actions have in common, zeros among them.
            actions: JSON texts of at least one action.
            repeats: How often the decision weighs them.

        Raises:
            FeatureError: The features cannot be read, or combine to too many.
        """
        groups = self._offered(context.shape, actions, repeats)
        return self._sums(groups, self._row(context))

    def _offered(
        self, context: Shape, actions: Sequence[bytes], repeats: Repeats
    ) -> "list[_Group]":
        """Return the actions by shape, if what they combine to is not too much."""
        groups = self._groups(tuple(actions))
        if len(groups) > 1 or repeats is not ONCE or context not in groups[0].mixed:
            sizes = {group.table.shape: len(group.positions) for group in groups}
            self._efforts.require(sizes, context, repeats)
        return groups

    def _sums(self, groups: "Sequence[_Group]", row: "ContextRow") -> list[float]:
        """Return the score of each action."""
        common = self._common(row)
        if len(groups) == 1:
            scores: list[float] = (self._scores(groups[0], row) + common).tolist()
        else:
            scores = [0.0] * sum(len(group.positions) for group in groups)
            for group in groups:
                found = (self._scores(group, row) + common).tolist()
                for position, score in zip(group.positions, found, strict=True):
                    scores[position] = score
        if not math.isfinite(sum(scores)):
            return [score if math.isfinite(score) else 0.0 for score in scores]
        return scores

    def _row(self, context: Features) -> "ContextRow":
        """Return the context as extended rows (``interactions.Pairs``)."""
        hashed = context.hashes
        slots = np.array([0, *hashed, *[FNV * each for each in hashed]], np.intp)
        self._cut(slots)
        return ContextRow(context.shape, slots, np.array([1.0, *context.values], np.float32))

    def _extended(self, hashed: NDArray[np.uint32], values: Floats) -> tuple[Slots, Floats]:
        """Return actions or contexts as extended rows of slots and of values."""
        rows, width = hashed.shape
        slots = np.zeros((rows, 2 * width + 1), np.intp)
        single = slots[:, 1 : width + 1]
        single[:] = hashed
        np.multiply(single, _FNV, slots[:, width + 1 :])
        self._cut(slots)
        extended = np.empty((rows, width + 1), np.float32)
        extended[:, 0] = 1.0
        extended[:, 1:] = values
        return slots, extended

    def _cut(self, slots: Slots) -> None:
        """Make slots of hashes: a model looks at their low bits only."""
        if self._stride > 1:
            slots *= self._stride
        slots &= self._mask

    def _common(self, row: "ContextRow") -> np.float32:
        """Return the sum of the context's own terms."""
        plan = self._interactions.plan((), row.shape)
        pairs = plan.common
        values = row.values.take(pairs.left_values)
        values *= row.values.take(pairs.right_values)
        found = self._weigh(row.slots.take(pairs.left) ^ row.slots.take(pairs.right))
        total: np.float32 = found.dot(values)
        if plan.numbered:
            pairs = plan.numbered.common
            values = row.values.take(pairs.left_values)
            values *= row.values.take(pairs.right_values)
            paired = row.slots.take(pairs.left) ^ row.slots.take(pairs.right)
            total += self._weigh_numbered(paired, row).dot(values)
        if plan.higher_common:
            total += self._higher(plan.higher_common, row.slots[None, 1:], row.values[None, 1:])[0]
        return total

    def _scores(self, group: "_Group", row: "ContextRow") -> Floats:
        """Return each action's score but for what is common; the same set gives the same bits."""
        mixed = group.mixed.get(row.shape)
        if mixed is None:
            plan = self._interactions.plan(group.table.shape, row.shape)
            if len(group.rows) > 1 and len(group.rows) * _width(plan) > _TERMS_AT_ONCE:
                return np.concatenate([self._scores(half, row) for half in group.halves()])
            mixed = _Mixed(group, plan)
            group.keep(row.shape, mixed)
        found = self._weigh(mixed.slots ^ row.slots.take(mixed.right))
        found *= mixed.values
        # Row by row: a product of matrices adds up rows in ways that depend on where they stand,
        # and of actions that are alike the first must win.
        scores: Floats = np.vecdot(found, row.values.take(mixed.right_values))
        scores += self._own(group)
        if mixed.numbered:
            scores += self._numbered(mixed.numbered, row)
        if mixed.higher:
            scores += self._higher_mixed(mixed.higher, group, row)
        return scores

    def _numbered(self, pairs: "_Numbered", row: "ContextRow") -> Floats:
        """Return each action's sum of pairs that are combined with the slot's index."""
        found = self._weigh_numbered(pairs.own.copy(), row)
        found *= pairs.own_values
        scores: Floats = np.add.reduce(found, axis=1)
        found = self._weigh_numbered(pairs.slots ^ row.slots.take(pairs.right), row)
        found *= pairs.values
        scores += np.vecdot(found, row.values.take(pairs.right_values))
        return scores

    def _own(self, group: "_Group") -> Floats:
        """Return each action's part of the score that has nothing to do with the context."""
        return group.scores

    def _higher_mixed(self, terms: Terms, group: "_Group", row: "ContextRow") -> Floats:
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

    def _own_scores(self, plan: Plan, slots: Slots, values: Floats) -> Floats:
        """Return each action's sum of its own terms, by its extended rows."""
        scores = self._within(plan.own, slots, values)
        if plan.higher_own:
            width = values.shape[1]
            scores += self._higher(plan.higher_own, slots[:, 1:width], values[:, 1:])
        return scores

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
        found, both = _pairs(pairs, slots, values)
        total: Floats = np.add.reduce(self._weigh(found) * both, axis=1)
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
        return self._take(slots)

    def _weigh_numbered(self, pairs: Slots, row: "ContextRow") -> Floats:
        """Return the weights of pairs combined with the slot's index; overwrites ``pairs``."""
        pairs *= _FNV
        pairs ^= row.slots[len(row.values) - 1]
        pairs &= self._mask
        return self._weigh(pairs)

    def _groups(self, texts: tuple[bytes, ...]) -> "list[_Group]":
        """Return the actions by shape; those not seen before are added to their tables."""
        groups = self._sets.get(texts)
        if groups is not None:
            return groups
        found = list(map(self._places.get, texts))
        if not all(found):
            found = list(map(self._add(texts).get, texts))
        by_table: dict[_Table, tuple[list[int], list[int]]] = {}
        for position, (table, row) in enumerate(found):  # type: ignore[misc]  # none is None
            alike = by_table.get(table)
            if alike is None:
                alike = by_table[table] = ([], [])
            alike[0].append(position)
            alike[1].append(row)
        comes_again = hash(texts) in self._seen
        groups = [_Group(table, *each, comes_again) for table, each in by_table.items()]
        if comes_again:
            cost = sum(map(len, texts)) + (_SHAPES_KEPT + 1) * sum(group.budget for group in groups)
            self._sets.put(texts, groups, cost)
        elif len(self._seen) < _SETS_SEEN:
            self._seen.add(hash(texts))
        else:
            self._seen.clear()
        return groups

    def _add(self, texts: Sequence[bytes]) -> "dict[bytes, tuple[_Table, int]]":
        """Add actions to their tables; return the places of all that are known then."""
        with self._adding:
            if self._spent > self._actions_budget:
                self._forget()
            places = self._places
            read = read_actions(list(dict.fromkeys(t for t in texts if t not in places)))
            self._efforts.require({shape: len(alike) for shape, alike, _, _ in read}, (), ONCE)
            for shape, alike, hashed, values in read:
                plan = self._interactions.plan(shape, ())
                slots, extended = self._extended(hashed, values)
                scores = self._own_scores(plan, slots, extended)
                table = self._tables.get(shape)
                if table is None:
                    table = self._tables[shape] = _Table(shape)
                    self._spent += _BYTES_PER_TABLE
                rows = itertools.count(table.append(slots, extended, scores))
                at = zip(itertools.repeat(table), rows, strict=False)
                places.update(zip(alike, at, strict=False))
                self._spent += 12 * slots.size + sum(map(len, alike)) + 200 * len(alike)
            return places

    def _forget(self) -> None:
        self._places: dict[bytes, tuple[_Table, int]] = {}
        self._tables: dict[Shape, _Table] = {}
        self._sets: RecentlyUsed[tuple[bytes, ...], list[_Group]] = RecentlyUsed(self._sets_budget)
        self._seen: set[int] = set()
        self._spent = 0


class LiveScorer(Scorer):
    """Predicts by weights that are still being learned: nothing that follows from them is kept."""

    def __init__(self, settings: LearningSettings, regressor: GradientDescent, offset: int) -> None:
        """Use the ``offset``-th of the weights that each feature has."""
        super().__init__(settings, regressor.weights, offset)
        self._take = regressor.take

    @np.errstate(all="ignore")
    def prepared(self, contexts: Sequence[Features]) -> "list[ContextRow]":
        """Return the rows of contexts, those of one shape made at once."""
        by_shape: dict[Shape, list[int]] = {}
        for position, context in enumerate(contexts):
            by_shape.setdefault(context.shape, []).append(position)
        found: dict[int, ContextRow] = {}
        for shape, positions in by_shape.items():
            alike = [contexts[position] for position in positions]
            hashed = np.array([context.hashes for context in alike], np.uint32)
            slots, values = self._extended(
                hashed, np.array([context.values for context in alike], np.float32)
            )
            plan = self._interactions.plan((), shape)
            more = plan.numbered or plan.higher_common
            pairs: Iterable[tuple[Slots, Floats] | None] = itertools.repeat(None)
            if not more and len(alike) * len(plan.common.left) <= _TERMS_AT_ONCE:
                pairs = zip(*_pairs(plan.common, slots, values), strict=True)
            rows = map(ContextRow, itertools.repeat(shape), slots, values, pairs)
            found.update(zip(positions, rows, strict=False))
        return [found[position] for position in range(len(contexts))]

    def scores_in(self, context: "ContextRow", actions: Sequence[bytes]) -> list[float]:
        """Return what ``scores`` does; learning has switched NumPy's warnings off."""
        return self._sums(self._offered(context.shape, actions, ONCE), context)

    def _common(self, row: "ContextRow") -> np.float32:
        if row.common is None:
            return super()._common(row)
        slots, values = row.common
        total: np.float32 = self._weigh(slots).dot(values)
        return total

    def _own(self, group: "_Group") -> Floats:
        if group.own is None:
            plan = self._interactions.plan(group.table.shape, ())
            rows = group.table.at(group.rows)
            size = _BYTES_PER_PAIR * len(group.rows) * len(plan.own.left)
            if plan.higher_own or size > group.budget:
                return self._own_scores(plan, *rows)
            group.own = _pairs(plan.own, *rows)
        slots, values = group.own
        total: Floats = np.vecdot(self._weigh(slots), values)
        return total


class ContextRow(msgspec.Struct, frozen=True, eq=False):
    """A context.

    Attributes:
        shape: Its own.
        slots: Its extended row of slots.
        values: Likewise, of values.
        common: Slots and values of all terms of its own, if they are known already.
    """

    shape: Shape
    slots: Slots
    values: Floats
    common: tuple[Slots, Floats] | None = None


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
        if self._count > len(self.scores):
            self.slots = _larger(self.slots, first, slots)
            self.values = _larger(self.values, first, values)
            self.scores = _larger(self.scores, first, scores)
        new = slice(first, self._count)
        self.slots[new], self.values[new], self.scores[new] = slots, values, scores
        return first

    def at(self, rows: Rows) -> tuple[Slots, Floats]:
        """Return the extended rows of some actions."""
        return self.slots.take(rows, axis=0), self.values.take(rows, axis=0)


class _Group:
    """Actions of a decision that have the same shape.

    Attributes:
        table: Where they stand.
        positions: Their positions in the decision.
        rows: Their rows in the table.
        scores: Of each action, the part that has nothing to do with the context.
        budget: Bytes that their mixed pairs with one shape of context may take to be kept.
        mixed: Their mixed pairs with the latest shapes of context.
        own: Slots and values of the pairs of each action alone, if weights are still learned.
    """

    __slots__ = ("budget", "mixed", "own", "positions", "rows", "scores", "table")

    def __init__(
        self, table: _Table, positions: Sequence[int], rows: Sequence[int], keeps: bool
    ) -> None:
        self.table = table
        self.positions = positions
        self.rows = np.array(rows)
        self.scores = table.scores.take(self.rows)
        self.budget = 16384 + 4096 * len(rows) if keeps else 0
        self.mixed: dict[Shape, _Mixed] = {}
        self.own: tuple[Slots, Floats] | None = None

    def halves(self) -> "tuple[_Group, _Group]":
        """Return the first and the last of the actions."""
        rows, middle = self.rows.tolist(), len(self.rows) // 2
        first = _Group(self.table, self.positions[:middle], rows[:middle], False)
        return first, _Group(self.table, self.positions[middle:], rows[middle:], False)

    def keep(self, context: Shape, mixed: "_Mixed") -> None:
        """Keep what the mixed pairs with a shape of context need, unless it is much."""
        if _BYTES_PER_PAIR * mixed.size <= self.budget:
            if len(self.mixed) >= _SHAPES_KEPT:
                self.mixed = {}
            mixed.right = np.tile(mixed.right, (len(mixed.slots), 1))
            self.mixed[context] = mixed


class _Mixed:
    """The terms that the actions of a group have together with one shape of context.

    Attributes:
        slots: ``actions x pairs``, the actions' parts of the slots.
        values: Likewise, of the values.
        right: Columns of the context's extended row of slots, for each action or for all.
        right_values: Likewise, of values, the same for all actions.
        numbered: Pairs that are combined with a slot's index.
        higher: Terms of three and more features.
        size: Number of all pairs.
    """

    __slots__ = ("higher", "numbered", "right", "right_values", "size", "slots", "values")

    def __init__(self, group: _Group, plan: Plan) -> None:
        """Line up the pairs of a group's actions."""
        slots, values = group.table.at(group.rows)
        self.slots = slots.take(plan.mixed.left, axis=1)
        self.values = values.take(plan.mixed.left_values, axis=1)
        self.right = plan.mixed.right
        self.right_values = plan.mixed.right_values
        self.numbered = _Numbered(slots, values, plan.numbered) if plan.numbered else None
        self.higher = plan.higher_mixed
        self.size = len(slots) * _width(plan)


class _Numbered:
    """The pairs that a group's actions have together with a slot's index, in one shape of context.

    Attributes:
        own: ``actions x pairs`` slots of pairs of their own.
        own_values: Likewise, values.
        slots: ``actions x pairs``, the actions' parts of the slots of pairs with the context.
        values: Likewise, of the values.
        right: Columns of the context's extended row of slots.
        right_values: Likewise, of values.
    """

    __slots__ = ("own", "own_values", "right", "right_values", "slots", "values")

    def __init__(self, slots: Slots, values: Floats, pairs: Numbered) -> None:
        """Line up the pairs of actions, given their extended rows."""
        self.own, self.own_values = _pairs(pairs.own, slots, values)
        self.slots = slots.take(pairs.mixed.left, axis=1)
        self.values = values.take(pairs.mixed.left_values, axis=1)
        self.right = pairs.mixed.right
        self.right_values = pairs.mixed.right_values


def _width(plan: Plan) -> int:
    """Return how many pairs of a plan an action has."""
    width = len(plan.mixed.left)
    if plan.numbered:
        width += len(plan.numbered.own.left) + len(plan.numbered.mixed.left)
    return width


def _pairs(pairs: Pairs, slots: Slots, values: Floats) -> tuple[Slots, Floats]:
    """Return slots and values of pairs within extended rows, ``rows x pairs``."""
    both = values.take(pairs.left_values, axis=1)
    both *= values.take(pairs.right_values, axis=1)
    return slots.take(pairs.left, axis=1) ^ slots.take(pairs.right, axis=1), both


def _larger(array: np.ndarray, count: int, more: np.ndarray) -> np.ndarray:
    """Return an array that begins like one and has room for ``more`` rows after ``count``.

    Whoever reads rows of the array that was given goes on reading the same.
    """
    larger = np.empty((max(count + len(more), 2 * count), *more.shape[1:]), more.dtype)
    if count:
        larger[:count] = array[:count]
    return larger
