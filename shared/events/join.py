"""The join: which observations belong to which interaction, and what each event amounts to.

A pure function of the rows that were read. Time is cut into *steps* by the caller; however it
is cut, the examples of all steps together are the same, in the same order, and every
observation is counted in exactly one step.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.events.interaction import AnyInteraction, Interaction, SlotsInteraction
from shared.events.learning_mode import LearningMode
from shared.events.observation import Observation
from shared.events.rewards import RewardSettings, aggregate

EARLY_REWARD = timedelta(minutes=2)
"""How long before its Rank a reward may arrive and still count (clocks differ, queues overtake)."""


@dataclass(frozen=True, slots=True)
class JoinedEvent:
    """An interaction whose wait is over, with everything observed for it in time.

    Attributes:
        interaction: The logged decision.
        observations: Rewards and activations within the wait time, earliest first.
    """

    interaction: AnyInteraction
    observations: tuple[Observation, ...]

    @property
    def has_slots(self) -> bool:
        """Whether it is a decision over slots."""
        return isinstance(self.interaction, SlotsInteraction)

    @property
    def is_active(self) -> bool:
        """Whether it may be learned: a deferred decision counts only once it was activated."""
        deferred = self.interaction.deferred
        return not deferred or any(seen.is_activation for seen in self.observations)

    @property
    def is_rewarded(self) -> bool:
        """Whether any reward arrived for it in time."""
        return not all(seen.is_activation for seen in self.observations)

    def is_learned(self, mode: LearningMode, slots: bool) -> bool:
        """Whether a loop in ``mode``, with ``slots`` or without, learns it.

        It does if the event is active and was decided in the same mode and kind of loop.
        """
        return self.is_active and self.interaction.mode is mode and self.has_slots is slots


@dataclass(frozen=True, slots=True)
class JoinedExample(JoinedEvent):
    """A decision over one list of actions, joined.

    Attributes:
        reward: The aggregated or the default reward.
    """

    interaction: Interaction
    reward: float

    @property
    def learned_reward(self) -> float:
        """The reward that it is learned with."""
        interaction = self.interaction
        return learned_reward(interaction.mode, interaction.matches_baseline, self.reward)

    @property
    def baseline_matches(self) -> tuple[bool, ...]:
        """Whether its one choice drew the baseline action."""
        return (self.interaction.matches_baseline,)


@dataclass(frozen=True, slots=True)
class JoinedSlots(JoinedEvent):
    """A decision over slots, joined.

    Attributes:
        rewards: The aggregated or the default reward of each slot.
    """

    interaction: SlotsInteraction
    rewards: tuple[float, ...]

    @property
    def learned_rewards(self) -> tuple[float, ...]:
        """The rewards that its slots are learned with."""
        return tuple(
            learned_reward(self.interaction.mode, choice.matches_baseline, reward)
            for choice, reward in zip(self.interaction.choices, self.rewards, strict=True)
        )

    @property
    def baseline_matches(self) -> tuple[bool, ...]:
        """Whether each choice that there was drew the slot's baseline action."""
        return tuple(c.matches_baseline for c in self.interaction.choices if c.ranking)

    def rewards_of(self, slot: str) -> list[tuple[Observation, float]]:
        """Return the observations that reward a slot, with their values."""
        return [
            (seen, part.value)
            for seen in self.observations
            for part in seen.slot_rewards
            if part.slot == slot
        ]


@dataclass(frozen=True, slots=True)
class LateObservation:
    """An observation that arrived after the wait time of its interaction.

    Attributes:
        observation: It.
        delay: How long after the last Rank of its event it arrived.
    """

    observation: Observation
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What one step found besides its examples.

    Attributes:
        duplicates: Interactions that repeat the event id of an earlier one; not learned.
        late: Observations that arrived after the wait time of their interaction.
        dangling: Observations for which no interaction is known or only one of the other kind,
            and parts of observations for which its slots are not known.
    """

    duplicates: tuple[AnyInteraction, ...] = ()
    late: tuple[LateObservation, ...] = ()
    dangling: tuple[Observation, ...] = ()


def join(
    interactions: Iterable[AnyInteraction],
    observations: Iterable[Observation],
    settings: RewardSettings,
    *,
    earlier: Iterable[tuple[str, datetime]],
    repeat_within: timedelta,
    counted: tuple[datetime, datetime],
) -> tuple[list[JoinedExample | JoinedSlots], Leftovers]:
    """Join one step's interactions with what was observed for them.

    The first interaction of an event id wins; one that repeats an id soon after its last
    occurrence is counted and dropped. An observation repeated by a retried write (same ``id``)
    counts once.

    Args:
        interactions: The step's interactions in learning order.
        observations: Everything that may belong to them, in any order.
        settings: Wait time, aggregation and default reward.
        earlier: Event ids and Rank times of all interactions before this step, dropped ones
            too, at least ``repeat_within`` and ``EARLY_REWARD`` back.
        repeat_within: How soon after an interaction the same id repeats it. A limit, so that
            the result does not depend on how much is joined in one step; at least the wait
            and ``EARLY_REWARD``, so that no observation belongs to two events.
        counted: Half-open range of arrival times; late and dangling observations that arrived
            in it are counted by this step.

    Returns:
        The examples in the order of their interactions, and what is left over.
    """
    interactions = list(interactions)
    by_event = _by_event(_relevant(observations, interactions, counted))
    known: dict[str, list[datetime]] = {}
    for event_id, time in earlier:
        known.setdefault(event_id, []).append(time)
    examples = []
    duplicates = []
    unfit: list[Observation] = []
    for interaction in interactions:
        ranked = known.setdefault(interaction.event_id, [])
        repeated = any(interaction.time - time < repeat_within for time in ranked)
        ranked.append(interaction.time)
        if repeated:
            duplicates.append(interaction)
            continue
        seen = by_event.get(interaction.event_id, ())
        in_time = [o for o in seen if within_wait(o.time, interaction.time, settings.wait)]
        fitting, rest = _split(interaction, in_time)
        unfit += rest
        examples.append(_joined(interaction, fitting, settings))
    late, dangling = _unmatched(by_event, known, settings.wait, counted)
    return examples, Leftovers(tuple(duplicates), late, (*dangling, *unfit))


def learned_reward(mode: LearningMode, matches_baseline: bool, reward: float) -> float:
    """Return the reward to learn an event with; an apprentice is rewarded for imitating."""
    return float(matches_baseline) if mode is LearningMode.APPRENTICE else reward


def within_wait(observed: datetime, ranked: datetime, wait: timedelta) -> bool:
    """Whether what was observed arrived in time for the decision that was made at ``ranked``."""
    return -EARLY_REWARD < observed - ranked < wait


def _joined(
    interaction: AnyInteraction, seen: tuple[Observation, ...], settings: RewardSettings
) -> JoinedExample | JoinedSlots:
    if isinstance(interaction, Interaction):
        rewards = [o.reward for o in seen if o.reward is not None]
        return JoinedExample(interaction, seen, aggregate(rewards, settings))
    of_slot: dict[str, list[float]] = {choice.id: [] for choice in interaction.choices}
    for part in itertools.chain.from_iterable(o.slot_rewards for o in seen):
        of_slot[part.slot].append(part.value)
    return JoinedSlots(
        interaction, seen, tuple(aggregate(values, settings) for values in of_slot.values())
    )


def _split(
    interaction: AnyInteraction, seen: Iterable[Observation]
) -> tuple[tuple[Observation, ...], tuple[Observation, ...]]:
    """Return the observations, or parts of them, that speak of the interaction; and the others."""
    slots: set[str] = set()
    if isinstance(interaction, SlotsInteraction):
        slots = {choice.id for choice in interaction.choices}
    fitting: list[Observation] = []
    rest: list[Observation] = []
    for observation in seen:
        if observation.is_activation:
            fitting.append(observation)
        elif observation.reward is not None:
            (rest if slots else fitting).append(observation)
        else:
            known = tuple(part for part in observation.slot_rewards if part.slot in slots)
            unknown = tuple(part for part in observation.slot_rewards if part.slot not in slots)
            fitting += [replace(observation, slot_rewards=known)] if known else []
            rest += [replace(observation, slot_rewards=unknown)] if unknown else []
    return tuple(fitting), tuple(rest)


def _relevant(
    observations: Iterable[Observation],
    interactions: Iterable[AnyInteraction],
    counted: tuple[datetime, datetime],
) -> Iterator[Observation]:
    """Yield what may be matched or is counted: of what is read again and again, a small part."""
    event_ids = {interaction.event_id for interaction in interactions}
    start, end = counted
    for observation in observations:
        if observation.event_id in event_ids or start <= observation.time < end:
            yield observation


def _by_event(observations: Iterable[Observation]) -> dict[str, list[Observation]]:
    """Group by event, earliest first, each observation once."""
    unique = {(o.event_id, o.id): o for o in observations}
    grouped: dict[str, list[Observation]] = {}
    for observation in sorted(unique.values(), key=lambda o: (o.time, o.id)):
        grouped.setdefault(observation.event_id, []).append(observation)
    return grouped


def _unmatched(
    by_event: Mapping[str, Sequence[Observation]],
    known: Mapping[str, Sequence[datetime]],
    wait: timedelta,
    counted: tuple[datetime, datetime],
) -> tuple[tuple[LateObservation, ...], tuple[Observation, ...]]:
    late, dangling = [], []
    start, end = counted
    for event_id, seen in by_event.items():
        ranked = known.get(event_id, ())
        for observation in seen:
            if not start <= observation.time < end:
                continue
            if any(within_wait(observation.time, time, wait) for time in ranked):
                continue
            before = [time for time in ranked if observation.time >= time]
            if before:
                late.append(LateObservation(observation, observation.time - max(before)))
            else:
                dangling.append(observation)
    return tuple(late), tuple(dangling)
