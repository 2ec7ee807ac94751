"""Explore first, then exploit."""

from collections.abc import Sequence

import msgspec

from shared.learner.exploration.rule import History, Probabilities, Scores, best_first, with_floor


class ExploreFirst(msgspec.Struct, frozen=True):
    """Uniform for a number of events, then the best action.

    Source: ``cb_explore_adf_first.cc``.

    Attributes:
        events: How many are explored (``--first``).
    """

    events: int
    members = 1

    def probabilities(
        self, scores: Sequence[Scores], epsilon: float, history: History
    ) -> Probabilities:
        """Return one probability per action."""
        (costs,) = scores
        if history.events < self.events:
            return (1.0 / len(costs),) * len(costs)
        found = [0.0] * len(costs)
        best = best_first(costs)[0]
        found[best] = 1.0
        return with_floor(found, epsilon)
