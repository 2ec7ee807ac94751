"""Storing an event before it is acknowledged, within a deadline."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from shared.services.ports import Clock, StorageUnavailable

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


async def append(write: Callable[[datetime], Awaitable[T]], clock: Clock, deadline: timedelta) -> T:
    """Try ``write`` until it succeeds or the deadline has passed.

    Args:
        write: Stores an event in the bucket of the time that it is given; every attempt gets
            the present time, because a bucket must not be written to after it was closed.
        clock: Returns the present time.
        deadline: For all attempts together; an attempt still running is abandoned.

    Raises:
        StorageUnavailable: No attempt succeeded in time.
    """
    pause = FIRST_PAUSE
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            while True:
                try:
                    return await write(clock())
                except StorageUnavailable:
                    await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 (jitter)
                    pause *= 2
    except TimeoutError as exc:
        raise StorageUnavailable("the event could not be stored in time") from exc
