"""What a decision may cost, by what is asked for: never by what is remembered from others.

Vowpal Wabbit combines whatever it is given. Here a decision is one request among many in a process,
so one that would keep the others waiting is refused, the first time and every other time.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from shared.learner.arguments import LearningSettings
from shared.learner.exploration import Exploration, RandomNetworks, RegCB, SquareCB
from shared.learner.features import FeatureError, Shape
from shared.learner.interactions import (
    SLOT_INDEX_NAMESPACE,
    WILDCARD,
    counts,
    unfilled,
    with_slot_index,
)
from shared.learner.recently_used import RecentlyUsed

MOST = 20_000_000
"""Units of effort for one decision; a unit is about what weighing one term takes, 20 ns."""

_PER_NEW_TERM = 3
_PER_TERM_OF_EVIDENCE = 3
_PER_COMBINATION = {2: 500}
_PER_HIGHER_COMBINATION = 1500
"""Units for a combination of namespaces, by its order: it is compiled for each new shape."""

_SHAPES_BUDGET = 4 << 20


class Effort(NamedTuple):
    """What actions of one shape take: ``each`` time that one is weighed, and ``once``.

    By all members of a policy, and with what its exploration asks beside scores.
    """

    each: int
    once: int


class Repeats(NamedTuple):
    """How often the actions of a decision are weighed, and by how many shapes of context."""

    slots: int = 1
    contexts: int = 1


ONCE = Repeats()


class Efforts:
    """Tells the effort that shapes take under a policy's interactions; safe for threads."""

    def __init__(self, settings: LearningSettings) -> None:
        """Combine as ``settings`` do."""
        self._settings = settings
        self._members = len(settings.offsets)
        self._questions = questions(settings.exploration)
        self._known: RecentlyUsed[tuple[Shape, Shape], Effort] = RecentlyUsed(_SHAPES_BUDGET)

    def require(self, actions: Mapping[Shape, int], context: Shape, repeats: Repeats) -> None:
        """Refuse a decision that takes too much.

        Args:
            actions: How many there are of each shape.
            context: The shape of what they share.
            repeats: How often they are weighed in the decision.

        Raises:
            FeatureError: It would take more than ``MOST``.
        """
        total = 0
        for shape, count in actions.items():
            each, once = self.of(shape, context)
            total += repeats.slots * count * each + repeats.contexts * once
        if total > MOST:
            raise FeatureError(
                f"the features of all actions combine to {total / MOST:.2g} times what one "
                "decision may take; use fewer features, less nested ones, or fewer interactions"
            )

    def of(self, action: Shape, context: Shape) -> Effort:
        """Return the effort for a shape, not less than it is: some terms may be counted twice."""
        key = (action, context)
        found = self._known.get(key)
        if found is None:
            found = self._of(action, context)
            self._known.put(key, found, 300 + 100 * (len(action) + len(context)))
        return found

    def _of(self, action: Shape, context: Shape) -> Effort:
        sizes: dict[int, int] = {}
        for namespace, size in (*action, *context):
            if counts(namespace, self._settings.ignore, self._settings.keep):
                sizes[namespace] = sizes.get(namespace, 0) + size
        patterns = self._once_each(self._settings.interactions)
        numbered = SLOT_INDEX_NAMESPACE in sizes
        filled = self._once_each(with_slot_index(patterns)) if numbered else patterns
        each, once = self._terms(filled, sizes)
        each, once = self._members * each, self._members * once
        if self._questions:
            terms, compiling = self._terms(unfilled(patterns, numbered), sizes)
            each += _PER_TERM_OF_EVIDENCE * self._questions * terms
            once += compiling
        return Effort(each, once)

    def _once_each(self, patterns: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return patterns without copies, unless these count."""
        return patterns if self._settings.duplicate_interactions else tuple(dict.fromkeys(patterns))

    def _terms(self, patterns: tuple[bytes, ...], sizes: Mapping[int, int]) -> tuple[int, int]:
        """Return how many terms patterns make of namespaces, and what it takes to compile them."""
        features = sum(sizes.values())
        terms, compiling = features, 0
        for pattern in patterns:
            named = [sizes.get(namespace, 0) for namespace in pattern if namespace != WILDCARD]
            wilds = len(pattern) - len(named)
            terms += math.prod(named) * self._choices(features, wilds)
            if all(named):
                per = _PER_COMBINATION.get(len(pattern), _PER_HIGHER_COMBINATION)
                compiling += per * self._choices(len(sizes), wilds)
        return terms, _PER_NEW_TERM * terms + compiling

    def _choices(self, of: int, times: int) -> int:
        """Return in how many ways ``times`` of so many can be combined."""
        if self._settings.duplicate_interactions:
            return int(of**times)
        return math.comb(max(0, of + times - 1), times)


def questions(exploration: Exploration) -> int:
    """Return how often an exploration has an action's terms weighed, beside its scores."""
    match exploration:
        case RegCB(costs=costs) | SquareCB(costs=costs) if costs:
            return 1
        case RandomNetworks() as networks:
            return networks.networks
    return 0


@lru_cache(maxsize=4)
def efforts_of(settings: LearningSettings) -> Efforts:
    """Return efforts that all members of a policy, and all its models, share."""
    return Efforts(settings)
