"""Reward and Activate: store what was observed for a decision, without asking whether it exists."""

import secrets
from datetime import datetime

from shared.events.observation import Observation
from shared.services.append import Writing, append
from shared.services.ports import Clock, EventStore
from shared.services.serving import LoopReader


class RewardService:
    """Records observations for one loop."""

    def __init__(
        self, reader: LoopReader, events: EventStore, clock: Clock, writing: Writing
    ) -> None:
        """Store into ``events``, in the space that ``reader`` serves."""
        self._reader = reader
        self._events = events
        self._clock = clock
        self._writing = writing

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
        served = await self._reader.served()
        now = self._clock()
        name = f"{int(now.timestamp() * 1000):013d}.{secrets.token_hex(4)}"
        observation = Observation(event_id, name, now, value)

        async def write(time: datetime) -> None:
            space = served.space
            await self._events.add_observation(space, space.bucket(time), observation)

        await append(write, self._clock, self._writing.deadline)
