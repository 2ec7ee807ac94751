"""Which of many actions are worth exploring: a few whose features span those of all.

Source: ``cb_explore_adf_large_action_space.cc``, ``one_pass_svd_impl.cc``, ``kernel_impl.h`` and
``one_rank_spanner_impl.cc``; Zhu et al. 2022, "Contextual Bandits with Large Action Spaces: Made
Practical". The actions' features are projected at random (Halko, Martinsson and Tropp 2011), and
actions chosen that nearly span the projection (Awerbuch and Kleinberg 2004, figure 2).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings
from shared.learner.decision_rows import DecisionRows
from shared.learner.exploration import History, SquareCB
from shared.learner.features import Features, features_of_actions

_SLACK = 10
"""Dimensions of the projection beyond the number of actions to keep."""

_SEED = 10
"""What VW makes of its random state 0."""

_NOTHING = Features((), [], [])
_ENOUGH = np.float32(0.99)
_SIGNS = np.array([0, 0, 1, -1], np.float32)

Floats = NDArray[np.float32]


class LargeActionSpace:
    """Chooses the actions that take part in exploration; safe for threads."""

    def __init__(self, settings: LearningSettings) -> None:
        """Choose by ``settings``."""
        assert settings.large is not None  # noqa: S101  # the caller asked
        self._most = settings.large.max_actions
        self._approximation = settings.large.spanner_c
        self._exploration = settings.exploration
        self._rows = DecisionRows(settings)
        self._stride = 4 if settings.adaptive or settings.normalized else 1

    def kept(
        self, actions: Sequence[bytes], costs: Sequence[float], history: History
    ) -> Sequence[int]:
        """Return the positions of the actions that take part, rising; the best is one of them.

        Args:
            actions: Their JSON texts.
            costs: What they are predicted to cost.
            history: What was learned.

        Raises:
            FeatureError: The features cannot be read, or combine to too many.
        """
        if len(actions) <= self._most:
            return range(len(actions))
        with np.errstate(all="ignore"):
            shrinking = self._shrinking(costs, history)
            projected = self._projected(features_of_actions(actions)) * shrinking[:, None]
            projected[~np.isfinite(projected)] = 0.0
            left, values, _ = np.linalg.svd(projected.astype(np.float64), full_matrices=False)
            reached = np.flatnonzero(np.cumsum(values) > _ENOUGH * np.sum(values))
            rank = min(self._most, int(reached[0]) + 1 if reached.size else len(values))
            spanner = _Spanner(left[:, :rank].astype(np.float32), shrinking)
            found = spanner.span(self._approximation)
        found.add(min(range(len(costs)), key=costs.__getitem__))
        if rank < self._most:
            found.add(0)  # VW's other places hold the first action, or what was there before
        return sorted(found)

    def _shrinking(self, costs: Sequence[float], history: History) -> Floats:
        """Return by how much each row is stretched."""
        rule = self._exploration
        if not isinstance(rule, SquareCB):
            return np.ones(len(costs), np.float32)
        gaps = np.sort(np.array(costs, np.float32))  # VW takes them best first, whatever the row
        gaps -= gaps[0]
        scale = rule.gamma(history) / (4.0 * self._most)
        shrinking: Floats = np.sqrt(1.0 + self._most + scale * gaps).astype(np.float32)
        return shrinking

    def _projected(self, actions: Sequence[Features]) -> Floats:
        """Return ``actions x dimensions`` numbers: features weighed by 1, -1 or 0 at random."""
        width = min(len(actions), self._most + _SLACK)
        found = np.zeros((len(actions), width), np.float32)
        for positions, slots, values in self._rows.slots(actions, _NOTHING):
            index = slots.astype(np.uint64) * np.uint64(self._stride)
            for column in range(width):
                signs = _SIGNS[2 * _parity(index) + _parity(index + np.uint64(_SEED))]
                found[positions, column] = np.add.reduce(values * signs, axis=1)
                index += np.uint64(1)
        found /= np.sqrt(np.float32(width))
        return found


class _Spanner:
    """Rows of a matrix, of which swapping one would not multiply the volume.

    Their matrix and its inverse are scaled to the determinant 1; its logarithm is kept beside.
    """

    def __init__(self, rows: Floats, shrinking: Floats) -> None:
        size = rows.shape[1]
        self.taken = [0] * size
        self._rows = rows
        self._shrinking = shrinking
        self._matrix = np.eye(size, dtype=np.float32)
        self._inverse = np.eye(size, dtype=np.float32)
        self._log_determinant = 0.0

    def span(self, approximation: float) -> set[int]:
        """Return the positions of the rows."""
        size = len(self.taken)
        volume = 0.0
        for place in range(size):
            volume, row = self._largest(place)
            if not 0.0 < volume < math.inf:
                return set(self.taken)
            self._swap(place, row, volume)
        for _ in range(int(size * math.log(size) / math.log(approximation))):
            for place in range(size):
                larger, row = self._largest(place)
                if approximation * volume < larger < math.inf:
                    self._swap(place, row, larger)
                    volume = larger
                    break
            else:
                break
        return set(self.taken)

    def _largest(self, place: int) -> tuple[float, int]:
        """Return the largest volume that a row gives in a place, and which row."""
        volumes = np.abs(self._rows @ self._inverse[place])
        row = int(np.argmax(volumes))
        return float(volumes[row]), row

    def _swap(self, place: int, row: int, volume: float) -> None:
        """Put a row in a place (Sherman and Morrison 1950)."""
        scale = np.float32(math.exp(self._log_determinant))
        new = self._rows[row] / self._shrinking[row] / scale
        step = self._inverse @ (new - self._matrix[place])
        self._inverse = self._inverse - np.outer(step, self._inverse[place]) / (1 + step[place])
        self._matrix[place] = new
        self.taken[place] = row
        growth = (math.log(volume) - self._log_determinant) / len(self._rows)
        self._inverse = self._inverse * np.float32(math.exp(growth))
        self._matrix = self._matrix / np.float32(math.exp(growth))
        self._log_determinant += growth


def _parity(numbers: NDArray[np.uint64]) -> NDArray[np.uint8]:
    odd: NDArray[np.uint8] = np.bitwise_count(numbers) & np.uint8(1)
    return odd
