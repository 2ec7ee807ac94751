"""What Rank serves: fixed weights and an exploration rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings
from shared.learner.exploration import best_first, epsilon_greedy
from shared.learner.features import (
    CONSTANT_HASH,
    Features,
    Shape,
    action_features,
    shared_features,
    split_decision,
)
from shared.learner.interactions import Terms, hashes, plan, products


@dataclass(frozen=True, slots=True)
class Decision:
    """How a policy sees a set of actions.

    Attributes:
        order: Positions of the actions, best first.
        probabilities: Chance of each action, in the order in which they were given.
        costs: Predicted cost (negative reward) of each action; empty without a model.
    """

    order: tuple[int, ...]
    probabilities: tuple[float, ...]
    costs: tuple[float, ...] = ()


def uniform(n_actions: int) -> Decision:
    """Return the decision of a loop that has not learned anything yet."""
    return Decision(tuple(range(n_actions)), (1.0 / n_actions,) * n_actions)


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Actions of one shape, side by side.

    Attributes:
        positions: Where they stand in the decision.
        shape: Theirs.
        hashes: ``actions x columns``, the constant in the last column.
        values: Likewise.
    """

    positions: NDArray[np.intp]
    shape: Shape
    hashes: NDArray[np.uint32]
    values: NDArray[np.float32]


class Policy:
    """Predicts costs and turns them into probabilities; never changes, safe for threads."""

    def __init__(self, settings: LearningSettings, weights: NDArray[np.float32]) -> None:
        """Keep a read-only view of ``weights`` (``2 ** bits`` of ``float32``)."""
        self.settings = settings
        self._weights = weights.view()
        self._weights.setflags(write=False)
        self._mask = np.uint32(len(weights) - 1)
        # What depends on actions and weights only is computed once per set of actions.
        self._groups = lru_cache(maxsize=256)(self._compute_groups)

    def decide(
        self, shared: Mapping[str, bytes | msgspec.Raw], actions: Sequence[bytes]
    ) -> Decision:
        """Return the decision over at least one action.

        Args:
            shared: JSON text of the context by namespace, such as ``{"FromUrl": b"[...]"}``.
            actions: Texts made by ``layout.action_json``.

        Raises:
            FeatureError: The features cannot be read, or combine to too many.
        """
        costs = self.costs(shared, actions).tolist()
        return Decision(
            best_first(costs),
            epsilon_greedy(costs, self.settings.epsilon, first_only=self.settings.first_only),
            tuple(costs),
        )

    def decide_json(self, decision: bytes) -> Decision:
        """Return the decision for a whole decision's JSON text, made by ``decision_json``."""
        shared, actions = split_decision(decision)
        return self.decide(shared, [bytes(action) for action in actions])

    def costs(
        self, shared: Mapping[str, bytes | msgspec.Raw], actions: Sequence[bytes]
    ) -> NDArray[np.float32]:
        """Return the predicted cost of each action; one that is not a number counts as 0."""
        context = shared_features(shared)
        groups, own = self._groups(tuple(actions))
        costs = own.copy()
        with np.errstate(all="ignore"):
            for group in groups:
                costs[group.positions] += self._context_cost(group, context)
            finite = np.isfinite(costs)
        return costs if finite.all() else np.where(finite, costs, np.float32(0))

    def _context_cost(self, group: _Group, context: Features) -> NDArray[np.float32]:
        """Return the part of each action's cost that the context has to do with."""
        terms = plan(self.settings.interactions, group.shape, context.shape, self.settings.constant)
        width = group.hashes.shape[1]
        row = np.empty((len(group.positions), width + len(context.hashes)), np.uint32)
        row[:, :width] = group.hashes
        row[:, width:] = context.hashes
        values = np.empty(row.shape, np.float32)
        values[:, :width] = group.values
        values[:, width:] = context.values
        return self._dot(terms.mixed, row, values) + self._dot(terms.common, row[0], values[0])

    def _dot(
        self, terms: Terms, row: NDArray[np.uint32], values: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        total = np.zeros(row.shape[:-1], np.float32)
        for block in terms:
            slots = hashes(block, row)
            slots &= self._mask
            found = self._weights.take(slots)
            found *= products(block, values)
            total += found.sum(axis=-1)
        return total

    def _compute_groups(
        self, actions: tuple[bytes, ...]
    ) -> tuple[list[_Group], NDArray[np.float32]]:
        """Return the actions by shape, and the part of each one's cost that needs no context."""
        by_shape: dict[Shape, list[int]] = {}
        features = [action_features(action) for action in actions]
        for position, action in enumerate(features):
            by_shape.setdefault(action.shape, []).append(position)
        groups = []
        own = np.empty(len(actions), np.float32)
        for shape, positions in by_shape.items():
            size = (len(positions), len(features[positions[0]].hashes) + 1)
            hashed = np.full(size, CONSTANT_HASH, np.uint32)
            values = np.ones(size, np.float32)
            for row, position in enumerate(positions):
                hashed[row, :-1] = features[position].hashes
                values[row, :-1] = features[position].values
            groups.append(_Group(np.array(positions, np.intp), shape, hashed, values))
            terms = plan(self.settings.interactions, shape, (), self.settings.constant)
            with np.errstate(all="ignore"):
                own[positions] = self._dot(terms.terms, hashed, values)
        return groups, own
