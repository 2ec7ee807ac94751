"""Reward and Activate: store what was observed for a decision, without asking whether it exists."""

import secrets

from shared.events.observation import Observation
from shared.services.append import EventWriter, Writing
from shared.services.meter import SILENT, Meter
from shared.services.ports import Clock, EventSpace, EventStore
from shared.services.serving import LoopReader


class RewardService:
    """Records observations for one loop."""

    def __init__(
        self,
        reader: LoopReader,
        events: EventStore,
        clock: Clock,
        writing: Writing,
        meter: Meter = SILENT,
    ) -> None:
        """Store into ``events``, in the space that ``reader`` serves."""
        self._events = events
        self._clock = clock
        self._writer = EventWriter(reader, events, clock, writing, meter)

    async def reward(self, event_id: str, value: float) -> None:
        """Record a reward; stored when this returns.

        Raises:
            StorageUnavailable: It could not be stored in time.
        """
        await self._observe(event_id, value)

    async def activate(self, event_id: str) -> None:
        """Record that a deferred decision was shown; stored when this returns.

        Raises:
            StorageUnavailable: It could not be stored in time.
        """
        await self._observe(event_id, None)

    async def _observe(self, event_id: str, value: float | None) -> None:
        now = self._clock()
        name = f"{int(now.timestamp() * 1000):013d}.{secrets.token_hex(4)}"
        observation = Observation(event_id, name, now, value)

        async def insert(space: EventSpace, bucket: int) -> None:
            await self._events.add_observation(space, bucket, observation)

        await self._writer.write(insert)
