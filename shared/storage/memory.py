"""In-memory twins of the Azure stores: for tests, and to show what the ports promise."""

import itertools
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from shared.events.interaction import AnyInteraction
from shared.events.observation import Observation
from shared.services.ports import (
    Blob,
    Conflict,
    EventSpace,
    Lease,
    MissingBlob,
    MissingSpace,
    RankedEvent,
)
from shared.storage.event_codec import (
    DAY,
    interaction_row,
    observation_row,
    row_bucket,
    row_interaction,
    row_observation,
)


class InMemoryBlobStore:
    """See ``BlobStore``."""

    def __init__(self) -> None:
        """Start empty."""
        self.blobs: dict[str, Blob] = {}
        self.leased: set[str] = set()
        self._tags = map(str, itertools.count(1))

    async def load(self, name: str) -> Blob | None:
        """See ``BlobStore``."""
        return self.blobs.get(name)

    async def load_if_changed(self, name: str, etag: str) -> Blob | None:
        """See ``BlobStore``."""
        blob = self.blobs.get(name)
        if blob is None:
            raise MissingBlob(f"{name} is missing")
        return None if blob.etag == etag else blob

    async def create(self, name: str, data: bytes) -> str:
        """See ``BlobStore``."""
        if name in self.blobs:
            raise Conflict(f"{name} exists")
        return self._write(name, data)

    async def replace(self, name: str, data: bytes, etag: str) -> str:
        """See ``BlobStore``."""
        blob = self.blobs.get(name)
        if blob is None or blob.etag != etag:
            raise Conflict(f"{name} was changed")
        return self._write(name, data)

    async def put(self, name: str, data: bytes) -> None:
        """See ``BlobStore``."""
        self._write(name, data)

    async def delete(self, name: str) -> None:
        """See ``BlobStore``."""
        self.blobs.pop(name, None)

    async def names(self, prefix: str) -> AsyncIterator[str]:
        """See ``BlobStore``."""
        for name in sorted(self.blobs):
            if name.startswith(prefix):
                yield name

    @asynccontextmanager
    async def lease(self, name: str, seconds: int) -> AsyncIterator[Lease]:
        """See ``BlobStore``; here it ends only with its holder."""
        if name in self.leased:
            raise Conflict(f"{name} is leased")
        self.leased.add(name)
        try:
            yield _InMemoryLease(self, name)
        finally:
            self.leased.discard(name)

    def _write(self, name: str, data: bytes) -> str:
        etag = next(self._tags)
        self.blobs[name] = Blob(bytes(data), etag)
        return etag


class _InMemoryLease:
    def __init__(self, store: InMemoryBlobStore, name: str) -> None:
        self._store = store
        self._name = name

    async def renew(self) -> None:
        if self._name not in self._store.leased:
            raise Conflict(f"the lease of {self._name} was lost")


Row = dict[str, Any]
Table = dict[tuple[str, str], Row]


class InMemoryEventStore:
    """See ``EventStore``. It stores the very rows that the tables hold."""

    def __init__(self) -> None:
        """Start empty."""
        self.interaction_rows: dict[EventSpace, Table] = {}
        self.observation_rows: dict[EventSpace, Table] = {}
        self.days: set[tuple[EventSpace, int]] = set()

    async def add_interaction(
        self, space: EventSpace, bucket: int, interaction: AnyInteraction
    ) -> AnyInteraction:
        """See ``EventStore``."""
        row = interaction_row(space, bucket, interaction)
        self._check(space, bucket)
        table = self.interaction_rows.setdefault(space, {})
        return row_interaction(table.setdefault((row["PartitionKey"], row["RowKey"]), row))

    async def add_observation(
        self, space: EventSpace, bucket: int, observation: Observation
    ) -> None:
        """See ``EventStore``."""
        row = observation_row(space, bucket, observation)
        self._check(space, bucket)
        table = self.observation_rows.setdefault(space, {})
        table.setdefault((row["PartitionKey"], row["RowKey"]), row)

    async def interactions(
        self, space: EventSpace, start: int, end: int, limit: int | None = None
    ) -> Sequence[tuple[int, AnyInteraction]]:
        """See ``EventStore``."""
        rows = _between(self.interaction_rows.get(space, {}), start, end)
        if limit is not None:
            parts: dict[tuple[str, int], list[Row]] = {}
            for row in rows:
                part = row["PartitionKey"].split("-")[0], row_bucket(row) // 86400
                if len(parts.setdefault(part, [])) < limit:
                    parts[part].append(row)
            rows = _ordered(row for part in parts.values() for row in part)
        return [(row_bucket(row), row_interaction(row)) for row in rows]

    async def event(
        self, space: EventSpace, event_id: str, start: int, end: int
    ) -> tuple[Sequence[AnyInteraction], Sequence[Observation]]:
        """See ``EventStore``."""
        interactions = [
            interaction
            for _, interaction in await self.interactions(space, start, end)
            if interaction.event_id == event_id
        ]
        observations = [
            observation
            for observation in await self.observations(space, start, end)
            if observation.event_id == event_id
        ]
        return interactions, observations

    async def ranked_events(self, space: EventSpace, start: int, end: int) -> Sequence[RankedEvent]:
        """See ``EventStore``."""
        return [
            RankedEvent(interaction.event_id, interaction.time, bucket)
            for bucket, interaction in await self.interactions(space, start, end)
        ]

    async def observations(self, space: EventSpace, start: int, end: int) -> Sequence[Observation]:
        """See ``EventStore``."""
        rows = _between(self.observation_rows.get(space, {}), start, end)
        return [row_observation(row) for row in rows]

    async def prepare(self, space: EventSpace, day: datetime) -> None:
        """See ``EventStore``."""
        self.days.add((space, int(day.timestamp()) // DAY))

    async def drop_before(self, space: EventSpace, day: datetime) -> int:
        """See ``EventStore``."""
        first = day.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        days = set()
        for table in (
            self.interaction_rows.get(space, {}),
            self.observation_rows.get(space, {}),
        ):
            for key, row in list(table.items()):
                if row_bucket(row) < first:
                    days.add((id(table), row_bucket(row) // DAY))
                    del table[key]
        self.days = {(s, d) for s, d in self.days if s != space or d * DAY >= first}
        return len(days)

    async def drop_epochs(self, loop: str, below: int | None = None) -> None:
        """See ``EventStore``."""

        def dropped(space: EventSpace) -> bool:
            return space.loop == loop and (below is None or space.epoch < below)

        for tables in (self.interaction_rows, self.observation_rows):
            for space in [space for space in tables if dropped(space)]:
                del tables[space]
        self.days = {(space, day) for space, day in self.days if not dropped(space)}

    def _check(self, space: EventSpace, bucket: int) -> None:
        if (space, bucket // DAY) not in self.days:
            raise MissingSpace("the day of the bucket was not prepared")


def _between(table: Table, start: int, end: int) -> list[Row]:
    return _ordered(row for row in table.values() if start <= row_bucket(row) < end)


def _ordered(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row_bucket(row), row["PartitionKey"], row["RowKey"]))
