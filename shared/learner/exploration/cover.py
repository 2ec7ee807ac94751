"""Online cover."""

import math
from collections.abc import Sequence
from typing import TypeVar

import msgspec
import numpy as np

from shared.learner.exploration.rule import History, Probabilities, Scores, best_of, with_floor

Number = TypeVar("Number", float, np.float32)


class Cover(msgspec.Struct, frozen=True):
    """The choices of several policies, each of which was taught to differ from those before it.

    Source: ``cb_explore_adf_cover.cc``; Agarwal et al. 2014, "Taming the Monster".

    Attributes:
        members: How many policies (``--cover``).
        psi: What it is worth to a policy to choose what the ones before it do not.
        first_only: A policy chooses the first of its best actions, instead of all that tie.
        decays: Without an ``--epsilon``, exploration shrinks with the root of the events.
        chosen_only: The floor is for actions that a policy chose; all others get nothing.
    """

    members: int
    psi: float = 1.0
    first_only: bool = False
    decays: bool = False
    chosen_only: bool = False

    def probabilities(
        self, scores: Sequence[Scores], epsilon: float, history: History
    ) -> Probabilities:
        """Return one probability per action."""
        size = len(scores[0])
        shares = [0.0] * size
        for costs in scores:
            self.choose(costs, shares)
        share = size * self.floor(epsilon, size, history.events)
        if not self.chosen_only:
            return with_floor(shares, share)
        chosen = iter(with_floor([each for each in shares if each], share))
        return tuple(next(chosen) if each else 0.0 for each in shares)

    def choose(self, scores: Scores, shares: list[Number]) -> list[int]:
        """Add a policy's part to the shares of its best actions; return these."""
        best = list(best_of(scores, self.first_only))
        for action in best:
            shares[action] += 1.0 / self.members / len(best)
        return best

    def floor(self, epsilon: Number, n_actions: int, events: int) -> Number:
        """Return the probability that every action keeps, in epsilon's kind of number."""
        if self.decays and events:
            return min(epsilon / n_actions, epsilon / math.sqrt(events * n_actions))
        return epsilon / n_actions
