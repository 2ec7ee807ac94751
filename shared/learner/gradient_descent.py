"""Online gradient descent: Vowpal Wabbit's weights and their update, in its own float32 steps.

Source: ``gd.cc`` (``compute_rate_decay``, ``pred_per_update_feature``, ``get_pred_per_update``,
``compute_update``), squared loss, ``loss_functions.cc``. References: Duchi et al. 2011
(adaptive), Ross et al. 2013 (normalised), Karampatziakis and Langford 2011 (invariant).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings

f32 = np.float32
SMALLEST = f32(1.084202e-19)
"""Smaller feature values count as this (``x_min`` in gd.cc)."""

Weights = NDArray[np.float32]


class GradientDescent:
    """A linear regressor of cost.

    Attributes:
        weights: ``float32``, one per slot (W).
        gradients: Sums of squared gradients (G), used if adaptive.
        scales: Largest feature value seen (N), used if normalised.
        norm: Importance-weighted sum of the events' squared, normalised feature values.
        total_weight: Sum of importance weights.
        time: Clock of the learning rate's decay.
        lowest: Smallest label seen, or 0; predictions are clipped to the range of labels.
        highest: Largest label seen, or 0.
    """

    def __init__(self, settings: LearningSettings) -> None:
        """Start with all weights at zero."""
        size = 1 << settings.bits
        self.settings = settings
        self.weights: Weights = np.zeros(size, f32)
        self.gradients: Weights = np.zeros(size, f32)
        self.scales: Weights = np.zeros(size, f32)
        self.norm = 0.0
        self.total_weight = 0.0
        self.time = settings.initial_t
        self.lowest = 0.0
        self.highest = 0.0
        self._seen_at = np.zeros(size, np.uint32)  # scratch: finds features that share a slot
        self._half = settings.power_t == 0.5

    def learn(
        self, slots: NDArray[np.intp], values: NDArray[np.float32], label: float, weight: float
    ) -> bool:
        """Move the weights towards ``label`` for one example.

        Args:
            slots: Weight of each feature, in Vowpal Wabbit's order; repeats allowed.
            values: Value of each feature.
            label: The cost to learn.
            weight: Its importance.

        Returns:
            False if a number was not finite; nothing has changed then.
        """
        with np.errstate(all="ignore"):
            before = (
                self.weights.take(slots), self.gradients.take(slots), self.scales.take(slots),
                self.norm, self.total_weight, self.lowest, self.highest,
            )  # fmt: skip
            finite = self._learn(slots, values, f32(label), f32(weight))
            if not finite:
                self.weights[slots], self.gradients[slots], self.scales[slots] = before[:3]
                self.norm, self.total_weight, self.lowest, self.highest = before[3:]
        return finite

    def _learn(
        self, slots: NDArray[np.intp], values: NDArray[np.float32], label: Any, weight: Any
    ) -> bool:
        settings = self.settings
        self.lowest = min(self.lowest, float(label))
        self.highest = max(self.highest, float(label))
        predicted = f32(np.add.reduce(self.weights.take(slots) * values))
        if not math.isfinite(predicted) or not math.isfinite(weight):
            return False
        predicted = min(max(predicted, f32(self.lowest)), f32(self.highest))
        error = label - predicted
        if error == 0 or not weight > 0:
            return True
        # f32 scalars throughout: this is where VW rounds
        gradient = f32(4) * weight * error * error
        rates, per_update, scale = self._rescale(slots, values, gradient, weight)
        step = f32(settings.learning_rate) * weight
        if not settings.adaptive:
            step = step * f32(f32(self.time + float(weight)) ** f32(-settings.power_t))
        if settings.invariant and step * per_update >= f32(1e-6):
            update = error * (f32(1) - f32(np.exp(f32(-2) * step * per_update))) / per_update
        else:
            update = f32(2) * error * step
        change = f32(f32(update) * scale) * (values * rates)
        np.add.at(self.weights, slots, change)
        return bool(
            math.isfinite(self.norm)
            and np.isfinite(np.add.reduce(self.weights.take(slots)))
            and np.isfinite(np.add.reduce(self.gradients.take(slots)))
        )

    def _rescale(
        self, slots: NDArray[np.intp], values: NDArray[np.float32], gradient: Any, weight: Any
    ) -> tuple[NDArray[np.float32], Any, Any]:
        """Update G and N; return each feature's rate, their sum over x², the norm's scale."""
        settings = self.settings
        if not settings.adaptive and not settings.normalized:
            return np.ones(len(values), f32), np.add.reduce(values * values), f32(1)
        x = values
        if (np.abs(x) < SMALLEST).any():
            x = np.where(np.abs(x) < SMALLEST, np.where(x > 0, SMALLEST, -SMALLEST), x)
        per_update = norm = f32(0)
        rates: NDArray[np.float32]
        repeats = self._repeats(slots)
        if repeats is None:
            rates, norm = self._rates_of(slots, x, gradient)
            per_update = np.add.reduce(x * x * rates)
        else:
            final = np.empty(int(slots.max()) + 1, f32)
            for turn in range(int(repeats.max()) + 1):
                now = repeats == turn
                part, more = self._rates_of(slots[now], x[now], gradient)
                final[slots[now]] = part
                norm = norm + more
                per_update = per_update + np.add.reduce(x[now] * x[now] * part)
            rates = final.take(slots)
        scale = f32(1)
        if settings.normalized:
            self.norm += float(weight) * float(norm)
            self.total_weight += float(weight)
            scale = self._norm_scale()
            per_update = per_update * scale
        return rates, per_update, scale

    def _rates_of(
        self, slots: NDArray[np.intp], x: NDArray[np.float32], gradient: Any
    ) -> tuple[NDArray[np.float32], Any]:
        """Update G and N of distinct slots; return their rates and the sum of x²/N²."""
        settings = self.settings
        squares = x * x
        rates = np.ones(len(x), f32)
        norm = f32(0)
        if settings.adaptive:
            sums = self.gradients.take(slots) + gradient * squares
            self.gradients[slots] = sums
            rates = f32(1) / np.sqrt(sums) if self._half else sums ** f32(-settings.power_t)
        if settings.normalized:
            scales = self._grow_scales(slots, np.abs(x))
            norm = np.add.reduce(squares / (scales * scales))
            if self._half:
                inverse = f32(1) / scales
                rates = rates * inverse if settings.adaptive else rates * inverse * inverse
            else:
                rates = rates * (scales * scales) ** f32(settings.power_t - 1.0)
        return rates, norm

    def _grow_scales(self, slots: NDArray[np.intp], sizes: NDArray[np.float32]) -> Weights:
        """Raise N to the sizes seen; weights of grown features shrink accordingly."""
        settings = self.settings
        scales = self.scales.take(slots)
        grown = sizes > scales
        if not grown.any():
            return scales
        old = grown & (scales > 0)
        if old.any():
            if self._half:
                ratio = scales[old] / sizes[old]
                factor = ratio if settings.adaptive else ratio * ratio
            else:
                ratio = sizes[old] / scales[old]
                factor = (ratio * ratio) ** f32(settings.power_t - 1.0)
            self.weights[slots[old]] *= factor
        scales = np.maximum(scales, sizes)
        self.scales[slots] = scales
        return scales

    def _norm_scale(self) -> Any:
        total, norm = f32(self.total_weight), f32(self.norm)
        if self._half:
            ratio = total / norm
            return np.sqrt(ratio) if self.settings.adaptive else ratio
        return (norm / total) ** f32(self.settings.power_t - 1.0)

    def _repeats(self, slots: NDArray[np.intp]) -> NDArray[np.intp] | None:
        """Return how often each slot occurred before in the example; None if none repeats."""
        positions = np.arange(len(slots), dtype=np.uint32)
        self._seen_at[slots] = positions
        if (self._seen_at.take(slots) == positions).all():
            return None
        order = np.argsort(slots, kind="stable")
        ordered = slots[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        lengths = np.diff(np.r_[starts, len(slots)])
        counts = np.empty(len(slots), np.intp)
        counts[order] = np.arange(len(slots)) - np.repeat(starts, lengths)
        return counts
