"""Reward and Activate: store what was observed for a decision, without asking whether it exists."""

import secrets
from collections.abc import Sequence

from shared.events.observation import Observation, SlotReward
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
            WrongKindOfLoop: The loop is one with slots.
        """
        await self._observe(event_id, value)

    async def reward_slots(self, event_id: str, rewards: Sequence[SlotReward]) -> None:
        """Record rewards of slots, all or none; stored when this returns, if there are any.

        Raises:
            StorageUnavailable: They could not be stored in time.
            EntityTooLarge: There are more of them than can be stored at once.
            WrongKindOfLoop: The loop is none with slots.
        """
        if rewards:
            await self._observe(event_id, None, tuple(rewards), slots=True)

    async def activate(self, event_id: str, *, slots: bool = False) -> None:
        """Record that a deferred decision was shown, over slots or not; stored when this returns.

        Raises:
            StorageUnavailable: It could not be stored in time.
            WrongKindOfLoop: The loop is of the other kind.
        """
        await self._observe(event_id, None, slots=slots)

    async def _observe(
        self,
        event_id: str,
        value: float | None,
        rewards: tuple[SlotReward, ...] = (),
        *,
        slots: bool = False,
    ) -> None:
        now = self._clock()
        name = f"{int(now.timestamp() * 1000):013d}.{secrets.token_hex(4)}"
        observation = Observation(event_id, name, now, value, rewards)

        async def insert(space: EventSpace, bucket: int) -> None:
            await self._events.add_observation(space, bucket, observation)

        await self._writer.write(insert, slots=slots)
