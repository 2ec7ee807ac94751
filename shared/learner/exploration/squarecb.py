"""Inverse gap weighting."""

import math
from collections.abc import Sequence

import msgspec

from shared.learner.exploration.cost_range import CostRange
from shared.learner.exploration.rule import History, Probabilities, Scores, with_floor


class SquareCB(msgspec.Struct, frozen=True):
    """The less likely the larger an action's gap to the best one (inverse gap weighting).

    Source: Foster and Rakhlin 2020, "Beyond UCB", algorithm 1; ``cb_explore_adf_squarecb.cc``.

    Attributes:
        gamma_scale: Greediness after one event.
        gamma_exponent: How greediness grows with the number of events.
        costs: If any, only actions that may still be the best one are weighed (``--elim``).
    """

    gamma_scale: float = 10.0
    gamma_exponent: float = 0.5
    costs: CostRange | None = None
    members = 1

    def probabilities(
        self, scores: Sequence[Scores], epsilon: float, history: History
    ) -> Probabilities:
        """Return one probability per action.

        Args:
            scores: Predicted costs; with ``costs``, as for ``CostRange.bounds``.
            epsilon: Share of the decisions that is spread over all actions.
            history: What was learned.
        """
        costs = scores[0]
        used = list(range(len(costs)))
        count = len(costs)
        if self.costs is not None:
            lowest, highest = self.costs.bounds(scores, history.events)
            plausible = [action for action in used if lowest[action] <= min(highest)]
            used = plausible or used  # none is where numbers overflow
            count = 1  # VW counts the actions that are better than all before them, best first
        gamma = self.gamma(history)
        best = min(used, key=costs.__getitem__)
        found = [0.0] * len(costs)
        for action in used:
            if action != best:
                found[action] = 1.0 / (count + gamma * (costs[action] - costs[best]))
        total = math.fsum(found)
        if total > 1.0:  # possible with that count; VW then draws among the others
            return with_floor([each / total for each in found], epsilon)
        found[best] = 1.0 - total
        return with_floor(found, epsilon)

    def gamma(self, history: History) -> float:
        """Return the present greediness."""
        grown: float = float(history.events) ** self.gamma_exponent
        return self.gamma_scale * grown
