"""Random functions of actions, whose prediction errors tell how new an action is."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings
from shared.learner.decision_rows import DecisionRows, combined, without_zeros
from shared.learner.exploration import RandomNetworks
from shared.learner.features import Features, features_of_actions
from shared.learner.hashing import CONSTANT_HASH
from shared.learner.interactions import Plan
from shared.learner.sampling import gaussians

_FNV = np.uint64(16777619)
_TERMS_AT_ONCE = 1 << 17
_SMALLEST = np.float32(1e-12)

Floats = NDArray[np.float32]


class Novelty:
    """Linear functions with random weights, normalised; they depend on the settings alone.

    Source: ``get_initial_prediction`` in ``cb_explore_adf_rnd.cc``. A weight is the Gaussian that
    belongs to a feature's index as Vowpal Wabbit's features have it, of 64 bits.
    """

    def __init__(self, settings: LearningSettings, networks: RandomNetworks) -> None:
        """Make a function for each of the networks."""
        self._rows = DecisionRows(settings, filled=False)
        self._mask = np.uint32((1 << settings.bits) - 1)
        stored = 4 if settings.adaptive or settings.normalized else 1  # numbers beside a weight
        self._stride = np.uint64(settings.stride * stored)
        step = settings.width * stored  # further apart than the members' weights are
        offsets = step * np.arange(1, networks.members, dtype=np.uint64)
        self._offsets = offsets.reshape(-1, 1, 1)
        self._size = np.float32(math.sqrt(networks.inverse_lambda))

    def evidence(
        self,
        context: Features,
        actions: Sequence[bytes],
        scores: Sequence[float],
    ) -> list[list[float]]:
        """Return the value of each function for each action.

        Raises:
            FeatureError: The features cannot be read, or combine to too many.
        """
        return self.values(features_of_actions(actions), without_zeros(context))

    def values(self, actions: Sequence[Features], context: Features) -> list[list[float]]:
        """Return the value of each function for each action; what is not a number counts as 0.

        Raises:
            FeatureError: The features combine to too many.
        """
        found = np.zeros((len(self._offsets), len(actions)), np.float32)
        with np.errstate(all="ignore"):
            for positions, plan, columns in self._rows.singles(actions, context):
                indices = self._indices(plan, columns.hashes)
                values = combined(plan, columns.values)
                norms = np.sqrt(np.float32(2) * np.maximum(_SMALLEST, _sums(values * values)))
                step = max(1, _TERMS_AT_ONCE // max(1, indices.size))
                for start in range(0, len(found), step):
                    part = slice(start, start + step)
                    weights = gaussians(indices + self._offsets[part])
                    found[part, positions] = self._size * _sums(weights * values) / norms
        found[~np.isfinite(found)] = 0.0
        return found.tolist()

    def _indices(self, plan: Plan, hashed: NDArray[np.uint32]) -> NDArray[np.uint64]:
        """Return the index of each term: as a slot, but never cut to the size of the model."""
        singles = np.where(hashed == CONSTANT_HASH, hashed, hashed & self._mask).astype(np.uint64)
        singles *= self._stride
        blocks = [np.zeros((len(hashed), 0), np.uint64)]
        for block in plan.terms:
            index = singles.take(block[0], axis=1)
            for column in block[1:]:
                index = (index * _FNV) ^ singles.take(column, axis=1)
            blocks.append(index)
        return np.concatenate(blocks, axis=1)


def _sums(terms: Floats) -> Floats:
    """Return each row's sum."""
    totals: Floats = np.add.reduce(terms, axis=-1)
    return totals
