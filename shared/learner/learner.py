"""A contextual-bandit learner: one logged decision at a time, in order."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings
from shared.learner.cost_estimates import MultiTaskRegression
from shared.learner.features import (
    CONSTANT_HASH,
    FeatureError,
    action_features,
    shared_features,
    split_decision,
)
from shared.learner.gradient_descent import GradientDescent
from shared.learner.interactions import hashes, plan, products
from shared.learner.policy import Policy


@dataclass(frozen=True, slots=True)
class Example:
    """A logged decision and how it turned out.

    Attributes:
        context: The decision's JSON text, made by ``layout.decision_json``.
        chosen: Position of the chosen action in its ``_multi``.
        cost: Negative reward.
        probability: Chance of the chosen action under the policy that acted.
    """

    context: bytes
    chosen: int
    cost: float
    probability: float


class Learner:
    """Learns costs of actions. The same examples in the same order give the same bits.

    Attributes:
        settings: What it was made with.
        learned: Examples learned.
        skipped: Examples left out because a number in them was not finite or could not be read.
    """

    def __init__(self, settings: LearningSettings) -> None:
        """Know nothing yet."""
        self.settings = settings
        self.regressor = GradientDescent(settings)
        self.estimate = MultiTaskRegression()
        self.learned = 0
        self.skipped = 0
        self._mask = np.uint32((1 << settings.bits) - 1)

    def learn(self, example: Example) -> None:
        """Learn one example; one that cannot be used is counted and changes nothing else."""
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # found again by the regressor
                slots, values, n_actions = self._chosen_features(example)
        except (FeatureError, IndexError):
            self.skipped += 1
            return
        estimate = self.estimate
        importance = MultiTaskRegression(estimate.events, estimate.actions)
        weight = importance.importance(n_actions, example.probability, self.settings.clip_p)
        if self.regressor.learn(slots, values, example.cost, weight):
            self.estimate = importance
            self.regressor.time += 1.0
            self.learned += 1
        else:
            self.skipped += 1

    def learn_many(self, examples: Iterable[Example]) -> None:
        """Learn examples one after the other."""
        for example in examples:
            self.learn(example)

    def policy(self) -> Policy:
        """Return what has been learned so far; later learning does not change it."""
        return Policy(self.settings, self.regressor.weights.copy())

    def _chosen_features(
        self, example: Example
    ) -> tuple[NDArray[np.intp], NDArray[np.float32], int]:
        """Return the chosen action's slots and values, in Vowpal Wabbit's order."""
        members, actions = split_decision(example.context)
        action = action_features(bytes(actions[example.chosen]))
        context = shared_features(members)
        terms = plan(
            self.settings.interactions, action.shape, context.shape, self.settings.constant
        )
        row = np.concatenate((action.hashes, np.array([CONSTANT_HASH], np.uint32), context.hashes))
        values = np.concatenate((action.values, np.ones(1, np.float32), context.values))
        found = [hashes(block, row) for block in terms.terms]
        slots = np.concatenate(found) & self._mask
        return (
            slots.astype(np.intp),
            np.concatenate([products(block, values) for block in terms.terms]),
            len(actions),
        )
