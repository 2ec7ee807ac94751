"""From scores to the probability of each action.

Scores are Vowpal Wabbit's: predicted **costs**, so the lowest is the best. Every rule is given the
scores of its members (most have one) and answers with one probability per action, in the order of
the scores, each at least ``epsilon / actions``: importance weights stay bounded, and what is best
today can be found out to be worse tomorrow.
"""

import heapq
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TIE = 1e-4
"""Scores this close, relative to their size, count as equal (``fill_tied`` in VW)."""

_ALL = 0.999
"""An epsilon above this means uniform (``enforce_minimum_probability`` in VW)."""

Scores = Sequence[float]
Probabilities = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class History:
    """What a rule may know of the past.

    Attributes:
        events: Decisions learned so far.
        lowest: Lowest cost seen, or 0.
        highest: Highest cost seen, or 0.
    """

    events: int = 0
    lowest: float = 0.0
    highest: float = 0.0


def best_first(scores: Scores) -> tuple[int, ...]:
    """Return the actions by rising cost; equal ones in their given order."""
    return tuple(sorted(range(len(scores)), key=scores.__getitem__))


@dataclass(frozen=True, slots=True)
class EpsilonGreedy:
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
        best = _best(costs, self.first_only)
        top = floor + (1.0 - epsilon) / len(best)
        found = [floor] * len(costs)
        for action in best:
            found[action] = top
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Softmax:
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


@dataclass(frozen=True, slots=True)
class ExploreFirst:
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


@dataclass(frozen=True, slots=True)
class Bag:
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
            best = _best(costs, self.first_only)
            for action in best:
                votes[action] += 1.0 / len(best)
        return with_floor([each / len(scores) for each in votes], epsilon)


@dataclass(frozen=True, slots=True)
class Cover:
    """The choices of several policies, each of which was taught to differ from those before it.

    Source: ``cb_explore_adf_cover.cc``; Agarwal et al. 2014, "Taming the Monster".

    Attributes:
        members: How many policies (``--cover``).
        psi: What it is worth to a policy to choose what the ones before it do not.
        first_only: A policy chooses the first of its best actions, instead of all that tie.
        decays: Without an ``--epsilon``, exploration shrinks with the root of the events.
    """

    members: int
    psi: float = 1.0
    first_only: bool = False
    decays: bool = False

    def probabilities(
        self, scores: Sequence[Scores], epsilon: float, history: History
    ) -> Probabilities:
        """Return one probability per action."""
        size = len(scores[0])
        shares = [0.0] * size
        for costs in scores:
            self.choose(costs, shares)
        return with_floor(shares, size * self.floor(epsilon, size, history.events))

    def choose(self, scores: Scores, shares: list[float]) -> list[int]:
        """Add a policy's part to the shares of its best actions; return these."""
        best = list(_best(scores, self.first_only))
        for action in best:
            shares[action] += 1.0 / self.members / len(best)
        return best

    def floor(self, epsilon: float, n_actions: int, events: int) -> float:
        """Return the probability that every action keeps."""
        if self.decays and events:
            return min(epsilon / n_actions, epsilon / math.sqrt(events * n_actions))
        return epsilon / n_actions


@dataclass(frozen=True, slots=True)
class SyntheticCover:
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


Exploration = EpsilonGreedy | Softmax | SquareCB | ExploreFirst | Bag | Cover | SyntheticCover


def with_floor(probabilities: Sequence[float], epsilon: float) -> Probabilities:
    """Return the nearest distribution that gives every action at least its share of epsilon.

    The nearest by Euclidean distance; source: Duchi et al. 2008, "Efficient projections onto the
    l1-ball", figure 1, as in VW's ``enforce_minimum_probability``.
    """
    size = len(probabilities)
    floor = epsilon / size
    if epsilon > _ALL:
        return (1.0 / size,) * size
    if min(probabilities) >= floor:
        return tuple(probabilities)
    above = [each - floor for each in probabilities]
    shift = 0.0
    for count, total in enumerate(itertools.accumulate(sorted(above, reverse=True)), 1):
        candidate = (total - (1.0 - epsilon)) / count
        if count > 1 and candidate <= shift:
            break
        shift = candidate
    return tuple(max(each - shift, 0.0) + floor for each in above)


def _best(scores: Scores, first_only: bool) -> Sequence[int]:
    """Return the best action and, if wanted, those whose scores tie with it."""
    best = min(scores)
    if first_only:
        return [scores.index(best)]
    size = abs(best)
    return [
        action for action, score in enumerate(scores) if score - best <= TIE * (abs(score) + size)
    ]
