"""Mean costs of ids, learned beside the weights and used in place of the ids.

Source: ``marginal.cc``. In the namespaces of ``--marginal`` features come in pairs, both of value
1: the second of a pair is an id, and the first one's value becomes the mean of the costs that were
seen with that id. So all ids share a weight, and are told apart by what is known of them.
"""

import math
from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings
from shared.learner.decision_rows import Columns, DecisionRows, combined, without_zeros
from shared.learner.effort import ONCE, Repeats, efforts_of
from shared.learner.features import Features, features_of_actions
from shared.learner.gradient_descent import SMALLEST, Floats, GradientDescent, Row, Slots
from shared.learner.interactions import Plan

KNOWN = np.dtype([("slot", "<u8"), ("total", "<f8"), ("count", "<f8")])
"""What is known of an id, as Vowpal Wabbit's model files have it."""


class Paired(msgspec.Struct, frozen=True, eq=False):
    """Features of which some stand for ids.

    Attributes:
        features: One for each pair, and all others.
        columns: Which of them stand for ids; their value is still to come.
        ids: Hashes of these ids, not yet cut to the size of a model.
        counted: Hashes of ids that costs are counted for, and nothing else.
    """

    features: Features
    columns: Slots
    ids: NDArray[np.uint32]
    counted: NDArray[np.uint32]


def paired(features: Features, namespaces: bytes) -> Paired:
    """Return features with a single one for each pair in ``namespaces``.

    Of an odd number the last is left out, and so is a pair whose values are not both 1; of such a
    pair only the costs of its id are counted.
    """
    shape: list[tuple[int, int]] = []
    hashes: list[int] = []
    values: list[float] = []
    columns: list[int] = []
    ids: list[int] = []
    counted: list[int] = []
    start = 0
    for namespace, size in features.shape:
        own = features.hashes[start : start + size]
        numbers = features.values[start : start + size]
        start += size
        if namespace in namespaces:
            pairs = range(0, size - 1, 2)
            usable = [at for at in pairs if numbers[at] == numbers[at + 1] == 1.0]
            counted += (own[at + 1] for at in pairs if at not in usable)
            columns += range(len(hashes), len(hashes) + len(usable))
            ids += (own[at + 1] for at in usable)
            own, numbers = [own[at] for at in usable], [1.0] * len(usable)
        hashes += own
        values += numbers
        if own:
            shape.append((namespace, len(own)))
    hashes += features.hashes[start:]
    values += features.values[start:]
    return Paired(
        Features(tuple(shape), hashes, values),
        np.array(columns, np.intp),
        np.array(ids, np.uint32),
        np.array(counted, np.uint32),
    )


class Marginals:
    """What is known of ids.

    Attributes:
        sums: Numerator and denominator of each id's mean cost, by its slot, moved as the weights
            that are learned with it.
    """

    def __init__(
        self, settings: LearningSettings, sums: dict[int, tuple[float, float]] | None = None
    ) -> None:
        """Know ``sums``, or nothing yet."""
        assert settings.marginal is not None  # noqa: S101  # the caller asked
        self.settings = settings.marginal
        self._stride = np.uint32(settings.stride)
        self._mask = np.uint32((1 << settings.bits) - 1)
        start = self.settings.initial_numerator, self.settings.initial_denominator
        self._start = float(np.float32(start[0])), float(np.float32(start[1]))
        self._kept = float(np.float32(1) - np.float32(self.settings.decay))
        self.sums = {} if sums is None else sums

    def table(self) -> NDArray[np.void]:
        """Return what is known as rows of slot, total and count, by rising slot."""
        known = sorted(self.sums.items())
        return np.array([(slot, *sums) for slot, sums in known], KNOWN)

    def load(self, table: NDArray[np.void]) -> None:
        """Know a table, and nothing else.

        Raises:
            ValueError: Learning cannot have given it.
        """
        slots, totals, counts = (table[name] for name in ("slot", "total", "count"))
        if len(table) and (slots[-1] > self._mask or (slots[1:] <= slots[:-1]).any()):
            raise ValueError("slots of ids are out of order or out of range")
        if not (np.isfinite(totals).all() and np.isfinite(counts).all() and (counts > 0).all()):
            raise ValueError("what is known of an id is not a mean cost")
        sums = zip(totals.tolist(), counts.tolist(), strict=True)
        self.sums = dict(zip(slots.tolist(), sums, strict=True))

    def slots(self, ids: NDArray[np.uint32]) -> Slots:
        """Return the slots of ids."""
        return ((ids * self._stride) & self._mask).astype(np.intp)

    def means(self, slots: Slots, offset: int) -> Floats:
        """Return the mean costs of ids, for the ``offset``-th of a feature's weights."""
        found = (self.sums.get(slot + offset, self._start) for slot in slots.tolist())
        return np.array([total / count for total, count in found], np.float32)

    def update(
        self, slots: Slots, counted: Slots, offset: int, label: float, weight: float
    ) -> None:
        """Count a cost for each of the ids; those that are ``counted`` only begin at nothing."""
        weight = 1.0 if self.settings.unweighted else float(np.float32(weight))
        more = float(np.float32(label * weight))
        for seen, start in ((slots, self._start), (counted, (0.0, 0.0))):
            for slot in seen.tolist():
                total, count = self.sums.get(slot + offset, start)
                self.sums[slot + offset] = total * self._kept + more, count * self._kept + weight


class MarginalRow(Row, kw_only=True, gc=False):
    """A row in which some features stand for ids, and get their value when it is used.

    Attributes:
        plan: How single features are combined.
        singles: Their values.
        columns: Those that stand for ids.
        ids: Slots of these ids.
        counted: Slots of ids that costs are counted for, and nothing else.
        marginals: What is known of ids.
    """

    plan: Plan
    singles: Floats
    columns: Slots
    ids: Slots
    counted: Slots
    marginals: Marginals

    def moved(self, offset: int, size: int) -> Row:
        """Return the row as it is now, with the ``offset``-th weight of each feature."""
        self.singles[self.columns] = self.marginals.means(self.ids, offset)
        values = combined(self.plan, self.singles[None, :])[0]
        sizes = np.maximum(np.abs(values), SMALLEST)
        slots = (self.slots + offset) & (size - 1)
        return Row(slots, values, sizes, sizes * sizes, self.rounds)


class MarginalDescent(GradientDescent):
    """A regressor that also learns mean costs of ids.

    Attributes:
        marginals: What it knows of ids.
    """

    def __init__(self, settings: LearningSettings) -> None:
        """Know nothing yet."""
        super().__init__(settings)
        self.marginals = Marginals(settings)

    def row(self, row: Row, plan: Plan, action: Paired, context: Paired) -> MarginalRow:
        """Return a row of paired features whose ids get their value when it is used."""
        columns = Columns.of([action.features], context.features)
        shift = len(action.features.hashes)
        return MarginalRow(
            row.slots,
            row.values,
            row.sizes,
            row.squares,
            row.rounds,
            plan=plan,
            singles=columns.values[0],
            columns=np.concatenate([action.columns, context.columns + shift]),
            ids=self.marginals.slots(np.concatenate([action.ids, context.ids])),
            counted=self.marginals.slots(np.concatenate([action.counted, context.counted])),
            marginals=self.marginals,
        )

    def learn(self, row: Row, label: float, weight: float, offset: int = 0) -> bool:
        """Learn as ``GradientDescent``, and count the label for the row's ids."""
        assert isinstance(row, MarginalRow)  # noqa: S101  # made by ``row``
        if not math.isfinite(np.float32(label) * np.float32(weight)):
            return False
        learned = super().learn(row, label, weight, offset)
        if learned:
            self.marginals.update(row.ids, row.counted, offset, label, weight)
        return learned


class MarginalScorer:
    """Predicts costs by one member of a policy, as ``Scorer`` does; safe for threads."""

    def __init__(
        self, settings: LearningSettings, weights: Floats, offset: int, marginals: Marginals
    ) -> None:
        """Use the ``offset``-th of the weights that each feature has, and what is known of ids."""
        self._rows = DecisionRows(settings)
        self._efforts = efforts_of(settings)
        self._weights = weights
        self._offset = offset
        self._marginals = marginals

    def scores(
        self, context: Features, actions: Sequence[bytes], repeats: Repeats = ONCE
    ) -> list[float]:
        """Return the predicted cost of each action; one that is not a number counts as 0.

        Raises:
            FeatureError: The features cannot be read, or combine to too many.
        """
        namespaces = self._marginals.settings.namespaces
        context, read = without_zeros(context), features_of_actions(actions)
        # not of pairs: what an exploration asks beside scores goes by the features themselves
        self._efforts.require(Counter(each.shape for each in read), context.shape, repeats)
        shared = paired(context, namespaces)
        offered = [paired(action, namespaces) for action in read]
        scores = np.zeros(len(actions), np.float32)
        with np.errstate(all="ignore"):
            rows = self._rows.singles([each.features for each in offered], shared.features)
            for positions, plan, columns in rows:
                for single, position in zip(columns.values, positions, strict=True):
                    action = offered[position]
                    shift = len(action.features.hashes)
                    single[action.columns] = self._means(action)
                    single[shared.columns + shift] = self._means(shared)
                slots = (self._rows.slots_of(plan, columns) + self._offset) & (
                    len(self._weights) - 1
                )
                terms = self._weights.take(slots) * combined(plan, columns.values)
                scores[positions] = np.add.reduce(terms, axis=1)
        scores[~np.isfinite(scores)] = 0.0
        return scores.tolist()

    def _means(self, features: Paired) -> Floats:
        return self._marginals.means(self._marginals.slots(features.ids), self._offset)
