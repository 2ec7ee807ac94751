"""Inserts into Azure Table Storage as plain HTTP requests: the hot path of Rank and Reward.

The table client spends far longer on an insert than the request itself takes: it copies,
validates and traces every entity. Here only what the protocol asks for is done ("Insert Entity"
in the Azure Storage REST API reference). Nothing is tried twice: the services do that, and choose
the bucket anew.
"""

from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec
from azure.core.exceptions import AzureError

from shared.services.ports import StorageUnavailable
from shared.storage.table_account import TableAccount, raise_for

_HEADERS = {"Content-Type": "application/json", "Prefer": "return-no-content"}
_encode = msgspec.json.Encoder().encode


class TableInserts:
    """Inserts rows into the tables of one account."""

    def __init__(self, account: TableAccount) -> None:
        """Insert into the tables of ``account``."""
        self._account = account

    async def insert(self, table: str, row: Mapping[str, Any]) -> bool:
        """Insert a row; False where its key is taken.

        Args:
            table: Its name.
            row: Texts, and bytes for binary properties.

        Raises:
            MissingSpace: There is no such table, or it is being deleted.
            StorageUnavailable: Storage did not answer, or asked to be left alone. The row may be
                there or not.
        """
        doing = f"insert into {table}"
        try:
            asked = await self._account.ask("POST", table, headers=_HEADERS, body=_body(row))
            async with asked as answer:
                if answer.status == 204:
                    return True
                await raise_for(answer, doing)
        except AzureError as exc:  # of the identity
            raise StorageUnavailable(f"could not {doing}: no token") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise StorageUnavailable(f"could not {doing}: storage did not answer") from exc
        return False


def _body(row: Mapping[str, Any]) -> bytes:
    binary = {f"{name}@odata.type": "Edm.Binary" for name, v in row.items() if type(v) is bytes}
    return _encode({**row, **binary})  # bytes are written as base64
