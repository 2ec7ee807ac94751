"""What all exploration rules share: what they know of the past, ties, and the floor."""

import itertools
from collections.abc import Sequence

import msgspec

TIE = 1e-4
"""Scores this close, relative to their size, count as equal (``fill_tied`` in VW)."""

_ALL = 0.999
"""An epsilon above this means uniform (``enforce_minimum_probability`` in VW)."""

Scores = Sequence[float]
Probabilities = tuple[float, ...]


class History(msgspec.Struct, frozen=True):
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


def best_of(scores: Scores, first_only: bool) -> Sequence[int]:
    """Return the best action and, if wanted, those whose scores tie with it."""
    best = min(scores)
    if first_only:
        return [scores.index(best)]
    size = abs(best)
    limit = best + 3.0 * TIE * size  # none above it ties
    near = [action for action, score in enumerate(scores) if score <= limit]
    if len(near) == 1:
        return near
    return [each for each in near if scores[each] - best <= TIE * (abs(scores[each]) + size)]
