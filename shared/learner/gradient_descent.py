"""Online gradient descent: Vowpal Wabbit's weights and their update.

Source: ``gd.cc`` (``compute_rate_decay``, ``pred_per_update_feature``, ``get_pred_per_update``,
``compute_update``), squared loss, ``loss_functions.cc``. References: Duchi et al. 2011
(adaptive), Ross et al. 2013 (normalised), Karampatziakis and Langford 2011 (invariant).
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings

SMALLEST = np.float32(1.084202e-19)
"""Smaller feature values count as this (``x_min`` in gd.cc)."""

Slots = NDArray[np.intp]
Floats = NDArray[np.float32]
Undo = list[tuple[Floats, Slots, Floats]]
"""What arrays held before an update: array, slots, numbers."""

_ONE, _TWO, _FOUR = np.float32(1), np.float32(2), np.float32(4)
"""Times a ``float``, the first is also the quickest way to a ``float32``."""


class Row(msgspec.Struct, gc=False):
    """The features of an example, and what of the update does not depend on the weights.

    Attributes:
        slots: First weight of each feature, in Vowpal Wabbit's order; repeats allowed.
        values: Value of each feature.
        sizes: Their absolute values, at least ``SMALLEST``.
        squares: The squares of these.
        rounds: Which features to update together, so that every slot sees its features in their
            order; None if no two features share a slot.
        growths: How often any scales had grown when what follows was known to be right.
        scales: Those of its features then.
        rates: Each feature's rate, but for its gradients' part; times its value if these have none.
            None if it was not worked out.
        norm: The sum of x²/N².
        per_update: The sum of rate x², if gradients have no part in the rates.
        ignored: Sum of the squares of features that count in combinations only: plain updates are
            smaller for them all the same (``total_sum_feat_sq`` in VW).
    """

    slots: Slots
    values: Floats
    sizes: Floats
    squares: Floats
    rounds: Sequence[Slots] | None
    growths: int = 0
    scales: Floats | None = None
    rates: Floats | None = None
    norm: float = 0.0
    per_update: float = 0.0
    ignored: float = 0.0

    def at(self, features: Slots) -> "Row":
        """Return the row of some features, which share no slot."""
        return Row(
            self.slots[features],
            self.values[features],
            self.sizes[features],
            self.squares[features],
            None,
        )

    def moved(self, offset: int, size: int) -> "Row":
        """Return the row with the ``offset``-th weight of each feature, of ``size`` weights."""
        if not offset:
            return self
        slots = (self.slots + offset) & (size - 1)
        moved = Row(slots, self.values, self.sizes, self.squares, self.rounds)
        moved.ignored = self.ignored
        return moved


class GradientDescent:
    """A linear regressor of cost.

    Attributes:
        weights: ``float32``, one per slot (W).
        gradients: Sums of squared gradients (G), used if adaptive; they start at ``initial_t``.
        scales: Largest feature value seen (N), used if normalised.
        norms: Importance-weighted sum of the examples' squared, normalised feature values; one
            for each of the weights that a feature has.
        total_weights: Likewise, sum of importance weights.
        time: Clock of the learning rate's decay: events so far, however many updates each took.
        lowest: Smallest label seen, or 0; predictions are clipped to the range of labels.
        highest: Largest label seen, or 0.
        gravity: How much smaller the absolute value of every weight is to be taken (``--l1``).
        contraction: What every weight is to be multiplied by (``--l2``).
    """

    def __init__(self, settings: LearningSettings) -> None:
        """Start with all weights at zero."""
        size = 1 << settings.bits
        self.settings = settings
        self.weights: Floats = np.zeros(size, np.float32)
        self.gradients: Floats = np.full(size, settings.initial_t, np.float32)
        self.scales: Floats = np.zeros(size, np.float32)
        # gd.cc, gd_setup and save_load: as if that many examples of norm and gradient 1 were seen
        self.norms = [settings.initial_t] + [0.0] * (settings.width - 1)
        self.total_weights = [settings.initial_t] + [0.0] * (settings.width - 1)
        self.time = settings.initial_t
        self.lowest = float(np.float32(settings.min_prediction or 0.0))
        self.highest = float(np.float32(settings.max_prediction or 0.0))
        self.gravity = 0.0
        self.contraction = 1.0
        self._fixed_range = not (settings.min_prediction is settings.max_prediction is None)
        self._growths = 0  # how often scales have grown
        self._regularized = bool(settings.l1 or settings.l2)
        self._half = settings.power_t == 0.5
        self._decay = np.float32(-settings.power_t)
        self._norm_power = np.float32(settings.power_t - 1.0)
        # other powers may differ in the last bit between one row and many, as NumPy has them
        self._can_be_steady = (
            settings.normalized
            and (self._half or settings.power_t == 0.0)
            and not self._regularized
        )
        self._rates_vary = settings.adaptive and self._half  # with every update
        self._number = np.zeros((), np.float32)
        self._rate = np.float32(settings.learning_rate)
        if not settings.adaptive and not settings.normalized:
            self._rate *= np.float32(np.float32(settings.initial_t) ** np.float32(settings.power_t))

    def rows(self, slots: Slots, values: Floats) -> list[Row]:
        """Return the rows of ``examples x features`` slots and values, to be learned soon.

        What follows from the scales as they are now is worked out for all of them at once. It
        serves the rows learned before scales grow; updates are the same to the bit without it.
        """
        sizes = np.maximum(np.abs(values), SMALLEST)
        squares = sizes * sizes
        ordered = np.sort(slots.astype(np.uint32), axis=1)
        shared = np.any(ordered[:, 1:] == ordered[:, :-1], axis=1).tolist()
        rounds = [_rounds(own) if any_ else None for own, any_ in zip(slots, shared, strict=True)]
        found = list(map(Row, slots, values, sizes, squares, rounds))
        self._foresee(found, slots, values, sizes, squares)
        return found

    def _foresee(
        self, rows: Sequence[Row], slots: Slots, values: Floats, sizes: Floats, squares: Floats
    ) -> None:
        """Work out what follows from scales, of the rows that these are large enough for."""
        if not self._can_be_steady or not slots.size:
            return
        scales = self.scales.take(slots)
        steady = np.all(sizes <= scales, axis=1).tolist()
        rates, norms, sums = self._steady_rates(scales, squares, values)
        each = zip(rows, steady, scales, rates, norms.tolist(), sums.tolist(), strict=True)
        for row, is_steady, its_scales, its_rates, norm, per_update in each:
            if is_steady and row.rounds is None:
                row.growths, row.scales = self._growths, its_scales
                row.rates, row.norm, row.per_update = its_rates, norm, per_update

    def _renew(self, row: Row) -> None:
        """Work out anew what follows from a row's scales, if these have grown."""
        scales = self.scales.take(row.slots)
        if row.scales is None or scales.tobytes() != row.scales.tobytes():
            row.rates, norm, per_update = self._steady_rates(scales, row.squares, row.values)
            row.scales, row.norm, row.per_update = scales, norm.item(), per_update.item()
        row.growths = self._growths

    def _steady_rates(
        self, scales: Floats, squares: Floats, values: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Return ``rates``, ``norm`` and ``per_update`` (see ``Row``) of one row or of many."""
        rates, terms = self._by_scale(scales, squares)
        norms = np.add.accumulate(terms, axis=-1)[..., -1]
        if self._rates_vary:
            return rates, norms, norms
        per_updates = np.add.accumulate(squares * rates, axis=-1)[..., -1]
        return rates * values, norms, per_updates

    def effective_weights(self) -> Floats:
        """Return a copy of the weights, regularised."""
        return self._effective(self.weights.copy())

    def see(self, label: float) -> None:
        """Widen the range of predictions to a label, unless the settings fix the range."""
        if not self._fixed_range:
            self.lowest = min(self.lowest, label)
            self.highest = max(self.highest, label)

    def predict(self, row: Row, offset: int = 0) -> float:
        """Return the prediction for an example, within the range of the labels seen."""
        return min(max(self.score(row, offset), self.lowest), self.highest)

    def score(self, row: Row, offset: int = 0) -> float:
        """Return the prediction for an example, whatever its size."""
        row = row.moved(offset, len(self.weights))
        return self._predicted(self.weights.take(row.slots), row.values)

    def take(self, slots: Slots | NDArray[np.uint32]) -> Floats:
        """Return the weights of slots, regularised."""
        return self._effective(self.weights.take(slots))

    def learn(self, row: Row, label: float, weight: float, offset: int = 0) -> bool:
        """Move the weights towards ``label`` for one example; the clock is the caller's to move.

        The caller switches NumPy's floating-point warnings off.

        Args:
            row: Its features.
            label: The cost to learn.
            weight: Its importance, above 0.
            offset: Which of the weights that a feature has.

        Returns:
            False if a number was not finite; nothing has changed then.
        """
        self._number[()] = label
        label = self._number.item()
        self._number[()] = weight
        weight = self._number.item()
        if row.rates is not None and not offset:
            if row.growths < self._growths:
                self._renew(row)
            try:
                return self._learn_steadily(row, row.rates, label, weight)
            except ArithmeticError:
                return False
        before = (
            self.norms[offset], self.total_weights[offset],
            self.lowest, self.highest, self.gravity, self.contraction,
        )  # fmt: skip
        undo: Undo = []
        try:
            row = row.moved(offset, len(self.weights))
            self._learn(row, label, weight, offset, undo)
        except ArithmeticError:
            for array, at, old in reversed(undo):
                array[at] = old
            self.norms[offset], self.total_weights[offset], *rest = before
            self.lowest, self.highest, self.gravity, self.contraction = rest
            return False
        return True

    def _learn(self, row: Row, label: float, weight: float, offset: int, undo: Undo) -> None:
        self.see(label)
        slots, values = row.slots, row.values
        weights = self.weights.take(slots)
        predicted = self._predicted(weights, values)
        error = _ONE * (label - min(max(predicted, self.lowest), self.highest))
        _require(math.isfinite(predicted) and math.isfinite(error) and weight < math.inf)
        if error == 0.0 or not slots.size:
            return
        undo.append((self.weights, slots, weights))
        if self.settings.adaptive or self.settings.normalized:
            gradient = weight * (_FOUR * error * error)
            rates, per_update, scale = self._rescale(row, gradient, weight, offset, undo)
            change = values * rates
        else:
            per_update, scale = _ONE * (_in_order(values * values) + row.ignored), _ONE
            change = values.copy()
        step = self._step(error, weight, per_update)
        if self._regularized:
            step = self._regularize(error, step)
        change *= step * scale
        np.add.at(self.weights, slots, change)
        _require(_finite(self.weights.take(slots)))

    def _learn_steadily(self, row: Row, rates: Floats, label: float, weight: float) -> bool:
        """Do what ``_learn`` does where scales do not grow, which is most of training.

        The new numbers are all worked out before any is changed.
        """
        slots, values = row.slots, row.values
        lowest, highest = self.lowest, self.highest
        if not self._fixed_range:
            lowest, highest = min(lowest, label), max(highest, label)
        weights = self.weights.take(slots)
        predicted = _in_order(weights * values)
        error = _ONE * (label - min(max(predicted, lowest), highest))
        if not (math.isfinite(predicted) and math.isfinite(error) and weight < math.inf):
            return False
        if error:
            number, per_update, gradients = self._number, row.per_update, weights
            if self.settings.adaptive:
                number[()] = weight * (_FOUR * error * error)
                gradients = row.squares * number
                gradients += self.gradients.take(slots)
                if self._half:
                    rates = np.reciprocal(np.sqrt(gradients)) * rates
                    per_update = _in_order(row.squares * rates)
            norm, total = self.norms[0] + weight * row.norm, self.total_weights[0] + weight
            scale = self._norm_scale(total, norm)
            number[()] = self._step(error, weight, per_update * scale) * scale
            change = values * rates if self._rates_vary else rates
            weights += change * number
            if not _finite(weights, gradients):
                return False
            self.weights[slots] = weights
            if self.settings.adaptive:
                self.gradients[slots] = gradients
            self.norms[0], self.total_weights[0] = norm, total
        self.lowest, self.highest = lowest, highest
        return True

    def _effective(self, weights: Floats) -> Floats:
        """Return weights moved towards zero by gravity, and contracted."""
        if not self._regularized:
            return weights
        return self._shrunk(weights) * np.float32(self.contraction)

    def _shrunk(self, weights: Floats) -> Floats:
        shrunk = np.maximum(np.abs(weights) - np.float32(self.gravity), np.float32(0))
        return np.copysign(shrunk, weights)

    def _predicted(self, weights: Floats, values: Floats) -> float:
        """Return the prediction by a row's weights."""
        if not self._regularized:
            return _in_order(weights * values)
        total = np.float32(_in_order(self._shrunk(weights) * values))
        return float(total * np.float32(self.contraction))

    def _regularize(self, error: np.float32, step: np.float32) -> np.float32:
        """Let gravity grow and weights contract by a step; return the step before contraction."""
        if abs(step) <= 1e-8:  # gd.cc, compute_update
            return step
        rate = float(step) / (2.0 * float(error)) if abs(error) > 0.5e-8 else 0.0
        self.contraction *= 1.0 - float(np.float32(self.settings.l2)) * rate
        self.gravity += rate * float(np.float32(self.settings.l1))
        _require(self.contraction > 0.0)
        return step / np.float32(self.contraction)

    def rate(self, weight: float) -> np.float32:
        """Return the learning rate of an example of some importance (``get_scale``)."""
        rate = self._rate * weight
        if not self.settings.adaptive and self.settings.power_t:
            rate *= (_ONE * (self.time + weight)) ** self._decay
        return rate

    def _step(self, error: np.float32, weight: float, per_update: np.float32) -> np.float32:
        """Return how far to go against the gradient (``compute_update``)."""
        step = self.rate(weight)
        if self.settings.invariant and step * per_update >= 1e-6:
            kept = _exp(-_TWO * step * per_update)
            return error * (_ONE - kept) / per_update
        return _TWO * error * step

    def _rescale(
        self, row: Row, gradient: np.float32, weight: float, offset: int, undo: Undo
    ) -> tuple[Floats, np.float32, np.float32]:
        """Update G and N; return each feature's rate, the sum of rate x², the norm's scale.

        The r-th feature of a slot is handled in round r, all slots of a round together: every
        slot sees its features in order, as in Vowpal Wabbit, and ends with its last rate.
        """
        if row.rounds is None:
            rates, terms = self._round(row, gradient, undo)
            moves = row.squares * rates
        else:
            last = np.empty(int(row.slots.max()) + 1, np.float32)
            moves, terms = np.empty_like(row.values), np.empty_like(row.values)
            for features in row.rounds:
                part = row.at(features)
                rates, terms[features] = self._round(part, gradient, undo)
                moves[features] = part.squares * rates
                last[part.slots] = rates
            rates = last.take(row.slots)
        per_update = _ONE * _in_order(moves)
        if not self.settings.normalized:
            return rates, per_update, _ONE
        norm = _in_order(terms)
        _require(math.isfinite(norm))
        self.norms[offset] += weight * norm
        self.total_weights[offset] += weight
        scale = self._norm_scale(self.total_weights[offset], self.norms[offset])
        return rates, per_update * scale, scale

    def _round(self, row: Row, gradient: np.float32, undo: Undo) -> tuple[Floats, Floats]:
        """Update G and N of distinct slots; return each feature's rate and its x²/N²."""
        settings, squares = self.settings, row.squares
        rates = self._adapt(row.slots, squares * gradient, undo) if settings.adaptive else None
        if not settings.normalized:
            assert rates is not None  # noqa: S101  # one of the two is on
            return rates, squares
        by_scale, terms = self._by_scale(self._grow_scales(row.slots, row.sizes, undo), squares)
        return by_scale if rates is None else rates * by_scale, terms

    def _by_scale(self, scales: Floats, squares: Floats) -> tuple[Floats, Floats]:
        """Return each feature's rate, but for its gradients' part, and its x²/N²."""
        both = scales * scales
        terms = squares / both
        if self._half:
            inverse = _ONE / scales
            return (inverse if self.settings.adaptive else inverse * inverse), terms
        if not self.settings.power_t:
            return _ONE / both, terms
        return _power(both, self._norm_power), terms

    def _adapt(self, slots: Slots, more: Floats, undo: Undo) -> Floats | None:
        """Add to G; return its power as rates, None if that is 1 and scales will follow."""
        old = self.gradients.take(slots)
        undo.append((self.gradients, slots, old))
        sums: Floats = old + more
        _require(_finite(sums))
        self.gradients[slots] = sums
        if not self.settings.power_t and self.settings.normalized:
            return None
        rates: Floats
        if self._half:
            rates = np.reciprocal(np.sqrt(sums))
        else:
            rates = _power(sums, self._decay)
        return rates

    def _grow_scales(self, slots: Slots, sizes: Floats, undo: Undo) -> Floats:
        """Raise N to the sizes seen; weights shrink as if N had always been so."""
        old = self.scales.take(slots)
        grown = sizes > old
        if not np.count_nonzero(grown):
            return old
        known = grown & (old > 0)
        if np.count_nonzero(known):
            if self._half:
                ratio = old[known] / sizes[known]
                if not self.settings.adaptive:
                    ratio *= ratio
            else:
                ratio = sizes[known] / old[known]
                ratio = _power(ratio * ratio, self._norm_power)
            self.weights[slots[known]] *= ratio
        undo.append((self.scales, slots, old))
        self._growths += 1
        scales = np.maximum(old, sizes)
        self.scales[slots] = scales
        return scales

    def _norm_scale(self, total: float, norm: float) -> np.float32:
        """Return the factor for the mean size of examples so far (``average_update``)."""
        if not self._half:
            return (_ONE * norm / (_ONE * total)) ** self._norm_power
        ratio = _ONE * total / (_ONE * norm)
        return _ONE * math.sqrt(ratio) if self.settings.adaptive else ratio


def _rounds(slots: Slots) -> list[Slots]:
    """Return the features of each round: the r-th of every slot."""
    order = np.argsort(slots, kind="stable")
    ordered = slots[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    lengths = np.diff(np.concatenate((starts, [len(slots)])))
    turns = np.empty(len(slots), np.intp)
    turns[order] = np.arange(len(slots)) - np.repeat(starts, lengths)
    by_turn = np.argsort(turns, kind="stable")
    return np.split(by_turn, np.cumsum(np.bincount(turns))[:-1])


def _exp(number: np.float32) -> np.float32:
    """Return ``expf``, rounded rightly; NumPy's own of ``float32`` is off by a bit."""
    return _ONE * math.exp(number)


def _power(numbers: Floats, exponent: np.float32) -> Floats:
    """Return powers as ``powf`` rounds them; NumPy's own of ``float32`` are off by a bit."""
    powers: Floats = np.power(numbers, exponent, dtype=np.float64)
    return powers.astype(np.float32)


def _in_order(terms: Floats) -> float:
    """Return the sum, added one by one in float32 as Vowpal Wabbit does.

    Any other order rounds otherwise, and where a prediction hits its label but for rounding, the
    adaptive update turns that into rates that differ visibly.
    """
    return np.add.accumulate(terms).item(-1) if terms.size else 0.0


def _finite(numbers: Floats, others: Floats | None = None) -> bool:
    """Return whether all are finite; a finite sum of products is the quick answer."""
    if others is None:
        others = numbers
    if math.isfinite(numbers.dot(others)):
        return True
    return bool(np.isfinite(numbers).all() and np.isfinite(others).all())


def _require(usable: bool) -> None:
    if not usable:
        raise FloatingPointError
