"""What the services need from the outside world, and how it may fail."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.events.interaction import AnyInteraction
from shared.events.observation import Observation

Clock = Callable[[], datetime]
"""Returns the present time, timezone-aware."""


class StorageError(Exception):
    """Something stored could not be read or written."""

    written_for_logs = True


class StorageUnavailable(StorageError):
    """Storage did not answer, or asked to be left alone, within the time allowed.

    What was to be written may have been written all the same.

    Attributes:
        retry_after: Seconds for which storage asked to be left alone; None if it did not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Say what was attempted."""
        super().__init__(message)
        self.retry_after = retry_after


class Conflict(StorageError):
    """Somebody else changed, created or holds it first."""


class MissingBlob(StorageError):
    """There is no such blob."""


class EntityTooLarge(StorageError):
    """One event is larger than a table row can be."""


class MissingSpace(StorageError):
    """There is no place for events of that loop, epoch and day; ``prepare`` makes one."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob's content and the tag of the version that was read."""

    data: bytes
    etag: str


class BlobStore(Protocol):
    """Named byte strings with optimistic concurrency."""

    async def load(self, name: str) -> Blob | None:
        """Return the blob, or None where there is none."""

    async def load_if_changed(self, name: str, etag: str) -> Blob | None:
        """Return the blob if it is no longer the version ``etag``; None if it still is.

        Raises:
            MissingBlob: There is no such blob.
        """

    async def create(self, name: str, data: bytes) -> str:
        """Write a new blob and return its tag; ``Conflict`` if the name is taken."""

    async def replace(self, name: str, data: bytes, etag: str) -> str:
        """Write over the version ``etag`` and return the new tag; ``Conflict`` if it is gone."""

    async def put(self, name: str, data: bytes) -> None:
        """Write a blob whose content follows from its name; writing it twice is harmless."""

    async def delete(self, name: str) -> None:
        """Remove a blob; nothing happens where there is none."""

    def names(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names that start with ``prefix``, sorted."""

    def lease(self, name: str, seconds: int) -> "AbstractAsyncContextManager[Lease]":
        """Hold a blob of that name for up to ``seconds``; ``Conflict`` if somebody else does."""


class Lease(Protocol):
    """An exclusive hold that ends by itself unless it is renewed."""

    async def renew(self) -> None:
        """Start the lease's time anew; ``Conflict`` if it was lost."""


@dataclass(frozen=True, slots=True)
class EventSpace:
    """Where a loop's events are kept, and how they are spread; fixed while an epoch lasts.

    Attributes:
        loop: The loop's name.
        epoch: Raised when all logs are deleted, because a dropped table's name stays taken.
        shards: Number of parts that share the load of writing.
        bucket_seconds: Length of the time slots that are learned as a whole.
    """

    loop: str
    epoch: int
    shards: int
    bucket_seconds: int

    def bucket(self, time: datetime) -> int:
        """Return the start, in unix seconds, of the bucket in which ``time`` lies."""
        seconds = int(time.timestamp())
        return seconds - seconds % self.bucket_seconds


@dataclass(frozen=True, slots=True)
class RankedEvent:
    """What the join needs to know of an interaction that an earlier step has learned."""

    event_id: str
    time: datetime
    bucket: int


class EventStore(Protocol):
    """Interactions and observations, insert-only, by shard and bucket.

    Ranges are half-open in bucket starts, in unix seconds.
    """

    async def add_interaction(
        self, space: EventSpace, bucket: int, interaction: AnyInteraction
    ) -> AnyInteraction:
        """Insert; where the bucket already holds the event id, return what was stored first.

        Raises:
            MissingSpace: The bucket's day was not prepared, or was dropped.
        """

    async def add_observation(
        self, space: EventSpace, bucket: int, observation: Observation
    ) -> None:
        """Insert; inserting the same observation again changes nothing.

        Raises:
            MissingSpace: The bucket's day was not prepared, or was dropped.
        """

    async def interactions(
        self, space: EventSpace, start: int, end: int, limit: int | None = None
    ) -> Sequence[tuple[int, AnyInteraction]]:
        """Return buckets and interactions in learning order: bucket, shard, row key.

        With a ``limit``, no more than so many of each shard and day: the first ones by bucket.
        """

    async def event(
        self, space: EventSpace, event_id: str, start: int, end: int
    ) -> tuple[Sequence[AnyInteraction], Sequence[Observation]]:
        """Return all that is stored of one event, the interactions by bucket.

        It looks through one shard: cheap for a few buckets, slow for days of heavy traffic.
        """

    async def ranked_events(self, space: EventSpace, start: int, end: int) -> Sequence[RankedEvent]:
        """Return ids and times only, in learning order."""

    async def observations(self, space: EventSpace, start: int, end: int) -> Sequence[Observation]:
        """Return the observations that arrived in the range, in no particular order."""

    async def prepare(self, space: EventSpace, day: datetime) -> None:
        """Make sure that events of that UTC day find their tables."""

    async def drop_before(self, space: EventSpace, day: datetime) -> int:
        """Drop whole UTC days before ``day``; return how many tables went."""

    async def drop_epochs(self, loop: str, below: int | None = None) -> None:
        """Drop all that a loop has stored in epochs below a given one, or in all."""
