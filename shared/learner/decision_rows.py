"""The features of a decision's actions, combined side by side."""

import itertools
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings
from shared.learner.features import Features
from shared.learner.interactions import Plan, hashes, interactions_of, products

_TERMS_AT_ONCE = 1 << 17

Positions = list[int]
Floats = NDArray[np.float32]


class Columns(msgspec.Struct, frozen=True, eq=False):
    """Single features of actions of one shape, the constant among them, and their context's.

    Attributes:
        hashes: ``actions x columns``, not yet cut to the size of a model.
        values: Likewise.
    """

    hashes: NDArray[np.uint32]
    values: Floats

    @staticmethod
    def of(actions: Sequence[Features], context: Features) -> "Columns":
        """Line up actions of one shape and their context."""
        hashed = [action.hashes + context.hashes for action in actions]
        valued = [action.values + context.values for action in actions]
        return Columns(np.array(hashed, np.uint32), np.array(valued, np.float32))


class DecisionRows:
    """Lines up actions and what they share, as ``settings`` combine them."""

    def __init__(self, settings: LearningSettings, *, filled: bool = True) -> None:
        """Combine by ``settings``; ``filled`` as for ``Interactions``."""
        self._interactions = interactions_of(settings, filled)
        self._stride = np.uint32(settings.stride)
        self._mask = np.uint32((1 << settings.bits) - 1)

    def slots(
        self, actions: Sequence[Features], context: Features
    ) -> Iterator[tuple[Positions, NDArray[np.intp], Floats]]:
        """Yield positions of actions of one plan, with ``actions x terms`` slots and values.

        Raises:
            FeatureError: The features combine to too many.
        """
        for positions, plan, columns in self.singles(actions, context):
            yield positions, self.slots_of(plan, columns), combined(plan, columns.values)

    def slots_of(self, plan: Plan, columns: Columns) -> NDArray[np.intp]:
        """Return ``actions x terms`` slots."""
        hashed = columns.hashes * self._stride
        nothing = np.zeros((len(hashed), 0), np.uint32)
        found = [hashes(block, hashed) & self._mask for block in plan.terms]
        return np.concatenate([nothing, *found], axis=1).astype(np.intp)

    def singles(
        self, actions: Sequence[Features], context: Features
    ) -> Iterator[tuple[Positions, Plan, Columns]]:
        """Yield positions of actions of one plan, not too many at once, with what it combines.

        Raises:
            FeatureError: As ``slots``.
        """
        alike: dict[int, tuple[Plan, Positions, list[Features]]] = {}
        for position, action in enumerate(actions):
            plan = self._interactions.plan(action.shape, context.shape)
            _, positions, features = alike.setdefault(id(plan), (plan, [], []))
            positions.append(position)
            features.append(action)
        for plan, positions, features in alike.values():
            step = max(1, _TERMS_AT_ONCE // max(1, plan.size))
            for start in range(0, len(positions), step):
                part = slice(start, start + step)
                yield positions[part], plan, Columns.of(features[part], context)


def combined(plan: Plan, values: Floats) -> Floats:
    """Return ``actions x terms`` values of ``actions x columns`` ones."""
    nothing = np.zeros((len(values), 0), np.float32)
    return np.concatenate([nothing, *(products(block, values) for block in plan.terms)], axis=1)


def without_zeros(context: Features) -> Features:
    """Return the features that count: VW leaves out what is false, null or 0."""
    if all(context.values):
        return context
    counts = [value != 0.0 for value in context.values]
    rest = iter(counts)
    sizes = [(name, sum(itertools.islice(rest, size))) for name, size in context.shape]
    return Features(
        tuple((name, size) for name, size in sizes if size),
        list(itertools.compress(context.hashes, counts)),
        list(itertools.compress(context.values, counts)),
    )
