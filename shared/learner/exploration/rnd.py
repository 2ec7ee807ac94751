"""Random network distillation."""

import math
from collections.abc import Sequence

import msgspec

from shared.learner.exploration.rule import History, Probabilities, Scores
from shared.learner.exploration.softmax import Softmax

_EULER = 0.57721566490153286
_SMALLEST = 1e-3


class RandomNetworks(msgspec.Struct, frozen=True):
    """Actions count as better the less well members can tell a random function of them by now.

    Source: ``cb_explore_adf_rnd.cc``; after Burda et al. 2018, "Exploration by Random Network
    Distillation".

    Attributes:
        networks: Random functions, each with a member that learns it (``--rnd``).
        alpha: Noise of what is learned: more explores longer what comes again.
        inverse_lambda: Variance of the random functions: more explores what is new.
    """

    networks: int
    alpha: float = 0.1
    inverse_lambda: float = 0.1

    @property
    def members(self) -> int:
        """Predictors: of the cost, and of each random function."""
        return 1 + self.networks

    def probabilities(
        self, scores: Sequence[Scores], epsilon: float, history: History
    ) -> Probabilities:
        """Return one probability per action.

        Args:
            scores: Predicted costs, predictions of each random function, and these themselves.
            epsilon: Share of the decisions that is spread over all actions.
            history: What was learned.
        """
        costs, *told = scores
        errors = zip(told[: self.networks], told[self.networks :], strict=True)
        squares = [[(p - f) ** 2 for p, f in zip(*each, strict=True)] for each in errors]
        bonuses = [math.sqrt(math.fsum(each) / len(each)) for each in zip(*squares, strict=True)]
        most = max(_SMALLEST, *bonuses)
        hoped = [c - _EULER * (bonus - most) for c, bonus in zip(costs, bonuses, strict=True)]
        return Softmax(1.0 / most).probabilities([hoped], epsilon, history)
