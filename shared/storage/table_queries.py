"""Rows of Azure Table Storage as plain HTTP requests: what the trainer reads its events with.

The table client makes an entity with typed properties of each row, at many times the cost of the
row itself. Here a page is decoded at once ("Query Entities" in the Azure Storage REST API
reference); the columns are our own, texts and the ``data`` ones in base64.
"""

import asyncio
import random
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from shared.services.ports import StorageUnavailable
from shared.storage.errors import translated
from shared.storage.table_account import TableAccount, raise_for

MOST_PER_PAGE = 1000
"""Rows; storage refuses to be asked for more at once."""

FIRST_PAUSE = 0.2
"""Seconds before a second attempt; each further pause is twice as long, with jitter."""

LONGEST_PAUSE = 1.0
"""Seconds; after that, reading is left to the next run of the trainer."""

_CONTINUATIONS = ("NextPartitionKey", "NextRowKey")


class _Page(msgspec.Struct):
    value: list[dict[str, str]]


_decode = msgspec.json.Decoder(_Page).decode


class TableQueries:
    """Reads rows of the tables of one account."""

    def __init__(self, account: TableAccount) -> None:
        """Read from the tables of ``account``."""
        self._account = account

    async def rows(
        self,
        table: str,
        condition: str,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return the rows that meet a condition, by partition and row key.

        Args:
            table: Its name.
            condition: In OData's language for filters.
            columns: To read, such that every row has them; None for all.
            limit: Of rows; None for all.

        Raises:
            MissingSpace: There is no such table.
            StorageUnavailable: Storage did not answer, or asked to be left alone.
        """
        query = {"$filter": condition}
        if columns is not None:
            query["$select"] = ",".join(columns)
        found: list[dict[str, Any]] = []
        while limit is None or len(found) < limit:
            if limit is not None:
                query["$top"] = str(min(limit - len(found), MOST_PER_PAGE))
            page, more = await self._page(table, query)
            found += page
            if not more:
                break
            query |= more
        return found

    async def _page(
        self, table: str, query: Mapping[str, str]
    ) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Return rows, and what to ask for to get the next ones, if there are more."""
        pause = FIRST_PAUSE
        async with translated(f"read {table}"):
            while True:
                try:
                    return await self._ask(table, query)
                except (aiohttp.ClientError, TimeoutError, StorageUnavailable) as exc:
                    if pause > LONGEST_PAUSE:
                        raise
                    wished = getattr(exc, "retry_after", None) or 0
                await asyncio.sleep(max(pause, wished) * random.uniform(1.0, 1.5))  # noqa: S311 (no secret)
                pause *= 2

    async def _ask(
        self, table: str, query: Mapping[str, str]
    ) -> tuple[list[dict[str, Any]], dict[str, str]]:
        asked = urlencode(query, quote_via=quote)  # a plus is no space to storage
        async with await self._account.ask("GET", f"{table}()", query=f"?{asked}") as answer:
            if answer.status != 200:
                await raise_for(answer, f"read {table}")
            body = await answer.read()
        given = ((name, answer.headers.get(f"x-ms-continuation-{name}")) for name in _CONTINUATIONS)
        more = {name: value for name, value in given if value is not None}
        return [_row(columns) for columns in _decode(body).value], more


def _row(columns: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: b64decode(value) if name.startswith("data") else value
        for name, value in columns.items()
    }
