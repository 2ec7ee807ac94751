"""What Rank serves: fixed weights and an exploration rule."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings
from shared.learner.exploration import History, best_first
from shared.learner.features import (
    FeatureError,
    Features,
    Shape,
    features_of_actions,
    shared_features,
    split_decision,
)
from shared.learner.hashing import CONSTANT_HASH
from shared.learner.interactions import FNV, Pairs, Terms, hashes, interactions_of, products
from shared.learner.recently_used import RecentlyUsed

ACTIONS_BUDGET = 48 << 20
"""Bytes for actions and their own scores, per model; one of 20 features costs about 4 kB."""

SETS_BUDGET = 32 << 20
"""Bytes for sets of actions that are ranked again and again, per model."""

_FEW_TERMS = 256
_SHAPES_KEPT = 4
_BYTES_PER_MIXED = 28
_TERMS_AT_ONCE = 1 << 19

Slots = NDArray[np.intp]
Hashes = NDArray[np.uint32]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Decision:
    """How a policy sees a set of actions.

    Attributes:
        order: Positions of the actions, best first.
        probabilities: Chance of each action, in the order in which they were given.
        scores: Predicted cost (negative reward, so lower is better) of each action; empty
            without a model.
    """

    order: tuple[int, ...]
    probabilities: tuple[float, ...]
    scores: tuple[float, ...] = ()


def uniform(n_actions: int) -> Decision:
    """Return the decision of a loop that has not learned anything yet."""
    return Decision(tuple(range(n_actions)), (1.0 / n_actions,) * n_actions)


@dataclass(slots=True, eq=False)
class _Action:
    """An action that this policy has seen.

    Attributes:
        features: Its own.
        slots: Extended row of hashes (see ``interactions.Pairs``), cut to the model's size.
        values: Extended row of values.
        score: Part of its score that has nothing to do with the context.
        latest: Its parts of the latest mixed pairs.
    """

    features: Features
    slots: Slots
    values: Floats
    score: float
    latest: tuple[Pairs, Slots, Floats] | None = None

    def left(self, pairs: Pairs) -> tuple[Pairs, Slots, Floats]:
        """Return its parts of slots and values of mixed pairs."""
        latest = self.latest
        if latest is None or latest[0] is not pairs:
            latest = pairs, self.slots.take(pairs.left), self.values.take(pairs.left_values)
            if len(pairs.left) <= _FEW_TERMS:
                self.latest = latest
        return latest


@dataclass(frozen=True, slots=True, eq=False)
class _Mixed:
    """Mixed pairs of all actions of a decision, one action behind the other.

    Attributes:
        slots: The actions' parts of the slots.
        values: The actions' parts of the values.
        right: Columns of the context's extended row of hashes.
        right_values: Columns of the context's extended row of values.
        actions: Positions of the actions that have such terms.
        starts: Where the terms of each of these begin.
    """

    slots: Slots
    values: Floats
    right: Slots
    right_values: Slots
    actions: Slots
    starts: Slots

    @staticmethod
    def of(actions: Sequence[_Action], pairs: Sequence[Pairs], first: int) -> "_Mixed":
        """Line up actions, the first of which is at position ``first``, and their pairs."""
        parts = [action.left(pair) for action, pair in zip(actions, pairs, strict=True)]
        sizes = np.array([len(pair.left) for pair in pairs])
        used = np.flatnonzero(sizes)
        return _Mixed(
            slots=np.concatenate([slots for _, slots, _ in parts]),
            values=np.concatenate([values for _, _, values in parts]),
            right=np.concatenate([pair.right for pair in pairs]),
            right_values=np.concatenate([pair.right_values for pair in pairs]),
            actions=used + first,
            starts=(np.cumsum(sizes) - sizes)[used],
        )


class _Set:
    """Actions that are ranked together.

    Attributes:
        actions: They.
        scores: Each one's own score.
        budget: Bytes that the mixed pairs with one shape of context may take to be kept.
        mixed: Their mixed pairs with the latest shapes of context, in parts of bounded size.
    """

    def __init__(self, actions: Sequence[_Action]) -> None:
        self.actions = actions
        self.scores = np.array([action.score for action in actions], np.float32)
        self.budget = 16384 + 4096 * len(actions)
        self.mixed: dict[Shape, list[_Mixed]] = {}

    def keep(self, context: Shape, parts: list[_Mixed]) -> None:
        """Remember the mixed pairs with a shape of context."""
        if len(self.mixed) >= _SHAPES_KEPT:
            self.mixed = {}
        self.mixed[context] = parts


class Policy:
    """Predicts costs and turns them into probabilities; never changes, safe for threads."""

    def __init__(
        self, settings: LearningSettings, weights: Floats, history: History | None = None
    ) -> None:
        """Keep a read-only view of ``weights`` (``2 ** bits`` of ``float32``)."""
        self.settings = settings
        self.history = history or History()
        weights = weights.view()
        weights.setflags(write=False)
        members = settings.exploration.members
        step = settings.width // members
        self._scorers = [Scorer(settings, weights, step * member) for member in range(members)]

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
        settings = self.settings
        scores: list[list[float]] = [
            scorer.scores(shared, actions).tolist() for scorer in self._scorers
        ]
        probabilities = settings.exploration.probabilities(scores, settings.epsilon, self.history)
        if len(scores) == 1:
            return Decision(best_first(scores[0]), probabilities, tuple(scores[0]))
        means = tuple(math.fsum(each) / len(scores) for each in zip(*scores, strict=True))
        order = sorted(range(len(means)), key=lambda a: (-probabilities[a], means[a]))
        return Decision(tuple(order), probabilities, means)

    def decide_json(self, decision: bytes) -> Decision:
        """Return the decision for a whole decision's JSON text, made by ``decision_json``.

        Raises:
            FeatureError: As ``decide``, or the text is not a decision.
        """
        shared, actions = split_decision(decision)
        if not actions:
            raise FeatureError("a decision needs an action")
        return self.decide(shared, [bytes(action) for action in actions])


class Scorer:
    """Predicts costs by one member of a policy; never changes, safe for threads."""

    def __init__(self, settings: LearningSettings, weights: Floats, offset: int) -> None:
        """Use the ``offset``-th of the weights that each feature has."""
        self._weights = weights
        self._mask = np.uint32(len(weights) - 1)
        self._stride = np.uint32(settings.stride)
        self._offset = offset
        self._interactions = interactions_of(
            settings.interactions,
            settings.constant,
            settings.ignore_linear,
            settings.ignore,
            settings.keep,
        )
        self._has_higher = any(len(pattern) > 2 for pattern in settings.interactions)
        budgets = settings.exploration.members
        self._actions: RecentlyUsed[bytes, _Action] = RecentlyUsed(ACTIONS_BUDGET // budgets)
        self._sets: RecentlyUsed[tuple[bytes, ...], _Set] = RecentlyUsed(SETS_BUDGET // budgets)

    def scores(self, shared: Mapping[str, bytes | msgspec.Raw], actions: Sequence[bytes]) -> Floats:
        """Return the predicted cost of each action; one that is not a number counts as 0."""
        context = shared_features(shared)
        with np.errstate(all="ignore"):
            known = self._set(tuple(actions))
            slots, values = self._extended(context.hashes[None], context.values[None])
            common = self._interactions.plan((), context.shape)
            scores: Floats = known.scores + self._within(common.common, slots, values)
            for part in self._mixed(known, context.shape):
                found = self._weigh(part.slots ^ slots[0].take(part.right))
                found *= part.values
                found *= values[0].take(part.right_values)
                scores[part.actions] += np.add.reduceat(found, part.starts)
            if self._has_higher:
                scores += self._higher(
                    common.higher_common, context.hashes[None], context.values[None]
                )
                self._add_higher_mixed(scores, known.actions, context)
            if not math.isfinite(np.add.reduce(scores)):
                scores[~np.isfinite(scores)] = 0.0
        return scores

    def _mixed(self, known: _Set, context: Shape) -> list[_Mixed]:
        """Return the mixed pairs of a set's actions and a shape of context."""
        parts = known.mixed.get(context)
        if parts is not None:
            return parts
        shapes = dict.fromkeys(action.features.shape for action in known.actions)
        pairs = {shape: self._interactions.plan(shape, context).mixed for shape in shapes}
        every = [pairs[action.features.shape] for action in known.actions]
        sizes = [len(each.left) for each in every]
        most = max(1, _TERMS_AT_ONCE // max(1, *sizes))
        parts = [
            _Mixed.of(known.actions[first : first + most], every[first : first + most], first)
            for first in range(0, len(every), most)
            if any(sizes[first : first + most])
        ]
        if sum(sizes) * _BYTES_PER_MIXED <= known.budget:
            known.keep(context, parts)
        return parts

    def _within(self, pairs: Pairs, slots: Slots, values: Floats) -> Floats:
        """Return each row's sum of pairs within its extended rows ``slots`` and ``values``."""
        rows = len(slots)
        if rows > 1 and rows * len(pairs.left) > _TERMS_AT_ONCE:
            half = rows // 2
            return np.concatenate(
                (
                    self._within(pairs, slots[:half], values[:half]),
                    self._within(pairs, slots[half:], values[half:]),
                )
            )
        found = self._weigh(slots.take(pairs.left, axis=1) ^ slots.take(pairs.right, axis=1))
        found *= values.take(pairs.left_values, axis=1)
        found *= values.take(pairs.right_values, axis=1)
        total: Floats = np.add.reduce(found, axis=1)
        return total

    def _add_higher_mixed(
        self, scores: Floats, actions: Sequence[_Action], context: Features
    ) -> None:
        """Add the terms of three and more features of actions and context to the scores."""
        by_shape: dict[Shape, list[int]] = {}
        for position, action in enumerate(actions):
            by_shape.setdefault(action.features.shape, []).append(position)
        for shape, positions in by_shape.items():
            size = len(positions), len(context.values)
            own = [actions[position].features for position in positions]
            hashed, values = _with_constant(own)
            scores[positions] += self._higher(
                self._interactions.plan(shape, context.shape).higher_mixed,
                np.concatenate((hashed, np.broadcast_to(context.hashes, size)), axis=1),
                np.concatenate((values, np.broadcast_to(context.values, size)), axis=1),
            )

    def _higher(self, terms: Terms, row: Hashes, values: Floats) -> Floats:
        """Return each row's sum of terms.

        Args:
            terms: What to combine.
            row: ``rows x columns`` hashes.
            values: Likewise.
        """
        total = np.zeros(len(row), np.float32)
        for block in terms:
            step = max(1, _TERMS_AT_ONCE // block.shape[1])
            for start in range(0, len(row), step):
                part = slice(start, start + step)
                found = self._weigh(hashes(block, row[part] * self._stride) & self._mask)
                found *= products(block, values[part])
                total[part] += np.add.reduce(found, axis=1)
        return total

    def _weigh(self, slots: Hashes | Slots) -> Floats:
        """Return the weights of slots, which are cut to the model's size."""
        if self._offset:
            slots = (slots + self._offset) & self._mask
        return self._weights.take(slots)

    def _extended(self, hashed: Hashes, values: Floats) -> tuple[Slots, Floats]:
        """Return the extended rows of hashes, cut to the model's size, and of values."""
        rows, width = hashed.shape
        if self._stride > 1:
            hashed = hashed * self._stride
        slots = np.zeros((rows, 2 * width + 1), np.intp)
        np.bitwise_and(hashed, self._mask, out=slots[:, 1 : width + 1])
        np.bitwise_and(hashed * FNV, self._mask, out=slots[:, width + 1 :])
        extended = np.ones((rows, width + 1), np.float32)
        extended[:, 1:] = values
        return slots, extended

    def _set(self, texts: tuple[bytes, ...]) -> _Set:
        """Return the actions side by side."""
        known = self._sets.get(texts)
        if known is None:
            known = _Set(self._known(texts))
            cost = sum(map(len, texts)) + _SHAPES_KEPT * known.budget
            self._sets.put(texts, known, cost)
        return known

    def _known(self, texts: tuple[bytes, ...]) -> list[_Action]:
        """Return the actions; those not seen before are worked out together."""
        found = [self._actions.get(text) for text in texts]
        if None in found:
            new = self._compute([t for t, action in zip(texts, found, strict=True) if not action])
            found = [action or new[text] for text, action in zip(texts, found, strict=True)]
        return found  # type: ignore[return-value]  # none is None any more

    def _compute(self, texts: Sequence[bytes]) -> dict[bytes, _Action]:
        """Return actions that have not been seen before, worked out shape by shape."""
        by_shape: dict[Shape, list[tuple[bytes, Features]]] = {}
        for text, features in zip(texts, features_of_actions(texts), strict=True):
            by_shape.setdefault(features.shape, []).append((text, features))
        actions = {}
        for shape, alike in by_shape.items():
            plan = self._interactions.plan(shape, ())
            hashed, values = _with_constant([features for _, features in alike])
            slots, extended = self._extended(hashed, values)
            scores = self._within(plan.own, slots, extended)
            if plan.higher_own:
                scores += self._higher(plan.higher_own, hashed, values)
            for (text, features), *rest in zip(
                alike, slots, extended, scores.tolist(), strict=True
            ):
                actions[text] = _Action(features, *rest)
                cost = len(text) + 24 * extended.shape[1] + 12 * _FEW_TERMS + 800
                self._actions.put(text, actions[text], cost)
        return actions


def _with_constant(features: Sequence[Features]) -> tuple[Hashes, Floats]:
    """Return rows of hashes and values of the same shape, the constant in the last column."""
    width = len(features[0].values) + 1
    hashed = np.full((len(features), width), CONSTANT_HASH, np.uint32)
    values = np.ones((len(features), width), np.float32)
    if width > 1:
        hashed[:, :-1] = [each.hashes for each in features]
        values[:, :-1] = [each.values for each in features]
    return hashed, values
