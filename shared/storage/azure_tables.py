"""Events in Azure Table Storage: two insert-only tables per loop, epoch and UTC day."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from azure.data.tables.aio import TableClient, TableServiceClient

from shared.events.event_ids import shard_of
from shared.events.interaction import AnyInteraction
from shared.events.observation import Observation
from shared.services.ports import EventSpace, MissingSpace, RankedEvent
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
from shared.storage.table_queries import TableQueries

INTERACTIONS = "interactions"
OBSERVATIONS = "observations"


class AzureEventStore:
    """See ``EventStore``."""

    def __init__(
        self, service: TableServiceClient, inserts: TableInserts, queries: TableQueries
    ) -> None:
        """Keep the tables of an account.

        Rows are written by ``inserts`` and read by ``queries``; ``service`` does all else.
        """
        self._service = service
        self._inserts = inserts
        self._queries = queries
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
        parts = await asyncio.gather(
            *(
                self._query(table, _range(shard, start, end, keys), columns, limit)
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
        self, table: str, condition: str, columns: list[str] | None, limit: int | None
    ) -> list[dict[str, Any]]:
        try:
            return await self._queries.rows(table, condition, columns, limit)
        except MissingSpace:
            return []  # nothing happened on that day

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


def _range(shard: int, start: int, end: int, keys: tuple[str, str] | None) -> str:
    """Return the condition of a shard's buckets and, perhaps, row keys; no key holds a quote."""
    low, high = partition_key(shard, start), partition_key(shard, end)
    condition = f"PartitionKey ge '{low}' and PartitionKey lt '{high}'"
    if keys is not None:
        condition += f" and RowKey ge '{keys[0]}' and RowKey lt '{keys[1]}'"
    return condition


def _ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort into learning order: bucket, then shard, then row key."""
    return sorted(rows, key=lambda row: (row_bucket(row), row["PartitionKey"], row["RowKey"]))


def _days(start: int, end: int) -> Iterator[int]:
    """Yield a time in each UTC day of the range."""
    yield from range(start - start % DAY, end, DAY)
