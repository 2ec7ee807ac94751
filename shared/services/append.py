"""Storing an event before it is acknowledged, within a deadline."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from shared.services.meter import SILENT, STORAGE_RETRIES, Meter
from shared.services.ports import (
    Clock,
    Conflict,
    EntityTooLarge,
    EventSpace,
    EventStore,
    MissingSpace,
    StorageError,
    StorageUnavailable,
)
from shared.services.serving import LoopReader

T = TypeVar("T")

FIRST_PAUSE = 0.1
"""Seconds before the first retry at most; each further limit is twice as long (full jitter)."""


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
        self._watch = reader.watch

    async def write(
        self,
        insert: Callable[[EventSpace, int], Awaitable[T]],
        *,
        slots: bool = False,
        within: float | None = None,
    ) -> T:
        """Try ``insert`` until it succeeds, the deadline has passed or retries are used up.

        No attempt takes longer than half of the time that there is, so that a connection that
        died unnoticed costs one attempt only.

        Args:
            insert: Stores an event in a space's bucket. Every attempt gets those of the present
                time, because a bucket must not be written to after it was closed.
            slots: Whether the event is about slots.
            within: Seconds, where there is less time than the deadline.

        Raises:
            WrongKindOfLoop: The loop is not one for such events.
            StorageUnavailable: No attempt succeeded in time; one still running is abandoned.
        """
        deadline = self._deadline if within is None else min(within, self._deadline)
        try:
            async with asyncio.timeout(deadline) as limit:
                await self._reader.served_for(slots=slots)
                stored = await self._persistently(insert, limit.when() or 0.0, deadline / 2)
        except TimeoutError as exc:
            late = StorageUnavailable("the event could not be stored in time")
            self._watch.events.failed(late)
            raise late from exc
        self._watch.events.succeeded()
        return stored

    async def _persistently(
        self, insert: Callable[[EventSpace, int], Awaitable[T]], ends: float, patience: float
    ) -> T:
        """Attempt it again and again, until ``ends`` by the event loop's clock."""
        time = asyncio.get_running_loop().time
        pause = FIRST_PAUSE
        self._watch.retries.first_attempt()
        while True:
            try:
                async with asyncio.timeout(patience):
                    return await self._attempt(insert)
            except TimeoutError:
                failure = StorageUnavailable("storage did not answer in time")
            except StorageUnavailable as exc:
                failure = exc
            except (EntityTooLarge, Conflict):
                raise
            except StorageError as exc:
                self._watch.events.failed(exc)
                raise
            self._meter.record(STORAGE_RETRIES, 1, loop=self._reader.loop)
            asked = failure.retry_after or 0.0
            wait = max(asked, random.uniform(0, pause))  # noqa: S311 (no secret)
            if time() + wait >= ends or not self._watch.retries.allows_retry():
                self._watch.events.failed(failure)
                raise failure
            await asyncio.sleep(wait)
            pause *= 2

    async def _attempt(self, insert: Callable[[EventSpace, int], Awaitable[T]]) -> T:
        space = (await self._reader.served()).space
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
