"""Synthetic cover."""

import heapq
from collections.abc import Sequence

import msgspec
import numpy as np

from shared.learner.exploration.rule import History, Probabilities, Scores, with_floor


class SyntheticCover(msgspec.Struct, frozen=True):
    """The choices of imaginary policies; the more choose an action, the dearer it gets.

    Source: ``cb_explore_adf_synthcover.cc``.

    Attributes:
        size: Imaginary policies (``--synthcoversize``).
        bonus: Cost added to an action for each whole share it has (``--synthcoverpsi``).
    """

    size: int = 100
    bonus: float = 0.1
    members = 1

    def probabilities(
        self, scores: Sequence[Scores], epsilon: float, history: History
    ) -> Probabilities:
        """Return one probability per action."""
        (costs,) = scores
        if len(costs) == 1:
            return (1.0,)
        share = np.float32(1.0 / self.size)
        step = share * np.float32(self.bonus)
        low, high = history.lowest, history.highest
        heap = [(np.float32(min(max(c, low), high)), action) for action, c in enumerate(costs)]
        heapq.heapify(heap)
        chosen = [0] * len(costs)
        left = self.size
        while left:
            cost, action = heapq.heappop(heap)
            while left and cost <= heap[0][0]:
                chosen[action] += 1
                cost += step
                left -= 1
            heapq.heappush(heap, (cost, action))
        return with_floor([each / self.size for each in chosen], epsilon)
