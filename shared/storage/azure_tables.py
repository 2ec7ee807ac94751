"""Events in Azure Table Storage: two insert-only tables per loop, epoch and UTC day."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.events.event_ids import shard_of
from shared.events.interaction import AnyInteraction
from shared.events.observation import Observation
from shared.services.ports import EventSpace, RankedEvent
from shared.storage.errors import translated
from shared.storage.event_codec import (
    DAY,
    EventTable,
    interaction_keys,
    interaction_row,
    observation_keys,
    observation_row,
    parse_table_name,
    partition_key,
    row_bucket,
    row_interaction,
    row_observation,
    table_name,
)
from shared.storage.table_inserts import TableInserts

INTERACTIONS = "interactions"
OBSERVATIONS = "observations"

MOST_PER_PAGE = 1000
"""Rows for which storage can be asked at once."""


class AzureEventStore:
    """See ``EventStore``."""

    def __init__(self, service: TableServiceClient, inserts: TableInserts) -> None:
        """Keep the tables of an account: ``inserts`` writes rows, ``service`` does all else."""
        self._service = service
        self._inserts = inserts
        self._tables: dict[str, TableClient] = {}

    async def add_interaction(
        self, space: EventSpace, bucket: int, interaction: AnyInteraction
    ) -> AnyInteraction:
        """See ``EventStore``."""
        row = interaction_row(space, bucket, interaction)
        table = table_name(INTERACTIONS, space, bucket)
        if await self._inserts.insert(table, row):
            return interaction
        async with translated(f"read an interaction of {table}"):
            stored = await self._table(table).get_entity(row["PartitionKey"], row["RowKey"])
        return row_interaction(stored)

    async def add_observation(
        self, space: EventSpace, bucket: int, observation: Observation
    ) -> None:
        """See ``EventStore``."""
        row = observation_row(space, bucket, observation)
        await self._inserts.insert(table_name(OBSERVATIONS, space, bucket), row)

    async def interactions(
        self, space: EventSpace, start: int, end: int, limit: int | None = None
    ) -> Sequence[tuple[int, AnyInteraction]]:
        """See ``EventStore``."""
        rows = await self._rows(INTERACTIONS, space, start, end, limit=limit)
        return [(row_bucket(row), row_interaction(row)) for row in _ordered(rows)]

    async def event(
        self, space: EventSpace, event_id: str, start: int, end: int
    ) -> tuple[Sequence[AnyInteraction], Sequence[Observation]]:
        """See ``EventStore``."""
        shard = shard_of(event_id, space.shards)
        interactions, observations = await asyncio.gather(
            *(
                self._rows(kind, space, start, end, shards=(shard,), keys=keys)
                for kind, keys in (
                    (INTERACTIONS, interaction_keys(event_id)),
                    (OBSERVATIONS, observation_keys(event_id)),
                )
            )
        )
        return (
            [row_interaction(row) for row in _ordered(interactions)],
            [row_observation(row) for row in observations],
        )

    async def ranked_events(self, space: EventSpace, start: int, end: int) -> Sequence[RankedEvent]:
        """See ``EventStore``."""
        columns = ["PartitionKey", "RowKey", "id", "time"]
        rows = await self._rows(INTERACTIONS, space, start, end, columns=columns)
        return [
            RankedEvent(row["id"], datetime.fromisoformat(row["time"]), row_bucket(row))
            for row in _ordered(rows)
        ]

    async def observations(self, space: EventSpace, start: int, end: int) -> Sequence[Observation]:
        """See ``EventStore``."""
        rows = await self._rows(OBSERVATIONS, space, start, end)
        return [row_observation(row) for row in rows]

    async def prepare(self, space: EventSpace, day: datetime) -> None:
        """See ``EventStore``."""
        for kind in (INTERACTIONS, OBSERVATIONS):
            await self._create_table(table_name(kind, space, int(day.timestamp())))

    async def drop_before(self, space: EventSpace, day: datetime) -> int:
        """See ``EventStore``."""
        dropped = 0
        for table in await self._tables_of(space.loop):
            if table.epoch == space.epoch and table.day < f"{day:%Y%m%d}":
                await self._drop_table(table.name)
                dropped += 1
        return dropped

    async def drop_epochs(self, loop: str, below: int | None = None) -> None:
        """See ``EventStore``."""
        for table in await self._tables_of(loop):
            if below is None or table.epoch < below:
                await self._drop_table(table.name)

    async def _rows(
        self,
        kind: str,
        space: EventSpace,
        start: int,
        end: int,
        *,
        shards: Sequence[int] | None = None,
        keys: tuple[str, str] | None = None,
        columns: list[str] | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return the rows of the buckets from start to end; shards are read in parallel.

        Args:
            kind: Of the tables.
            space: Whose they are.
            start: The first bucket.
            end: The bucket after the last.
            shards: To look into; None for all.
            keys: Half-open range of row keys.
            columns: To read; None for all.
            limit: Rows of each shard and day.
        """
        tables = await self._existing(kind, space, start, end)
        query = "PartitionKey ge @low and PartitionKey lt @high"
        bounds = {}
        if keys is not None:
            query += " and RowKey ge @first and RowKey lt @last"
            bounds = {"first": keys[0], "last": keys[1]}
        parts = await asyncio.gather(
            *(
                self._query(
                    table,
                    query,
                    {
                        **bounds,
                        "low": partition_key(shard, start),
                        "high": partition_key(shard, end),
                    },
                    columns,
                    limit,
                )
                for table in tables
                for shard in shards or range(space.shards)
            )
        )
        return [row for part in parts for row in part]

    async def _existing(self, kind: str, space: EventSpace, start: int, end: int) -> list[str]:
        """Return the tables that may hold the range; a long range asks which ones exist."""
        days = list(_days(start, end))
        names = [table_name(kind, space, day) for day in days]
        if len(days) <= 4:
            return names
        present = {table.name for table in await self._tables_of(space.loop)}
        return [name for name in names if name in present]

    async def _query(
        self,
        table: str,
        query: str,
        bounds: dict[str, str],
        columns: list[str] | None,
        limit: int | None,
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        per_page = None if limit is None else min(limit, MOST_PER_PAGE)
        pages = (
            self._table(table)
            .query_entities(query, parameters=bounds, select=columns, results_per_page=per_page)
            .by_page()
        )
        while limit is None or len(rows) < limit:
            async with translated(f"read {table}"):
                try:
                    rows += [dict(row) async for row in await anext(pages)]
                except StopAsyncIteration:
                    break
                except ResourceNotFoundError:
                    break  # nothing happened on that day
        return rows[:limit]

    async def _tables_of(self, loop: str) -> list[EventTable]:
        """Return a loop's tables, of all epochs and days."""
        found = []
        for kind in (INTERACTIONS, OBSERVATIONS):
            prefix = f"{kind}{loop}e"
            bounds = {"low": prefix, "high": prefix + "~"}
            query = "TableName ge @low and TableName lt @high"
            pages = self._service.query_tables(query, parameters=bounds).by_page()
            while True:
                async with translated("list the tables"):
                    try:
                        names = [table.name async for table in await anext(pages)]
                    except StopAsyncIteration:
                        break
                parsed = (parse_table_name(kind, loop, name) for name in names)
                found += [
                    table for table in parsed if table is not None
                ]  # "a" and "ab" begin alike
        return found

    async def _drop_table(self, name: str) -> None:
        async with translated(f"drop the table {name}"):
            await self._service.delete_table(name)

    async def _create_table(self, name: str) -> None:
        async with translated(f"create the table {name}"):
            await self._service.create_table_if_not_exists(name)

    def _table(self, name: str) -> TableClient:
        client = self._tables.get(name)
        if client is None:
            client = self._tables[name] = self._service.get_table_client(name)
        return client


def _ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort into learning order: bucket, then shard, then row key."""
    return sorted(rows, key=lambda row: (row_bucket(row), row["PartitionKey"], row["RowKey"]))


def _days(start: int, end: int) -> Iterator[int]:
    """Yield a time in each UTC day of the range."""
    yield from range(start - start % DAY, end, DAY)
