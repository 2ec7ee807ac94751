"""Off-policy estimates: what another policy would have earned on decisions that this one logged.

A logged decision whose action had chance ``p`` and reward ``r`` counts for another policy with
weight ``w = pi(action) / p`` (Horvitz and Thompson 1952). Only sums are kept, so the estimate over
any union of logs is exact. Formulas are those of the retired service's evaluations.
"""

import math
from collections.abc import Sequence

import msgspec

Z_95 = 1.96
"""Half of a 95 % interval, in standard errors."""

SAME = 1e-6
"""Probabilities that differ by less are equal."""

NO_PREFERENCE = 0.01
"""Actions whose chances differ by less than such a share of the mean are all alike."""


class Estimate(msgspec.Struct):
    """Sums over logged decisions for one policy.

    Attributes:
        events: Decisions.
        matched: Of these, with a weight above 0.
        weights: Sum of ``w``.
        squared_weights: Sum of ``w²``.
        rewards: Sum of ``w r``.
        squared_rewards: Sum of ``(w r)²``.
    """

    events: int = 0
    matched: int = 0
    weights: float = 0.0
    squared_weights: float = 0.0
    rewards: float = 0.0
    squared_rewards: float = 0.0

    def add(self, weight: float, reward: float) -> None:
        """Count a decision."""
        self.events += 1
        if weight:
            weighted = weight * reward
            self.matched += 1
            self.weights += weight
            self.squared_weights += weight * weight
            self.rewards += weighted
            self.squared_rewards += weighted * weighted

    def merge(self, other: "Estimate") -> None:
        """Add the decisions of another log."""
        self.events += other.events
        self.matched += other.matched
        self.weights += other.weights
        self.squared_weights += other.squared_weights
        self.rewards += other.rewards
        self.squared_rewards += other.squared_rewards

    @property
    def mean(self) -> float | None:
        """Mean reward by inverse propensity scoring: unbiased; None without decisions."""
        return self.rewards / self.events if self.events else None

    @property
    def half_width(self) -> float | None:
        """Half of the mean's 95 % interval; None with fewer than two decisions."""
        if self.events < 2 or self.mean is None:
            return None
        spread = max(0.0, self.squared_rewards - self.events * self.mean**2)
        return Z_95 * math.sqrt(spread / (self.events - 1) / self.events)

    @property
    def self_normalized(self) -> float | None:
        """Mean reward with the weights normalised: slightly biased, less noisy (SNIPS)."""
        return self.rewards / self.weights if self.weights else None

    @property
    def effective_sample_size(self) -> float:
        """How many decisions of its own would be worth as much (Kish 1965)."""
        return self.weights**2 / self.squared_weights if self.squared_weights else 0.0


def most_likely(probabilities: Sequence[float]) -> list[int]:
    """Return the actions that nothing is more likely than."""
    top = max(probabilities) - SAME
    return [action for action, chance in enumerate(probabilities) if chance >= top]


def has_preference(probabilities: Sequence[float]) -> bool:
    """Whether some action is more likely than others; of one action there is none to prefer."""
    spread = max(probabilities) - min(probabilities)
    return len(probabilities) == 1 or spread > NO_PREFERENCE / len(probabilities)
