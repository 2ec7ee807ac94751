"""Whether storage answers this process, and since when: told once, not for each call."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from shared.services.ports import Clock
from shared.services.retries import RetryBudget

logger = logging.getLogger(__name__)

PATIENCE = timedelta(seconds=5)
"""For how long nothing must have succeeded before a failure means that storage is away."""

PROBE_EVERY = 5.0
"""Seconds between looks at a part that is away, if nobody calls."""

SELDOM = 60.0
"""Seconds between lines of the log on what may happen with every call."""


class SeldomLogger:
    """Writes one line a minute at most, and how many it has left out."""

    def __init__(
        self, logger: logging.Logger, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Write to ``logger``."""
        self._logger = logger
        self._monotonic = monotonic
        self._next = float("-inf")
        self._left_out = 0

    def error(self, text: str, *args: object) -> None:
        """Log an error, or count it."""
        now = self._monotonic()
        if now < self._next:
            self._left_out += 1
            return
        more = f" (and {self._left_out} more before)" if self._left_out else ""
        self._logger.error(text + more, *args)
        self._next, self._left_out = now + SELDOM, 0


class Part:
    """One part of storage, such as its tables, as the calls of this process have seen it.

    Attributes:
        name: Of the part, for the log.
        last_success: When something last succeeded; None if nothing has.
        since: When it was first seen to answer, or to be away; None before anything was seen.
        away: Whether it is away: something failed, and nothing has succeeded for a while.
    """

    def __init__(self, name: str, clock: Clock, monotonic: Callable[[], float]) -> None:
        """Know nothing yet."""
        self.name = name
        self.last_success: datetime | None = None
        self.since: datetime | None = None
        self.away = False
        self._clock = clock
        self._monotonic = monotonic
        self._next_probe = 0.0

    def succeeded(self) -> None:
        """Take note that something succeeded."""
        self.last_success = now = self._clock()
        if self.away:
            away_for = (now - self.since).total_seconds() if self.since else 0
            logger.warning("%s answers again after %.0f s", self.name, away_for)
        if self.away or self.since is None:
            self.since, self.away = now, False

    def failed(self, exc: Exception) -> None:
        """Take note that something failed for good, after its retries."""
        now = self._clock()
        if self.away or (self.last_success is not None and now - self.last_success < PATIENCE):
            return
        self.since, self.away = now, True
        self._next_probe = self._monotonic() + PROBE_EVERY
        logger.error("%s is away: %s", self.name, exc)

    def probe_due(self) -> bool:
        """Whether it is away, and the caller the one to look at it now."""
        now = self._monotonic()
        if not self.away or now < self._next_probe:
            return False
        self._next_probe = now + PROBE_EVERY
        return True


class StorageWatch:
    """What one process knows of its storage.

    Attributes:
        events: The tables of events, seen by writes.
        documents: The blobs, seen by polls.
        retries: Budget of retries of writes.
        unlogged: Decisions that were served although they could not be stored.
    """

    def __init__(self, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin to watch."""
        self.events = Part("table storage", clock, monotonic)
        self.documents = Part("blob storage", clock, monotonic)
        self.retries = RetryBudget(monotonic)
        self.unlogged = 0

    @property
    def away(self) -> bool:
        """Whether a part of storage is away."""
        return self.events.away or self.documents.away

    @property
    def since(self) -> datetime | None:
        """Since when that is so; None before anything was seen."""
        parts = [part for part in (self.events, self.documents) if part.away == self.away]
        times = [part.since for part in parts if part.since is not None]
        if not times:
            return None
        return min(times) if self.away else max(times)
