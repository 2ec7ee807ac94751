"""From scores to the probability of each action.

Scores are Vowpal Wabbit's: predicted **costs**, so the lowest is the best.
"""

from collections.abc import Sequence

TIE = 1e-4
"""Scores this close, relative to their size, count as equal (``fill_tied`` in VW)."""


def best_first(scores: Sequence[float]) -> tuple[int, ...]:
    """Return the actions by rising cost; equal ones in their given order."""
    return tuple(sorted(range(len(scores)), key=scores.__getitem__))


def epsilon_greedy(
    scores: Sequence[float],
    epsilon: float,
    first_only: bool = False,
    order: Sequence[int] | None = None,
) -> tuple[float, ...]:
    """Return the probability of each action under epsilon-greedy exploration.

    Every action keeps at least ``epsilon / len(scores)``, so a logged probability is zero only
    where the owner allows no exploration, and importance weights stay bounded.

    Args:
        scores: Predicted cost per action; lower is better.
        epsilon: Share of decisions spent exploring, between 0 and 1.
        first_only: Give the greedy share to the first best action, instead of to all that tie.
        order: ``best_first(scores)``, if it is known already.

    Returns:
        One probability per action, in the order of ``scores``.
    """
    order = order or best_first(scores)
    floor = epsilon / len(scores)
    tied = 1 if first_only else _tied(scores, order)
    top = floor + (1.0 - epsilon) / tied
    probabilities = [floor] * len(scores)
    for action in order[:tied]:
        probabilities[action] = top
    return tuple(probabilities)


def _tied(scores: Sequence[float], order: Sequence[int]) -> int:
    """Return how many actions count as equal to the best one."""
    best = scores[order[0]]
    for position, action in enumerate(order):
        score = scores[action]
        if score - best > TIE * (abs(score) + abs(best)):
            return position
    return len(order)
