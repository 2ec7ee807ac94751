"""How far one more example would move a prediction: the doubt that a regressor has about it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.learner.decision_rows import DecisionRows, combined, without_zeros
from shared.learner.features import Features, features_of_actions
from shared.learner.gradient_descent import SMALLEST, GradientDescent

Floats = NDArray[np.float32]


class Sensitivity:
    """What a regressor's next update would do, by what it has learned until now.

    Source: ``sensitivity`` and ``get_pred_per_update`` (stateless) in ``gd.cc``. Safe for threads.
    """

    def __init__(self, regressor: GradientDescent, labels: Sequence[float]) -> None:
        """Keep copies of what the sensitivity depends on.

        Args:
            regressor: Whose predictions are asked about.
            labels: What the next example would have to teach.
        """
        self._settings = regressor.settings
        self._rows = DecisionRows(regressor.settings, filled=False)
        self._labels = labels
        self._gradients = regressor.gradients.copy()
        self._scales = regressor.scales.copy()
        with np.errstate(over="ignore"):
            self._norm = np.float32(regressor.norms[0])
            self._total_weight = np.float32(regressor.total_weights[0])
            self._rate = np.float32(regressor.rate(1.0))

    def evidence(
        self,
        context: Features,
        actions: Sequence[bytes],
        scores: Sequence[float],
    ) -> list[list[float]]:
        """Return each action's sensitivity towards each of the labels.

        Raises:
            FeatureError: The features cannot be read, or combine to too many.
        """
        found = np.zeros((len(self._labels), len(actions)), np.float32)
        costs = np.array(scores, np.float32)
        read = features_of_actions(actions)
        with np.errstate(all="ignore"):
            for positions, plan, columns in self._rows.singles(read, without_zeros(context)):
                slots, values = self._rows.slots_of(plan, columns), combined(plan, columns.values)
                ignored = _sums(np.square(columns.values[:, plan.in_combinations_only]))
                for towards, label in zip(found, self._labels, strict=True):
                    errors = costs[positions] - np.float32(label)
                    towards[positions] = self._of(slots, values, errors, ignored)
        return found.tolist()

    def _of(
        self, slots: NDArray[np.intp], values: Floats, errors: Floats, ignored: Floats
    ) -> Floats:
        """Return the sensitivity of each row of ``examples x terms`` slots and values.

        Like a plain update it counts features that are ``ignored`` but in combinations.
        """
        settings = self._settings
        sizes = np.maximum(np.abs(values), SMALLEST)
        squares = sizes * sizes
        rates = np.ones_like(squares)
        if settings.adaptive:
            gradients = self._gradients.take(slots)
            gradients += squares * (np.float32(4) * errors * errors)[:, None]
            rates = gradients ** np.float32(-settings.power_t)
        if not settings.normalized:
            sums = _sums(squares * rates)
            return (sums if settings.adaptive else sums + ignored) * self._rate
        scales = np.maximum(self._scales.take(slots), sizes)
        power = settings.power_t - 1.0
        if settings.adaptive or settings.power_t != 0.5:
            rates *= (scales * scales) ** np.float32(power)
        else:
            rates /= scales * scales
        norms = self._norm + _sums(squares / (scales * scales))
        mean = norms / (self._total_weight + np.float32(1))
        exponent = power if settings.adaptive or settings.power_t != 0.5 else -1.0
        multiplier = mean ** np.float32(exponent)
        return _sums(squares * rates) * multiplier * self._rate


def _sums(terms: Floats) -> Floats:
    """Return each row's sum, added one by one as in ``gradient_descent``."""
    if not terms.shape[1]:
        return np.zeros(len(terms), np.float32)
    totals: Floats = np.add.accumulate(terms, axis=1)[:, -1]
    return totals
