"""Which costs of an action are still plausible, given how much its prediction could yet move."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.exploration.rule import Scores

_SEARCHES = 20
_PRECISION = np.float32(1e-6)
_LARGEST = np.finfo(np.float32).max

Floats = NDArray[np.float32]


class CostRange(msgspec.Struct, frozen=True):
    """Bounds of the plausible costs: those that a regressor of nearly the same loss may predict.

    Source: ``get_cost_ranges`` and ``binary_search`` in ``cb_explore_adf_regcb.cc``; Foster et al.
    2018, "Practical Contextual Bandits with Regression Oracles", section 3; the search is
    described in Krishnamurthy et al. 2017, "Active Learning for Cost-Sensitive Classification",
    section 7.1. Computed in ``float32``, as there.

    Attributes:
        mellowness: How much more loss is plausible; larger explores more (``--mellowness``).
        lowest: Lower bound of all costs (``--cb_min_cost``).
        highest: Upper bound of all costs (``--cb_max_cost``).
    """

    mellowness: float
    lowest: float = 0.0
    highest: float = 1.0

    @property
    def labels(self) -> tuple[float, float]:
        """What an example would have to teach to move a prediction to either end, and beyond."""
        return self.lowest - 1.0, self.highest + 1.0

    def bounds(self, scores: Sequence[Scores], events: int) -> tuple[list[float], list[float]]:
        """Return each action's lowest and highest plausible cost.

        Args:
            scores: Predicted costs, then the regressor's sensitivity to either of ``labels``.
            events: Decisions learned so far.
        """
        costs, *doubts = (np.array(each, np.float32) for each in scores)
        low, high = np.float32(self.lowest), np.float32(self.highest)
        one = np.float32(1)
        sensitivity = np.array(doubts)
        with np.errstate(all="ignore"):
            allowed = (
                np.float32(self.mellowness)
                * np.log(np.float32(len(costs) * events))
                * np.float32((self.highest - self.lowest) ** 2)
            )
            distance = np.array([costs - low + one, high + one - costs])
            moved = sensitivity * _weight(distance, sensitivity, allowed)
            ends = np.clip([costs - moved[0], costs + moved[1]], low, high)
            beyond = [costs < low, costs > high] | ~np.isfinite(sensitivity)
        lowest, highest = np.where(beyond, [[low], [high]], ends).tolist()
        return lowest, highest


def _weight(distance: Floats, sensitivity: Floats, allowed: np.float32) -> Floats:
    """Return the largest importances of examples that keep the loss plausible."""
    most = np.minimum(distance / sensitivity, _LARGEST)
    searching = ~(most * distance * distance <= allowed)
    low: Floats = np.where(searching, np.float32(0), most)
    high: Floats = most
    for _ in range(_SEARCHES):
        if not searching.any():
            break
        middle = (high + low) / np.float32(2)
        rest = distance - sensitivity * middle
        excess = middle * (distance * distance - rest * rest) - allowed
        too_much = excess > 0
        high = np.where(searching & too_much, middle, high)
        low = np.where(searching & ~too_much, middle, low)
        searching &= ~((np.abs(excess) <= _PRECISION) | (high - low <= _PRECISION))
    return low
