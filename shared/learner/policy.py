"""What Rank serves: fixed weights and an exploration rule."""

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings
from shared.learner.effort import ONCE, Repeats
from shared.learner.evidence import Evidence
from shared.learner.exploration import History, best_first
from shared.learner.features import (
    FeatureError,
    Features,
    as_texts,
    read_decision,
    shared_features,
)
from shared.learner.gradient_descent import GradientDescent
from shared.learner.large_action_space import LargeActionSpace
from shared.learner.marginals import Marginals, MarginalScorer
from shared.learner.scorer import ContextRow, LiveScorer, Scorer

Floats = NDArray[np.float32]


class Decision(msgspec.Struct, frozen=True, gc=False):
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


def choose(order: Sequence[int], probabilities: Sequence[float], number: float) -> int:
    """Return the index in ``order`` of the action that ``number`` in [0, 1) falls on."""
    total = 0.0
    last = 0
    for index, action in enumerate(order):
        if probabilities[action] > 0.0:
            last = index
            total += probabilities[action]
            if number < total:
                return index
    return last  # the probabilities sum to 1 only up to rounding


def drawn_first(order: Sequence[int], drawn: int) -> tuple[int, ...]:
    """Return the order with the drawn action and the first one swapped.

    As the retired service's client library does (``swap_chosen`` in rlclientlib).
    """
    ranking = list(order)
    ranking[0], ranking[drawn] = ranking[drawn], ranking[0]
    return tuple(ranking)


class Policy:
    """Predicts costs and turns them into probabilities; never changes, safe for threads.

    Attributes:
        settings: What the weights were learned with.
        history: What was learned from.
        knows_slots: Whether the weights tell the slots of a decision apart.
        weights: ``2 ** bits`` of ``float32``, read-only.
    """

    def __init__(
        self,
        settings: LearningSettings,
        weights: Floats,
        history: History | None = None,
        knows_slots: bool = False,
        evidence: Evidence | None = None,
        marginals: Marginals | None = None,
    ) -> None:
        """Keep a read-only view of ``weights`` (``2 ** bits`` of ``float32``).

        Args:
            settings: What the weights mean, and how to explore.
            weights: What was learned.
            history: What the exploration may know of the past.
            knows_slots: Whether the weights tell the slots of a decision apart.
            evidence: What the exploration needs beside scores, if it does.
            marginals: What is known of ids, if the settings ask for it.
        """
        self.settings = settings
        self.history = history or History()
        self.knows_slots = knows_slots
        self._evidence = evidence
        self._large = LargeActionSpace(settings) if settings.large else None
        weights = weights.view()
        weights.setflags(write=False)
        self.weights = weights
        self._scorers: list[Scorer | MarginalScorer] = [
            MarginalScorer(settings, weights, offset, marginals)
            if marginals
            else Scorer(settings, weights, offset)
            for offset in settings.offsets
        ]

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
        return self.decide_within(shared_features(shared, zeros=True), actions)

    def decide_within(
        self,
        context: Features,
        actions: Sequence[bytes],
        offered: Sequence[int] | None = None,
        repeats: Repeats = ONCE,
    ) -> Decision:
        """Return the decision over at least one action, given what all of them have in common.

        With ``offered`` it is one over the actions at these positions, and ignores the others:
        a list of actions that comes again is scored faster than its changing parts.
        ``repeats`` says of how many such decisions it is a part.

        Raises:
            FeatureError: As ``decide``.
        """
        scores = [scorer.scores(context, actions, repeats) for scorer in self._scorers]
        if offered is not None:
            actions = [actions[action] for action in offered]
            scores = [[each[action] for action in offered] for each in scores]
        if self._evidence:
            evidence = self._evidence.evidence(context, actions, scores[0])
            return self._decision(scores, actions, evidence)
        return self._decision(scores, actions)

    def _decision(
        self,
        scores: list[list[float]],
        actions: Sequence[bytes],
        evidence: list[list[float]] | None = None,
    ) -> Decision:
        """Return the decision that follows from each member's scores."""
        probabilities = self._explore(scores + evidence if evidence else scores, actions)
        if evidence or len(scores) == 1:
            return Decision(best_first(scores[0]), probabilities, tuple(scores[0]))
        means = tuple(math.fsum(each) / len(scores) for each in zip(*scores, strict=True))
        order = sorted(range(len(means)), key=lambda a: (-probabilities[a], means[a]))
        return Decision(tuple(order), probabilities, means)

    def _explore(self, scores: list[list[float]], actions: Sequence[bytes]) -> tuple[float, ...]:
        """Return the probability of each action."""
        explore, epsilon = self.settings.exploration.probabilities, self.settings.epsilon
        if not self._large:
            return explore(scores, epsilon, self.history)
        (costs,) = scores
        kept = self._large.kept(actions, costs, self.history)
        found = [0.0] * len(costs)
        among = explore([[costs[action] for action in kept]], epsilon, self.history)
        for action, probability in zip(kept, among, strict=True):
            found[action] = probability
        return tuple(found)

    def decide_json(self, decision: bytes) -> Decision:
        """Return the decision for a whole decision's JSON text, made by ``decision_json``.

        Raises:
            FeatureError: As ``decide``, or the text is not a decision.
        """
        context, actions = read_decision(decision, zeros=True)
        if not actions:
            raise FeatureError("a decision needs an action")
        return self.decide_within(context, as_texts(actions))


class LivePolicy(Policy):
    """Decides by weights that are still being learned; its history is the caller's to keep."""

    def __init__(self, settings: LearningSettings, regressor: GradientDescent) -> None:
        """Use what the regressor has learned whenever a decision is made."""
        super().__init__(settings, regressor.weights)
        self._live = [LiveScorer(settings, regressor, offset) for offset in settings.offsets]
        self._scorers = [*self._live]

    def prepared(self, contexts: Sequence[Features]) -> list[ContextRow]:
        """Return contexts for ``decide_in``; many at once take less time."""
        return self._live[0].prepared(contexts)  # weights have no part in it: it serves all

    def decide_in(self, context: ContextRow, actions: Sequence[bytes]) -> Decision:
        """Return the decision over at least one action.

        Raises:
            FeatureError: As ``decide``.
        """
        return self._decision([each.scores_in(context, actions) for each in self._live], actions)
