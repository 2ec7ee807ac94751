"""Epsilon-greedy."""

from collections.abc import Sequence

import msgspec

from shared.learner.exploration.rule import History, Probabilities, Scores, best_of


class EpsilonGreedy(msgspec.Struct, frozen=True):
    """The best action, except for a share of ``epsilon`` that is spread over all.

    Source: ``cb_explore_adf_greedy.cc``.

    Attributes:
        first_only: Give the greedy share to the first best action, instead of to all that tie.
    """

    first_only: bool = False
    members = 1

    def probabilities(
        self, scores: Sequence[Scores], epsilon: float, history: History
    ) -> Probabilities:
        """Return one probability per action."""
        (costs,) = scores
        floor = epsilon / len(costs)
        best = best_of(costs, self.first_only)
        top = floor + (1.0 - epsilon) / len(best)
        found = [floor] * len(costs)
        for action in best:
            found[action] = top
        return tuple(found)
