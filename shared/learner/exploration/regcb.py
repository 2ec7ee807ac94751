"""Confidence bounds of a regressor."""

from collections.abc import Sequence

import msgspec

from shared.learner.exploration.cost_range import CostRange
from shared.learner.exploration.rule import History, Probabilities, Scores, with_floor


class RegCB(msgspec.Struct, frozen=True):
    """Every action that may still be the best one is equally likely.

    Source: ``cb_explore_adf_regcb.cc``; Foster et al. 2018, "Practical Contextual Bandits with
    Regression Oracles", algorithms 1 and 2.

    Attributes:
        costs: Which costs are plausible.
        optimistic: Only those actions whose lowest plausible cost is the lowest (``--regcbopt``).
        first_only: If optimistic, only the first of these.
    """

    costs: CostRange
    optimistic: bool = False
    first_only: bool = False
    members = 1

    def probabilities(
        self, scores: Sequence[Scores], epsilon: float, history: History
    ) -> Probabilities:
        """Return one probability per action.

        Args:
            scores: As for ``CostRange.bounds``.
            epsilon: Share of the decisions that is spread over all actions.
            history: What was learned.
        """
        lowest, highest = self.costs.bounds(scores, history.events)
        limit = min(lowest) if self.optimistic else min(highest)
        support = [low <= limit for low in lowest]
        if not any(support):  # numbers have overflown
            support = [True] * len(lowest)
        if self.optimistic and self.first_only:
            support = [action == lowest.index(limit) for action in range(len(lowest))]
        return with_floor([each / sum(support) for each in support], epsilon)
