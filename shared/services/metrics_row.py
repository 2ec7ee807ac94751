"""What a slot of time amounts to: one row of metrics, and how events are counted into it.

A row is sums, counts and summaries that can be merged, so that any range of slots is a row, too.
An event over slots is as many decisions as it has slots with an action.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import msgspec

from shared.events.event_ids import shard_of
from shared.events.interaction import BASELINE, AnyInteraction, SlotChoice
from shared.events.join import JoinedExample, JoinedSlots
from shared.events.learning_mode import LearningMode
from shared.events.observation import Observation
from shared.events.sketches import Delays, Distinct, Frequent, add_counts, entropy
from shared.learner.estimators import Estimate, has_preference, most_likely
from shared.learner.features import split_decision
from shared.learner.named_features import NamedFeatures, named_features
from shared.learner.recently_used import RecentlyUsed

SAMPLED = 20
"""Dangling rewards that a row remembers, those with the lowest ids."""

_KNOWN_BUDGET = 16 << 20
_OWN = "i"  # holds an action's id, which is no feature of the caller's

_decode = msgspec.json.Decoder().decode


@dataclass(slots=True)
class FeatureCounts:
    """Features of contexts, or of actions; what is false, null or 0 counts, too.

    Attributes:
        features: All of them.
        namespaces: All namespaces that hold any.
        without: Contexts, or sets of actions, that have none.
        names: Occurrences of each name.
        values: How many pairs of name and value there are.
    """

    features: int = 0
    namespaces: int = 0
    without: int = 0
    names: Frequent = field(default_factory=Frequent)
    values: Distinct = field(default_factory=Distinct)

    def merge(self, other: "FeatureCounts") -> None:
        """Add what another slot has counted."""
        self.features += other.features
        self.namespaces += other.namespaces
        self.without += other.without
        self.names.merge(other.names)
        self.values.merge(other.values)

    def add(self, found: Iterable[tuple[NamedFeatures, int]]) -> None:
        """Count features, each of which came so many times."""
        keys: set[str] = set()
        for named, times in found:
            self.features += times * len(named.features)
            self.namespaces += times * len(named.shape)
            for feature in named.features:
                self.names.add(feature.name, times)
                keys.add(feature.key)
        self.values.add(keys)
        self.names.trim()


@dataclass(slots=True)
class Row:
    """One slot. From ``rewarded`` to ``models`` all is of active events only.

    Where the baseline action is always shown, by an apprentice or in LoggingOnly, nothing can be
    said of other policies: ``uniform``, ``best``, ``explored`` and ``entropy`` leave it out.

    Attributes:
        events: Closed events.
        inactive: Of these, never activated.
        learned: Of these, active and decided in the learning mode that is set.
        duplicates: Interactions that repeated an event id.
        late: Rewards after the wait.
        late_delays: Theirs.
        dangling: Rewards without an interaction.
        dangling_sample: Event ids and times of some of these.
        late_events: Rows that appeared in a bucket that had been read.
        rewarded: Events with a reward in time.
        online: What was earned by the actions that were shown.
        baseline: What always taking the first action would have earned.
        uniform: What taking any action would have earned.
        best: What always taking the most probable action would have earned.
        explored: Decisions for another action than the most probable ones, or without preference.
        tried: Decisions for another action than those that a model preferred.
        matched: Decisions of the model, or of nobody, for the baseline action.
        imitated: Decisions of an apprentice.
        imitations_matched: Of these, for the baseline action.
        equal: Decisions of a model that made all actions (nearly) equally likely.
        without_model: Decisions before there was a model.
        entropy: Sum of the decisions' entropies in bits.
        lowest: Lowest reward.
        highest: Highest reward.
        delays: Of the first reward in time.
        offered: Sum of the numbers of actions.
        actions: Shows and rewards of the actions that were shown.
        action_ids: How many actions there are.
        context: Features of contexts.
        features: Features of actions, all those of a decision together.
        models: Decisions by model version.
        shards: Events by shard.
        steps: Steps of training that wrote here.
        seconds: How long these took.
        lag: By how many seconds the slowest was behind.
    """

    events: int = 0
    inactive: int = 0
    learned: int = 0
    duplicates: int = 0
    late: int = 0
    dangling: int = 0
    dangling_sample: list[tuple[str, datetime]] = field(default_factory=list)
    late_events: int = 0
    late_delays: Delays = field(default_factory=Delays)
    rewarded: int = 0
    online: Estimate = field(default_factory=Estimate)
    baseline: Estimate = field(default_factory=Estimate)
    uniform: Estimate = field(default_factory=Estimate)
    best: Estimate = field(default_factory=Estimate)
    explored: int = 0
    tried: int = 0
    matched: int = 0
    imitated: int = 0
    imitations_matched: int = 0
    equal: int = 0
    without_model: int = 0
    entropy: float = 0.0
    lowest: float | None = None
    highest: float | None = None
    delays: Delays = field(default_factory=Delays)
    offered: int = 0
    actions: Frequent = field(default_factory=Frequent)
    action_ids: Distinct = field(default_factory=Distinct)
    context: FeatureCounts = field(default_factory=FeatureCounts)
    features: FeatureCounts = field(default_factory=FeatureCounts)
    models: Frequent = field(default_factory=Frequent)
    shards: dict[int, int] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0
    lag: float = 0.0

    @property
    def active(self) -> int:
        """Events that count for learning."""
        return self.events - self.inactive

    @property
    def decisions(self) -> int:
        """Choices of active events: one each, or one for each slot that got an action."""
        return self.online.events

    def merge(self, other: "Row") -> None:
        """Add another slot's row, or another part of the same slot."""
        for name in _MERGED:
            getattr(self, name).merge(getattr(other, name))
        for name in _ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        add_counts(self.shards, other.shards)
        sample = sorted({*self.dangling_sample, *other.dangling_sample})
        self.dangling_sample = sample[:SAMPLED]
        self.lowest = _extreme(min, self.lowest, other.lowest)
        self.highest = _extreme(max, self.highest, other.highest)
        self.lag = max(self.lag, other.lag)


_APART = {"shards", "dangling_sample", "lowest", "highest", "lag"}
_MERGED = [f.name for f in fields(Row) if hasattr(f.default_factory, "merge")]
_ADDED = [f.name for f in fields(Row) if f.name not in _APART and f.name not in _MERGED]


class Tally:
    """Counts events into a row. Texts that come again are read once, when the row is asked for."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._row = Row()
        self._contexts: Counter[bytes] = Counter()
        self._actions: Counter[bytes] = Counter()
        self._offered: set[str] = set()

    def event(
        self,
        example: JoinedExample | JoinedSlots,
        shards: int,
        mode: LearningMode,
        slots: bool = False,
    ) -> None:
        """Count a closed event of a loop with so many shards, in a mode, with slots or without."""
        row, interaction = self._row, example.interaction
        row.events += 1
        row.learned += example.is_learned(mode, slots)
        shard = shard_of(interaction.event_id, shards)
        row.shards[shard] = row.shards.get(shard, 0) + 1
        if not example.is_active:
            row.inactive += 1
            return
        rewards = [seen for seen in example.observations if not seen.is_activation]
        if rewards:
            row.rewarded += 1
            row.delays.add((rewards[0].time - interaction.time).total_seconds())
        for choice, propensity, reward in _decisions(example):
            self._decision(interaction, choice, propensity, reward)
        row.offered += len(interaction.actions)
        self._offered.update(interaction.actions)
        row.models.add(interaction.model_version)
        self._texts(interaction.context)

    def duplicate(self) -> None:
        """Count an interaction that repeated an event id."""
        self._row.duplicates += 1

    def late(self, delay: float) -> None:
        """Count a reward that came after the wait, so many seconds after its Rank."""
        self._row.late += 1
        self._row.late_delays.add(delay)

    def dangling(self, observation: Observation) -> None:
        """Count a reward without an interaction."""
        self._row.dangling += 1
        self._row.dangling_sample.append((observation.event_id, observation.time))

    def work(self, seconds: float, lag: float, late_events: int) -> None:
        """Count a step of training."""
        self._row.steps += 1
        self._row.seconds += seconds
        self._row.lag = max(self._row.lag, lag)
        self._row.late_events += late_events

    def row(self) -> Row:
        """Return everything counted; the tally is used up."""
        row = self._row
        contexts = [
            (named_features(_decode(text), zeros=True), times)
            for text, times in self._contexts.items()
        ]
        row.context.add(contexts)
        row.context.without = sum(times for found, times in contexts if not found.features)
        row.features.add((action_features(text), times) for text, times in self._actions.items())
        row.action_ids.add(self._offered)
        row.actions.trim()
        row.models.trim()
        row.dangling_sample = sorted(set(row.dangling_sample))[:SAMPLED]
        return row

    def _decision(
        self, interaction: AnyInteraction, choice: SlotChoice, propensity: float, reward: float
    ) -> None:
        row, online = self._row, interaction.mode is LearningMode.ONLINE
        has_model = bool(interaction.model_version)
        row.lowest = _extreme(min, row.lowest, reward)
        row.highest = _extreme(max, row.highest, reward)
        row.online.add(1.0, reward)
        if online:
            self._drawn(choice, propensity, reward, has_model)
        else:
            row.baseline.add(1.0, reward)
        if interaction.mode is LearningMode.APPRENTICE:
            row.imitated += 1
            row.imitations_matched += choice.matches_baseline
        row.matched += choice.matches_baseline
        row.equal += has_model and not has_preference(choice.probabilities)
        row.without_model += not has_model
        shown = choice.ranking[0] if online else choice.baseline
        row.actions.add(interaction.actions[shown], 1, reward)

    def _drawn(self, choice: SlotChoice, propensity: float, reward: float, has_model: bool) -> None:
        """Count a decision whose drawn action was shown."""
        row, chances = self._row, choice.probabilities
        best = most_likely(chances)
        is_best = 0 in best  # the drawn action is the first
        row.baseline.add(choice.matches_baseline / propensity, reward)
        row.uniform.add(1.0 / len(chances) / propensity, reward)
        row.best.add(is_best / len(best) / propensity, reward)
        row.explored += not is_best or not has_preference(chances)
        row.tried += has_model and not is_best and has_preference(chances)
        row.entropy += entropy(chances)

    def _texts(self, decision: bytes) -> None:
        shared, actions = split_decision(decision)
        self._contexts[msgspec.json.encode(shared)] += 1
        offered = [bytes(action) for action in actions]
        self._actions.update(offered)
        if not any(action_features(text).features for text in offered):
            self._row.features.without += 1


def _decisions(
    example: JoinedExample | JoinedSlots,
) -> Iterator[tuple[SlotChoice, float, float]]:
    """Yield what was decided, the chance of what was drawn, and its reward."""
    if isinstance(example, JoinedSlots):
        pairs = zip(example.interaction.choices, example.rewards, strict=True)
        yield from ((choice, choice.probabilities[0], r) for choice, r in pairs if choice.ranking)
    else:
        decided = example.interaction
        chances = tuple(decided.probabilities[action] for action in decided.ranking)
        choice = SlotChoice("", BASELINE, decided.ranking, chances)
        yield choice, decided.propensity, example.reward


_actions: RecentlyUsed[bytes, NamedFeatures] = RecentlyUsed(_KNOWN_BUDGET)


def action_features(text: bytes) -> NamedFeatures:
    """Return the caller's features of an action's JSON text, from memory if it was seen lately."""
    found = _actions.get(text)
    if found is None:
        members = {name: value for name, value in _decode(text).items() if name != _OWN}
        found = named_features(members, zeros=True)
        _actions.put(text, found, len(text) + 300 * len(found.features) + 300)
    return found


def merged(rows: Iterable[Row]) -> Row:
    """Return the row of several slots together."""
    total = Row()
    for row in rows:
        total.merge(row)
    return total


def _extreme(choose: Any, *values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None
