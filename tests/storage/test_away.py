"""Azure's stores while storage is away: whatever it does, an error that says so, in time."""

import asyncio
import os

import pytest

from shared import wiring
from shared.services.ports import EventSpace, StorageError, StorageUnavailable
from shared.settings import Settings
from shared.storage import errors
from tests.storage.test_stores import BUCKET, NOW, interaction
from tests.support.bad_storage import WAYS, BadStorage

# The clients leave an answer that is abandoned half-way to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SPACE = EventSpace("away", epoch=0, shards=2, bucket_seconds=60)
PATIENCE = 0.5
SLACK = 5.0
"""Seconds for a busy machine; without a limit the clients would go on for a minute and more."""


@pytest.fixture(scope="module")
def storage(azurite):
    with BadStorage(azurite) as storage:
        yield storage


@pytest.fixture
async def stores(storage, monkeypatch):
    """Stores in whose container and tables there is something; then patience ends."""
    environ = {**os.environ, "DATA_STORAGE": storage.connection_string}
    environ |= {"PERSONALIZER_KEY_1": "k" * 16}
    async with wiring.azure_stores(Settings.from_environ(environ)) as stores:
        await stores.blobs.put("away/there", b"something")
        await stores.events.prepare(SPACE, NOW)
        await stores.events.add_interaction(SPACE, BUCKET, interaction())
        monkeypatch.setattr(errors, "PATIENCE", PATIENCE)
        yield stores
        storage.comes_back()


async def lease(stores):
    async with stores.blobs.lease("away/lock", 15):
        pass


OPERATIONS = {
    "read a blob": lambda s: s.blobs.load("away/there"),
    "read a changed blob": lambda s: s.blobs.load_if_changed("away/there", '"0x1"'),
    "write a blob": lambda s: s.blobs.put("away/there", b"x"),
    "delete a blob": lambda s: s.blobs.delete("away/there"),
    "list blobs": lambda s: _list(s.blobs.names("away/")),
    "lease": lease,
    "read rows": lambda s: s.events.interactions(SPACE, BUCKET, BUCKET + 60),
    "make tables": lambda s: s.events.prepare(SPACE, NOW),
    "drop tables": lambda s: s.events.drop_before(SPACE, NOW),
}


async def _list(names):
    return [name async for name in names]


@pytest.mark.parametrize("way", [*WAYS, "refuses"])
async def test_every_operation_ends_with_an_error_that_says_that_storage_is_away(
    way, storage, stores
):
    storage.goes_away(way)
    async with asyncio.timeout(PATIENCE + SLACK):
        outcomes = await asyncio.gather(
            *(operation(stores) for operation in OPERATIONS.values()), return_exceptions=True
        )

    kinds = {name: type(found) for name, found in zip(OPERATIONS, outcomes, strict=True)}
    assert kinds == dict.fromkeys(OPERATIONS, StorageUnavailable)


async def test_a_host_name_that_does_not_resolve_is_storage_that_is_away(monkeypatch):
    monkeypatch.setattr(errors, "PATIENCE", PATIENCE)
    account = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;"
    nowhere = f"{account}BlobEndpoint=http://blobs.invalid/a;TableEndpoint=http://tables.invalid/a;"
    environ = {**os.environ, "DATA_STORAGE": nowhere, "PERSONALIZER_KEY_1": "k" * 16}
    async with wiring.azure_stores(Settings.from_environ(environ)) as stores:
        with pytest.raises(StorageUnavailable):
            await stores.blobs.load("away/there")
        with pytest.raises(StorageUnavailable):
            await stores.events.prepare(SPACE, NOW)
        with pytest.raises(StorageUnavailable):
            async with asyncio.timeout(SLACK):
                await stores.events.add_interaction(SPACE, BUCKET, interaction())


@pytest.mark.parametrize("way", [*WAYS, "refuses"])
async def test_no_insert_counts_as_stored_while_storage_is_away(way, storage, stores):
    storage.goes_away(way)
    with pytest.raises((StorageError, TimeoutError)):
        async with asyncio.timeout(PATIENCE):
            await stores.events.add_interaction(SPACE, BUCKET, interaction(f"away {way}"))

    storage.comes_back()
    found = await stores.events.interactions(SPACE, BUCKET, BUCKET + 60)
    assert {event.event_id for _, event in found} == {"e"}
