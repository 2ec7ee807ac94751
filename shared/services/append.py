"""Storing an event before it is acknowledged, within a deadline."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from shared.services.meter import SILENT, STORAGE_RETRIES, Meter
from shared.services.ports import Clock, EventSpace, EventStore, MissingSpace, StorageUnavailable
from shared.services.serving import LoopReader

T = TypeVar("T")

FIRST_PAUSE = 0.05
"""Seconds before the first retry; each further pause is twice as long, with jitter."""


@dataclass(frozen=True, slots=True)
class Writing:
    """How long a write may take, and by how much clocks may differ.

    The trainer waits for both before it takes a bucket as closed, so a write that was
    acknowledged is always seen: a bucket is read no earlier than its end + ``grace``.
    """

    deadline: timedelta = timedelta(seconds=8)
    clock_skew: timedelta = timedelta(seconds=5)

    @property
    def grace(self) -> timedelta:
        """How long after its end a bucket may still be written to."""
        return self.deadline + 2 * self.clock_skew


class EventWriter:
    """Stores the events of one loop, each within a deadline."""

    def __init__(
        self,
        reader: LoopReader,
        events: EventStore,
        clock: Clock,
        writing: Writing,
        meter: Meter = SILENT,
    ) -> None:
        """Write into ``events``, into the space that ``reader`` knows of."""
        self._reader = reader
        self._events = events
        self._clock = clock
        self._deadline = writing.deadline.total_seconds()
        self._meter = meter

    async def write(
        self, insert: Callable[[EventSpace, int], Awaitable[T]], *, slots: bool = False
    ) -> T:
        """Try ``insert`` until it succeeds or the deadline has passed.

        Args:
            insert: Stores an event in a space's bucket. Every attempt gets those of the present
                time, because a bucket must not be written to after it was closed.
            slots: Whether the event is about slots.

        Raises:
            WrongKindOfLoop: The loop is not one for such events.
            StorageUnavailable: No attempt succeeded in time; one still running is abandoned.
        """
        pause = FIRST_PAUSE
        try:
            async with asyncio.timeout(self._deadline):
                while True:
                    try:
                        return await self._attempt(insert, slots)
                    except StorageUnavailable:
                        self._meter.record(STORAGE_RETRIES, 1, loop=self._reader.loop)
                        jitter = random.uniform(0.5, 1.0)  # noqa: S311 (no secret)
                        await asyncio.sleep(pause * jitter)
                        pause *= 2
        except TimeoutError as exc:
            raise StorageUnavailable("the event could not be stored in time") from exc

    async def _attempt(self, insert: Callable[[EventSpace, int], Awaitable[T]], slots: bool) -> T:
        space = (await self._reader.served_for(slots=slots)).space
        try:
            return await insert(space, space.bucket(self._clock()))
        except MissingSpace:
            pass
        # A new day has begun, or all logs were deleted and the epoch has risen.
        await self._reader.refresh()
        space = (await self._reader.served()).space
        now = self._clock()
        await self._events.prepare(space, now)
        try:
            return await insert(space, space.bucket(now))
        except MissingSpace as exc:
            raise StorageUnavailable("the place for events is being made") from exc
