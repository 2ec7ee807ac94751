"""Softmax."""

import math
from collections.abc import Sequence

import msgspec

from shared.learner.exploration.rule import History, Probabilities, Scores, with_floor


class Softmax(msgspec.Struct, frozen=True):
    """Probabilities proportional to ``exp(-inverse_temperature * cost)``.

    Source: ``generate_softmax`` in VW's explore library.

    Attributes:
        inverse_temperature: ``--lambda``: 0 is uniform, more is greedier.
    """

    inverse_temperature: float = 1.0
    members = 1

    def probabilities(
        self, scores: Sequence[Scores], epsilon: float, history: History
    ) -> Probabilities:
        """Return one probability per action."""
        (costs,) = scores
        best = min(costs)
        odds = [math.exp(-self.inverse_temperature * (cost - best)) for cost in costs]
        total = math.fsum(odds)
        return with_floor([each / total for each in odds], epsilon)
