"""The join: which observations belong to which interaction, and what each event amounts to.

A pure function of the rows that were read. Time is cut into *steps* by the caller; however it
is cut, the examples of all steps together are the same, in the same order, and every
observation is counted in exactly one step.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.events.interaction import Interaction
from shared.events.learning_mode import LearningMode
from shared.events.observation import Observation
from shared.events.rewards import RewardSettings, aggregate

EARLY_REWARD = timedelta(minutes=2)
"""How long before its Rank a reward may arrive and still count (clocks differ, queues overtake)."""


@dataclass(frozen=True, slots=True)
class JoinedExample:
    """An interaction whose wait is over, with everything observed for it in time.

    Attributes:
        interaction: The logged decision.
        observations: Rewards and activations within the wait time, earliest first.
        reward: The aggregated or the default reward.
    """

    interaction: Interaction
    observations: tuple[Observation, ...]
    reward: float

    @property
    def is_active(self) -> bool:
        """Whether it may be learned: a deferred decision counts only once it was activated."""
        deferred = self.interaction.deferred
        return not deferred or any(seen.is_activation for seen in self.observations)

    def is_learned(self, mode: LearningMode) -> bool:
        """Whether a loop in ``mode`` learns it: active, and decided in the same mode."""
        return self.is_active and self.interaction.mode is mode

    @property
    def learned_reward(self) -> float:
        """The reward that it is learned with."""
        interaction = self.interaction
        return learned_reward(interaction.mode, interaction.matches_baseline, self.reward)


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
        dangling: Observations for which no interaction is known.
    """

    duplicates: tuple[Interaction, ...] = ()
    late: tuple[LateObservation, ...] = ()
    dangling: tuple[Observation, ...] = ()


def join(
    interactions: Iterable[Interaction],
    observations: Iterable[Observation],
    settings: RewardSettings,
    *,
    earlier: Iterable[tuple[str, datetime]],
    repeat_within: timedelta,
    counted: tuple[datetime, datetime],
) -> tuple[list[JoinedExample], Leftovers]:
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
    by_event = _by_event(observations)
    known: dict[str, list[datetime]] = {}
    for event_id, time in earlier:
        known.setdefault(event_id, []).append(time)
    examples = []
    duplicates = []
    for interaction in interactions:
        ranked = known.setdefault(interaction.event_id, [])
        repeated = any(interaction.time - time < repeat_within for time in ranked)
        ranked.append(interaction.time)
        if repeated:
            duplicates.append(interaction)
            continue
        seen = by_event.get(interaction.event_id, ())
        examples.append(_example(interaction, seen, settings))
    late, dangling = _unmatched(by_event, known, settings.wait, counted)
    return examples, Leftovers(tuple(duplicates), late, dangling)


def learned_reward(mode: LearningMode, matches_baseline: bool, reward: float) -> float:
    """Return the reward to learn an event with; an apprentice is rewarded for imitating."""
    return float(matches_baseline) if mode is LearningMode.APPRENTICE else reward


def within_wait(observation: Observation, ranked: datetime, wait: timedelta) -> bool:
    """Whether an observation arrived in time for the decision that was made at ``ranked``."""
    return -EARLY_REWARD < observation.time - ranked < wait


def _example(
    interaction: Interaction, seen: Sequence[Observation], settings: RewardSettings
) -> JoinedExample:
    in_time = tuple(o for o in seen if within_wait(o, interaction.time, settings.wait))
    rewards = [o.reward for o in in_time if o.reward is not None]
    return JoinedExample(interaction, in_time, aggregate(rewards, settings))


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
            if any(within_wait(observation, time, wait) for time in ranked):
                continue
            before = [time for time in ranked if observation.time >= time]
            if before:
                late.append(LateObservation(observation, observation.time - max(before)))
            else:
                dangling.append(observation)
    return tuple(late), tuple(dangling)
