"""A contextual-bandit learner: one logged decision at a time, in order."""

import contextlib
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import numpy as np
from msgspec.structs import replace

from shared.learner.arguments import LearningSettings
from shared.learner.cost_estimates import MultiTaskRegression
from shared.learner.effort import ONCE, efforts_of
from shared.learner.evidence import evidence_of
from shared.learner.exploration import Bag, Cover, History, RandomNetworks, RegCB, SquareCB
from shared.learner.features import (
    FeatureError,
    Features,
    as_texts,
    features_of_actions,
    read_decision,
    shared_features,
)
from shared.learner.gradient_descent import GradientDescent, Row
from shared.learner.interactions import Plan, hashes, interactions_of, products
from shared.learner.marginals import MarginalDescent, Marginals, Paired, paired
from shared.learner.novelty import Novelty
from shared.learner.policy import Decision, LivePolicy, Policy
from shared.learner.sampling import Sampling
from shared.learner.scorer import ContextRow
from shared.learner.slot_features import NO_SLOT, are_numbered, contexts, read_slots, split_slots

_EXAMPLES_AT_ONCE = 256
_TERMS_AT_ONCE = 1 << 19


class Example(msgspec.Struct, frozen=True, gc=False):
    """A logged decision and how it turned out.

    Attributes:
        context: The decision's JSON text, made by ``layout.decision_json``.
        chosen: Position of the chosen action in its ``_multi``.
        cost: Negative reward.
        probability: Chance of the chosen action under the policy that acted.
        weight: How many such decisions it stands for.
    """

    context: bytes
    chosen: int
    cost: float
    probability: float
    weight: float = 1.0

    @property
    def costs(self) -> tuple[float, ...]:
        """Its cost, as the costs of a decision over slots."""
        return (self.cost,)


class Outcome(msgspec.Struct, frozen=True):
    """What is known of one slot of a logged decision.

    Attributes:
        chosen: Position of the chosen action in the decision's ``_multi``.
        cost: Negative reward; None if it is not to be learned.
        probability: Chance of the chosen action under the policy that acted.
    """

    chosen: int
    cost: float | None
    probability: float


class SlotsExample(msgspec.Struct, frozen=True):
    """A logged decision over slots and how it turned out.

    Attributes:
        context: The decision's JSON text, made by ``layout.slots_json``.
        outcomes: One for each slot, from the first; None, or none any more, where nothing is known.
        weight: How many such decisions it stands for.
    """

    context: bytes
    outcomes: tuple[Outcome | None, ...]
    weight: float = 1.0

    @property
    def costs(self) -> tuple[float, ...]:
        """Those that are to be learned."""
        known = (outcome.cost for outcome in self.outcomes if outcome)
        return tuple(cost for cost in known if cost is not None)


class _Offered(msgspec.Struct, gc=False):
    """Features of one action and its context, not yet combined."""

    action: Features
    context: Features
    plan: Plan
    ids: tuple[Paired, Paired] | None = None


class _Read(msgspec.Struct, gc=False):
    """A choice of an example that was read, with those of its actions that are learned.

    Its context is prepared where it is also decided in.
    """

    example: Example
    context: Features
    actions: Sequence[bytes | msgspec.Raw]
    rows: list[_Offered]
    prepared: ContextRow | None = None

    @property
    def n_actions(self) -> int:
        """How many actions were offered."""
        return len(self.actions)


class Learner:
    """Learns costs of actions. The same examples in the same order give the same bits.

    Attributes:
        settings: What it was made with.
        regressor: What it has learned.
        estimates: How many decisions and actions each member has learned from.
        lowest: Lowest cost seen, or 0.
        highest: Highest cost seen, or 0.
        sampling: What a bag's members see of each example.
        learned: Examples learned.
        choices: Choices learned: one of an example, or one for each of its slots.
        knows_slots: Whether slots are told apart: from the first example on that has several, or
            one with features.
        skipped: Examples left out because a number in them was not finite or could not be read.
    """

    def __init__(self, settings: LearningSettings) -> None:
        """Know nothing yet."""
        self.settings = settings
        self.regressor = (MarginalDescent if settings.marginal else GradientDescent)(settings)
        alike = isinstance(settings.exploration, Bag | RandomNetworks)
        members = settings.exploration.members if alike else 1
        self.estimates = [MultiTaskRegression() for _ in range(members)]
        self.lowest = 0.0
        self.highest = 0.0
        self.sampling = Sampling()
        self.learned = 0
        self.choices = 0
        self.knows_slots = False
        self.skipped = 0
        covers = isinstance(settings.exploration, Cover)
        self._learns_chosen_only = settings.cost_type == "mtr" and not covers
        self._stride = np.uint32(settings.stride)
        self._mask = np.uint32((1 << settings.bits) - 1)
        self._efforts = efforts_of(settings)
        self._interactions = interactions_of(settings)

    def learn(self, example: Example | SlotsExample) -> None:
        """Learn one example; one that cannot be used is counted and left out.

        Of an example that takes several updates, those before the first that cannot be done stand,
        and those of its other slots.
        """
        self.learn_many((example,))

    def learn_many(self, examples: Iterable[Example | SlotsExample]) -> None:
        """Learn examples one after the other; only their features are combined many at once."""
        for waiting in self._read_many(examples):
            self._learn_read(waiting)

    def decide_and_learn(self, examples: Iterable[Example | SlotsExample]) -> Iterator[Decision]:
        """Yield the decision on each example just before it is learned (progressive validation).

        It is that of ``policy()`` at that moment, but for rounding. An example over slots gives one
        for each slot that is learned. There is none where an example cannot be read, or any of its
        actions, though learning may need the chosen one only. Those of many examples are yielded
        when all of these are learned.
        """
        live = LivePolicy(self.settings, self.regressor)
        needs_more = self.marginals or evidence_of(self.regressor)  # than live weights
        decisions: list[Decision] = []

        def decide(choice: _Read) -> None:
            actions = as_texts(choice.actions)
            with contextlib.suppress(FeatureError):
                if choice.prepared is None:
                    decision = self.policy().decide_within(choice.context, actions)
                else:
                    live.history = self._history()
                    decision = live.decide_in(choice.prepared, actions)
                decisions.append(decision)

        for waiting in self._read_many(examples):
            if not needs_more:
                choices = list(itertools.chain.from_iterable(waiting))
                prepared = live.prepared([choice.context for choice in choices])
                for choice, context in zip(choices, prepared, strict=True):
                    choice.prepared = context
            self._learn_read(waiting, decide)
            yield from decisions
            decisions.clear()

    def policy(self) -> Policy:
        """Return what has been learned so far; later learning does not change it."""
        weights, evidence = self.regressor.effective_weights(), evidence_of(self.regressor)
        known = self.marginals
        marginals = Marginals(self.settings, dict(known.sums)) if known else None
        history = self._history()
        return Policy(self.settings, weights, history, self.knows_slots, evidence, marginals)

    @property
    def marginals(self) -> Marginals | None:
        """What is known of ids, if the settings ask for it."""
        regressor = self.regressor
        return regressor.marginals if isinstance(regressor, MarginalDescent) else None

    def _history(self) -> History:
        return History(self.choices, self.lowest, self.highest)

    def _read_many(
        self, examples: Iterable[Example | SlotsExample]
    ) -> Iterator[Sequence[Sequence[_Read]]]:
        """Yield the choices of examples, of as many at once as are combined together."""
        rest = iter(examples)
        while batch := list(itertools.islice(rest, _EXAMPLES_AT_ONCE)):
            waiting: list[list[_Read]] = []
            terms = 0
            for example in batch:
                read = self._read(example)
                if read is None:
                    self.skipped += 1
                    continue
                waiting.append(read)
                terms += _size(read)
                if terms > _TERMS_AT_ONCE:
                    yield waiting
                    waiting, terms = [], 0
            yield waiting

    def _read(self, example: Example | SlotsExample) -> list[_Read] | None:
        """Return an example's choices with their features; None if it cannot be learned."""
        try:
            if isinstance(example, SlotsExample):
                return self._read_slots(example)
            context, actions = read_decision(example.context)
            if self.knows_slots:
                (context,) = contexts(context, [NO_SLOT], numbered=True)
            return [self._read_choice(example, context, actions)]
        except FeatureError:
            return None

    def _read_slots(self, example: SlotsExample) -> list[_Read]:
        """Return the choices that are known.

        Raises:
            FeatureError: The example cannot be learned.
        """
        members, actions, texts = split_slots(example.context)
        slots = read_slots(texts, len(actions))
        if not self.settings.slots or len(example.outcomes) > len(slots):
            raise FeatureError("the example does not fit the settings or its outcomes")
        numbered = self.knows_slots or are_numbered(slots, self.settings)
        taken: set[int] = set()
        found = []
        context_of = contexts(shared_features(members), slots, numbered)
        for slot, context, outcome in zip(slots, context_of, example.outcomes, strict=False):
            if outcome is None:
                continue
            offered = slot.offered(len(actions), taken)
            if outcome.chosen not in offered:
                raise FeatureError("a slot's action was not offered to it")
            taken.add(outcome.chosen)
            if outcome.cost is None:
                continue
            choice = Example(
                example.context, offered.index(outcome.chosen),
                outcome.cost, outcome.probability, example.weight,
            )  # fmt: skip
            found.append(self._read_choice(choice, context, [actions[a] for a in offered]))
        if not found:
            raise FeatureError("nothing is known of any slot")
        self.knows_slots = numbered
        return found

    def _read_choice(
        self, choice: Example, context: Features, actions: Sequence[bytes | msgspec.Raw]
    ) -> _Read:
        """Return a choice's features.

        Raises:
            FeatureError: It cannot be learned.
        """
        if not (
            math.isfinite(choice.cost)
            and 0.0 < choice.probability < math.inf
            and 0.0 < choice.weight < math.inf
            and 0 <= choice.chosen < len(actions)
        ):
            raise FeatureError("a number of the example cannot be used")
        if self._learns_chosen_only:
            used: Sequence[bytes] = [bytes(actions[choice.chosen])]
        else:
            used = as_texts(actions)
        found = features_of_actions(used)
        if len(found) > 1:  # what Rank would refuse must not keep the trainer busy either
            self._efforts.require(Counter(each.shape for each in found), context.shape, ONCE)
        rows = [self._offered(action, context) for action in found]
        return _Read(choice, context, actions, rows)

    def _offered(self, action: Features, context: Features) -> _Offered:
        """Return an action with its plan.

        Raises:
            FeatureError: The features combine to too many.
        """
        ids = None
        if self.settings.marginal:
            namespaces = self.settings.marginal.namespaces
            ids = paired(action, namespaces), paired(context, namespaces)
            action, context = (each.features for each in ids)
        plan = self._interactions.plan(action.shape, context.shape)
        return _Offered(action, context, plan, ids)

    @np.errstate(all="ignore")
    def _learn_read(
        self, waiting: Sequence[Sequence[_Read]], before: Callable[[_Read], None] | None = None
    ) -> None:
        """Learn examples one after the other; ``before`` is told each choice first."""
        rows = self._rows(itertools.chain.from_iterable(waiting))
        for read in waiting:
            learned = True
            for choice in read:
                its_rows = [next(rows) for _ in choice.rows]
                if before:
                    before(choice)
                learned = self._learn_choice(choice, its_rows) and learned
            if learned:
                self.learned += 1
                self.regressor.time += read[0].example.weight
            else:
                self.skipped += 1

    def _rows(self, choices: Iterable[_Read]) -> Iterator[Row]:
        """Yield the rows of choices; as many are combined at once as take little memory."""
        waiting: list[_Offered] = []
        terms = 0
        for choice in choices:
            waiting += choice.rows
            terms += _size((choice,))
            if terms > _TERMS_AT_ONCE:
                yield from self._combined(waiting)
                waiting, terms = [], 0
        yield from self._combined(waiting)

    def _learn_choice(self, read: _Read, rows: Sequence[Row]) -> bool:
        exploration = self.settings.exploration
        if isinstance(exploration, Cover):
            learned = self._learn_cover(exploration, read, rows)
        elif isinstance(exploration, RandomNetworks):
            learned = self._learn_novelty(exploration, read, rows)
        elif isinstance(exploration, Bag):
            learned = all(self._learn_rows(read, rows, at) for at in self._offsets(exploration))
        else:
            learned = self._learn_rows(read, rows, 0)
        if learned:
            cost = read.example.cost
            self.choices += 1
            if cost < self.lowest:
                self.lowest = cost
            elif cost > self.highest:
                self.highest = cost
        return learned

    def _learn_cover(self, cover: Cover, read: _Read, rows: Sequence[Row]) -> bool:
        """Teach each policy costs that are lower where the policies before it seldom go."""
        settings, example, size = self.settings, read.example, len(rows)
        floor = cover.floor(np.float32(settings.epsilon), size, self.choices)
        if settings.cost_type == "ips":
            costs = [0.0] * size
            costs[example.chosen] = _inverse_propensity(example.cost, example.probability)
        else:
            learns = settings.cost_type == "mtr"  # with dr the first policy teaches the regressor
            costs = self._doubly_robust(example, rows, 1, clip_p=0.0, learns=learns)
        shares = [np.float32(0)] * size
        norm = floor * size + (1.0 / cover.members - floor)
        scores = [self.regressor.score(row) for row in rows]
        if not self._learn_rows(read, rows, 0):
            return False
        cover.choose(scores, shares)
        for offset in settings.offsets[1:]:
            scores = [self.regressor.score(row, offset) for row in rows]
            bonus = np.float32(cover.psi) * floor
            for row, cost, share in zip(rows, costs, shares, strict=True):
                less = bonus / (max(share, floor) / norm) if bonus else bonus
                target = float(np.float32(cost) - less)
                if not self.regressor.learn(row, target, example.weight, offset):
                    return False
            before = shares.copy()
            best = cover.choose(scores, shares)
            for action in best:
                gap = max(floor - before[action], np.float32(0))
                norm += max(1.0 / cover.members / len(best) - gap, np.float32(0))
        return True

    def _learn_novelty(self, networks: RandomNetworks, read: _Read, rows: Sequence[Row]) -> bool:
        """Teach each member the chosen action's value of its random function; then learn costs."""
        chosen = features_of_actions([bytes(read.actions[read.example.chosen])])
        try:
            values = Novelty(self.settings, networks).values(chosen, read.context)
        except FeatureError:
            return False  # with marginal costs scores may have far fewer terms
        for (value,), offset in zip(values, self.settings.offsets[1:], strict=True):
            target = networks.alpha * self.sampling.gaussian() + value
            told = replace(read.example, cost=target, probability=1.0)
            if not self._learn_rows(replace(read, example=told), rows, offset):
                return False
        return self._learn_rows(read, rows, 0)

    def _offsets(self, bag: Bag) -> Iterator[int]:
        """Yield the first of the weights of each member that learns the next example."""
        step = self.settings.width // bag.members
        for member in range(bag.members):
            always = bag.greedify and member == 0
            for _ in range(1 if always else self.sampling.draw()):
                yield step * member

    def _learn_rows(self, read: _Read, rows: Sequence[Row], offset: int) -> bool:
        """Learn an example's actions by the weights at ``offset``; False if one cannot be."""
        example, settings = read.example, self.settings
        probability = max(example.probability, settings.clip_p)
        if settings.cost_type == "mtr":
            unweighted = isinstance(settings.exploration, SquareCB | RegCB)
            if unweighted and example.chosen < read.n_actions - 1:
                probability = max(1.0, settings.clip_p)  # a quirk: the last action keeps its own
            estimate = self.estimates[offset]
            weight = estimate.importance(read.n_actions, probability) * example.weight
            row = rows[0 if self._learns_chosen_only else example.chosen]
            if not self.regressor.learn(row, example.cost, weight, offset):
                return False
            estimate.count(read.n_actions)
            return True
        if settings.cost_type == "dr":
            costs = self._doubly_robust(example, rows, offset + 1, settings.clip_p)
        else:
            ips = settings.cost_type == "ips"
            cost = _inverse_propensity(example.cost, probability) if ips else example.cost
            costs = [cost if action == example.chosen else 0.0 for action in range(len(rows))]
        return all(
            self.regressor.learn(row, cost, example.weight, offset)
            for row, cost in zip(rows, costs, strict=True)
        )

    def _doubly_robust(
        self,
        example: Example,
        rows: Sequence[Row],
        offset: int,
        clip_p: float,
        learns: bool = True,
    ) -> list[float]:
        """Return the doubly robust cost of each action; the chosen one's is learned on the way.

        Source: ``gen_cs_example_dr`` (Dudík, Langford and Li 2011). All in ``float32``: where a
        prediction is right, no rounding may be left to be learned.
        """
        costs = []
        cost = np.float32(example.cost)
        probability = max(np.float32(example.probability), np.float32(clip_p))
        for action, row in enumerate(rows):
            if action != example.chosen:
                costs.append(self.regressor.predict(row, offset))
                continue
            if learns:
                self.regressor.see(float(cost))
            predicted = np.float32(self.regressor.predict(row, offset))
            if learns:
                weight = np.float32(example.weight) / np.float32(example.probability)
                self.regressor.learn(row, example.cost, float(weight), offset)
            costs.append(float(predicted + (cost - predicted) / probability))
        return costs

    def _combined(self, waiting: Sequence[_Offered]) -> Iterable[Row]:
        """Return slots and values of each row's terms, in Vowpal Wabbit's order."""
        by_plan: dict[int, list[int]] = {}
        for position, row in enumerate(waiting):
            by_plan.setdefault(id(row.plan), []).append(position)
        found: dict[int, Row] = {}
        for positions in by_plan.values():
            combined = self._combine([waiting[position] for position in positions])
            found.update(zip(positions, combined, strict=True))
        if isinstance(self.regressor, MarginalDescent):
            for position, row in enumerate(waiting):
                if row.ids:
                    found[position] = self.regressor.row(found[position], row.plan, *row.ids)
        return map(found.__getitem__, range(len(waiting)))

    def _combine(self, alike: Sequence[_Offered]) -> list[Row]:
        """Return the rows of the terms of actions and contexts with the same plan."""
        hashed: list[int] = []
        valued: list[float] = []
        for each in alike:
            hashed += each.action.hashes
            hashed += each.context.hashes
            valued += each.action.values
            valued += each.context.values
        columns = np.array(hashed, np.uint32).reshape(len(alike), -1)
        values = np.array(valued, np.float32).reshape(len(alike), -1)
        if self._stride > 1:
            columns *= self._stride
        terms = alike[0].plan.terms
        if not terms:
            nothing = np.zeros((len(alike), 0), np.float32)
            return self.regressor.rows(nothing.astype(np.intp), nothing)
        slots = np.concatenate([hashes(block, columns) for block in terms], axis=1) & self._mask
        combined = np.concatenate([products(block, values) for block in terms], axis=1)
        found = self.regressor.rows(slots.astype(np.intp), combined)
        others = alike[0].plan.in_combinations_only
        if others.size:
            squares = np.add.reduce(np.square(values[:, others]), axis=1).tolist()
            for row, ignored in zip(found, squares, strict=True):
                row.ignored = ignored
        return found


def _inverse_propensity(cost: float, probability: float) -> float:
    return float(np.float32(cost) / np.float32(probability))


def _size(choices: Iterable[_Read]) -> int:
    """Return how many terms choices have."""
    return sum([row.plan.size for choice in choices for row in choice.rows])
