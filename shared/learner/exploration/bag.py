"""The votes of a bag of learners."""

from collections.abc import Sequence

import msgspec

from shared.learner.exploration.rule import History, Probabilities, Scores, best_of, with_floor


class Bag(msgspec.Struct, frozen=True):
    """The votes of several learners, each of which saw its own random sample of the events.

    Source: ``cb_explore_adf_bag.cc``; online bootstrap after Oza and Russell 2001, section 2.

    Attributes:
        members: How many learners (``--bag``).
        greedify: The first of them sees every event once.
        first_only: A member votes for the first of its best actions, instead of for all that tie.
    """

    members: int
    greedify: bool = False
    first_only: bool = False

    def probabilities(
        self, scores: Sequence[Scores], epsilon: float, history: History
    ) -> Probabilities:
        """Return one probability per action."""
        votes = [0.0] * len(scores[0])
        for costs in scores:
            best = best_of(costs, self.first_only)
            for action in best:
                votes[action] += 1.0 / len(best)
        return with_floor([each / len(scores) for each in votes], epsilon)
