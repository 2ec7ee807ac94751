"""Decisions looked at one by one, those over slots excepted: what was chosen, and why."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.events.interaction import Interaction
from shared.events.join import EARLY_REWARD, within_wait
from shared.events.observation import Observation
from shared.events.rewards import aggregate
from shared.learner.checkpoint import CheckpointError, loads
from shared.learner.explanation import Explanation, explain
from shared.learner.features import split_decision
from shared.learner.policy import Policy
from shared.services.append import Writing
from shared.services.loop_state import model_name
from shared.services.ports import BlobStore, Clock, EventStore, StorageError
from shared.services.serving import LoopReader, ServedLoop

LOOK_BACK = timedelta(days=2)
"""How far back decisions are looked for."""

_WINDOW_GROWS = 16


class Status(StrEnum):
    """How far a decision has come."""

    OPEN = "open"
    LEARNED = "learned"
    NOT_ACTIVATED = "notActivated"


@dataclass(frozen=True, slots=True)
class DecisionReport:
    """A decision and what has come of it.

    Attributes:
        interaction: The decision.
        observations: What was observed in time, earliest first.
        status: How far it has come.
        reward: Its reward; until the wait is over, what the rewards so far amount to, if any.
    """

    interaction: Interaction
    observations: tuple[Observation, ...]
    status: Status
    reward: float | None

    @property
    def is_activated(self) -> bool:
        """Whether it counts."""
        deferred = self.interaction.deferred
        return not deferred or any(seen.is_activation for seen in self.observations)


@dataclass(frozen=True, slots=True)
class ExplainedDecision:
    """A decision with its reasons.

    Attributes:
        report: The decision.
        explanations: Of the offered actions, in their order; None where there is no model.
        model_version: That explains.
        is_deciding_model: Whether that is the one that decided.
    """

    report: DecisionReport
    explanations: Sequence[Explanation] | None
    model_version: str
    is_deciding_model: bool


class DecisionService:
    """Looks at one loop's decisions."""

    def __init__(
        self,
        reader: LoopReader,
        events: EventStore,
        blobs: BlobStore,
        clock: Clock,
        writing: Writing,
    ) -> None:
        """Find decisions in ``events`` and models in ``blobs``."""
        self._reader = reader
        self._events = events
        self._blobs = blobs
        self._clock = clock
        self._writing = writing

    async def latest(self, top: int) -> list[DecisionReport]:
        """Return the latest decisions, newest first; of a busy bucket, some of the latest.

        It looks at the present bucket, then at ever more buckets before it: at most six times.
        """
        served = await self._reader.served()
        space, now = served.space, self._clock()
        limit = 2 * _WINDOW_GROWS * top  # what a window holds if traffic is even, and as much again
        end = space.bucket(now + self._writing.clock_skew) + space.bucket_seconds
        oldest = space.bucket(now - LOOK_BACK)
        found: list[Interaction] = []
        buckets = 1
        while len(found) < top and end > oldest:
            start = max(oldest, end - buckets * space.bucket_seconds)
            rows = await self._events.interactions(space, start, end, limit // space.shards + top)
            found += [each for _, each in rows if isinstance(each, Interaction)]
            end, buckets = start, buckets * _WINDOW_GROWS
        found.sort(key=lambda interaction: interaction.time, reverse=True)
        return await asyncio.gather(*(self._report(served, each) for each in found[:top]))

    async def find(self, event_id: str, time: datetime | None) -> ExplainedDecision | None:
        """Return a decision and why it was made; None if there is none.

        Args:
            event_id: Its name.
            time: When it was made, within two minutes; None looks through two days.
        """
        served = await self._reader.served()
        space, now = served.space, self._clock()
        start = now - LOOK_BACK if time is None else time - EARLY_REWARD
        end = now if time is None else time + EARLY_REWARD
        interactions, _ = await self._events.event(
            space,
            event_id,
            space.bucket(start),
            space.bucket(end + self._writing.grace) + space.bucket_seconds,
        )
        found = next((each for each in interactions if isinstance(each, Interaction)), None)
        if found is None:
            return None
        return await self._explained(served, await self._report(served, found))

    async def _report(self, served: ServedLoop, interaction: Interaction) -> DecisionReport:
        space, rewards = served.space, served.settings.rewards
        until = min(self._clock(), interaction.time + rewards.wait) + self._writing.grace
        _, seen = await self._events.event(
            space,
            interaction.event_id,
            space.bucket(interaction.time - EARLY_REWARD - self._writing.grace),
            space.bucket(until) + space.bucket_seconds,
        )
        in_time = [each for each in seen if within_wait(each.time, interaction.time, rewards.wait)]
        in_time.sort(key=lambda each: (each.time, each.id))
        values = [each.reward for each in in_time if each.reward is not None]
        is_closed = space.bucket(interaction.time) < served.state.cursor
        report = DecisionReport(
            interaction,
            tuple(in_time),
            Status.LEARNED if is_closed else Status.OPEN,
            aggregate(values, rewards) if values or is_closed else None,
        )
        if is_closed and not report.is_activated:
            return DecisionReport(interaction, report.observations, Status.NOT_ACTIVATED, None)
        return report

    async def _explained(self, served: ServedLoop, report: DecisionReport) -> ExplainedDecision:
        decided = report.interaction.model_version
        policy = await self._policy(served, decided)
        version = decided
        if policy is None:
            policy, version = served.policy, served.model_version
        if policy is None:
            return ExplainedDecision(report, None, "", decided == "")
        shared, actions = split_decision(report.interaction.context)
        explanations = await asyncio.to_thread(explain, policy, shared, [bytes(a) for a in actions])
        return ExplainedDecision(report, explanations, version, version == decided)

    async def _policy(self, served: ServedLoop, version: str) -> Policy | None:
        """Return the policy of a version, if it is still kept."""
        if version in ("", served.model_version):
            return served.policy if version else None
        blob = await self._blobs.load(model_name(self._reader.loop, version))
        if blob is None:
            return None
        try:
            learner = await asyncio.to_thread(loads, blob.data)
        except CheckpointError as exc:
            raise StorageError(f"model {version} cannot be read: {exc}") from exc
        return learner.policy()
