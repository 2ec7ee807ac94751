"""From predicted costs to the probability of each action."""

from collections.abc import Sequence

TIE = 1e-4
"""Costs this close, relative to their size, count as equal (``fill_tied`` in VW)."""


def best_first(costs: Sequence[float]) -> tuple[int, ...]:
    """Return the actions by rising cost; equal ones in their given order."""
    return tuple(sorted(range(len(costs)), key=costs.__getitem__))


def epsilon_greedy(
    costs: Sequence[float], epsilon: float, *, first_only: bool = False
) -> tuple[float, ...]:
    """Return the probability of each action under epsilon-greedy exploration.

    Every action keeps at least ``epsilon / len(costs)``, so a logged probability is zero only
    where the owner allows no exploration, and importance weights stay bounded.

    Args:
        costs: Predicted cost per action; lower is better.
        epsilon: Share of decisions spent exploring, between 0 and 1.
        first_only: Give the greedy share to the first best action, instead of to all that tie.

    Returns:
        One probability per action, in the order of ``costs``.
    """
    best = min(costs)
    floor = epsilon / len(costs)
    if first_only:
        probabilities = [floor] * len(costs)
        probabilities[costs.index(best)] += 1.0 - epsilon
        return tuple(probabilities)
    size = abs(best)
    tied = [cost - best <= TIE * (abs(cost) + size) for cost in costs]
    top = floor + (1.0 - epsilon) / sum(tied)
    return tuple(top if tie else floor for tie in tied)
