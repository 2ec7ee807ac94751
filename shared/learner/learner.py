"""A contextual-bandit learner: one logged decision at a time, in order."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings
from shared.learner.cost_estimates import MultiTaskRegression
from shared.learner.features import (
    FeatureError,
    Features,
    action_features,
    shared_features,
    split_decision,
)
from shared.learner.gradient_descent import GradientDescent
from shared.learner.hashing import CONSTANT_HASH
from shared.learner.interactions import Plan, hashes, interactions_of, products
from shared.learner.policy import Policy

_CONSTANT = np.array([CONSTANT_HASH], np.uint32)
_ONE = np.ones(1, np.float32)
_EXAMPLES_AT_ONCE = 256
_TERMS_AT_ONCE = 1 << 19


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


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """An example that was read: features of its chosen action and context, not yet combined."""

    example: Example
    n_actions: int
    action: Features
    context: Features
    plan: Plan


class Learner:
    """Learns costs of actions. The same examples in the same order give the same bits.

    Attributes:
        settings: What it was made with.
        regressor: What it has learned.
        estimate: How many decisions and actions it has learned from.
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
        self._interactions = interactions_of(
            settings.interactions, settings.constant, settings.ignore_linear
        )

    def learn(self, example: Example) -> None:
        """Learn one example; one that cannot be used is counted and changes nothing else."""
        self.learn_many((example,))

    def learn_many(self, examples: Iterable[Example]) -> None:
        """Learn examples one after the other; only their features are combined many at once."""
        rest = iter(examples)
        with np.errstate(all="ignore"):
            while batch := list(itertools.islice(rest, _EXAMPLES_AT_ONCE)):
                self._learn_batch(batch)

    def policy(self) -> Policy:
        """Return what has been learned so far; later learning does not change it."""
        return Policy(self.settings, self.regressor.weights.copy())

    def _learn_batch(self, batch: Iterable[Example]) -> None:
        waiting: list[_Read] = []
        terms = 0
        for example in batch:
            read = self._read(example)
            if read is None:
                self.skipped += 1
                continue
            waiting.append(read)
            terms += read.plan.size
            if terms > _TERMS_AT_ONCE:
                self._learn_read(waiting)
                waiting, terms = [], 0
        self._learn_read(waiting)

    def _read(self, example: Example) -> _Read | None:
        """Return an example's features; None if it cannot be learned."""
        if not (math.isfinite(example.cost) and 0.0 < example.probability < math.inf):
            return None
        try:
            members, actions = split_decision(example.context)
            if not 0 <= example.chosen < len(actions):
                return None
            action = action_features(bytes(actions[example.chosen]))
            context = shared_features(members)
            plan = self._interactions.plan(action.shape, context.shape)
        except FeatureError:
            return None
        return _Read(example, len(actions), action, context, plan)

    def _learn_read(self, waiting: Sequence[_Read]) -> None:
        regressor, estimate, clip_p = self.regressor, self.estimate, self.settings.clip_p
        for read, (slots, values) in zip(waiting, self._combined(waiting), strict=True):
            example = read.example
            weight = estimate.importance(read.n_actions, example.probability, clip_p)
            if regressor.learn(slots, values, example.cost, weight):
                estimate.count(read.n_actions)
                self.learned += 1
            else:
                self.skipped += 1

    def _combined(
        self, waiting: Sequence[_Read]
    ) -> list[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Return slots and values of each example's terms, in Vowpal Wabbit's order."""
        by_plan: dict[int, list[int]] = {}
        for position, read in enumerate(waiting):
            by_plan.setdefault(id(read.plan), []).append(position)
        found: dict[int, tuple[NDArray[np.intp], NDArray[np.float32]]] = {}
        for positions in by_plan.values():
            slots, values = self._combine([waiting[position] for position in positions])
            found.update(zip(positions, zip(slots, values, strict=True), strict=True))
        return [found[position] for position in range(len(waiting))]

    def _combine(self, alike: Sequence[_Read]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Return ``examples x terms`` slots and values of examples with the same plan."""
        hashed = [(read.action.hashes, _CONSTANT, read.context.hashes) for read in alike]
        valued = [(read.action.values, _ONE, read.context.values) for read in alike]
        rows = np.concatenate(list(itertools.chain(*hashed))).reshape(len(alike), -1)
        row_values = np.concatenate(list(itertools.chain(*valued))).reshape(len(alike), -1)
        terms = alike[0].plan.terms
        if not terms:
            return np.zeros((len(alike), 0), np.intp), np.zeros((len(alike), 0), np.float32)
        slots = np.concatenate([hashes(block, rows) for block in terms], axis=1) & self._mask
        values = np.concatenate([products(block, row_values) for block in terms], axis=1)
        return slots.astype(np.intp), values
