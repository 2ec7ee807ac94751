"""Inverse gap weighting."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shared.learner.exploration.rule import History, Probabilities, Scores, with_floor


@dataclass(frozen=True, slots=True)
class SquareCB:
    """The less likely the larger an action's gap to the best one (inverse gap weighting).

    Source: Foster and Rakhlin 2020, "Beyond UCB", algorithm 1; ``cb_explore_adf_squarecb.cc``.

    Attributes:
        gamma_scale: Greediness after one event.
        gamma_exponent: How greediness grows with the number of events.
    """

    gamma_scale: float = 10.0
    gamma_exponent: float = 0.5
    members = 1

    def probabilities(
        self, scores: Sequence[Scores], epsilon: float, history: History
    ) -> Probabilities:
        """Return one probability per action."""
        (costs,) = scores
        gamma = self.gamma_scale * float(history.events) ** self.gamma_exponent
        best = min(range(len(costs)), key=costs.__getitem__)
        found = [1.0 / (len(costs) + gamma * (cost - costs[best])) for cost in costs]
        found[best] = 0.0
        found[best] = 1.0 - math.fsum(found)
        return with_floor(found, epsilon)
