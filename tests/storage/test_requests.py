"""Requests to the tables of an account: signatures, repeated reads, and what refusals mean."""

import asyncio
import os
import time
import uuid

import pytest

from shared import wiring
from shared.services.ports import EventSpace, MissingSpace, StorageUnavailable
from shared.settings import Settings
from shared.storage import table_account, table_queries
from shared.storage.table_account import SharedKey
from tests.faults.proxy import RESET_BEFORE, SERVER_ERROR, Fault, FaultProxy, Kind
from tests.storage.test_stores import BUCKET, NOW, interaction

# The clients leave an answer that is abandoned half-way to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PATH = "/account/table"


@pytest.fixture
def proxy(azurite):
    with FaultProxy(azurite) as proxy:
        yield proxy


@pytest.fixture
async def events(proxy):
    environ = {**os.environ, "DATA_STORAGE": proxy.connection_string}
    environ |= {"PERSONALIZER_KEY_1": "k" * 16}
    async with wiring.azure_stores(Settings.from_environ(environ)) as stores:
        yield stores.events


@pytest.fixture
async def space(events):
    space = EventSpace("t" + uuid.uuid4().hex[:12], epoch=0, shards=1, bucket_seconds=60)
    await events.prepare(space, NOW)
    await events.add_interaction(space, BUCKET, interaction())
    return space


@pytest.fixture
def pauses(monkeypatch):
    """The pauses between attempts, which are not made."""
    slept = []
    sleep = asyncio.sleep

    async def note(seconds):
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(table_queries.asyncio, "sleep", note)
    return slept


async def read(events, space):
    return [e.event_id for _, e in await events.interactions(space, BUCKET, BUCKET + 60)]


@pytest.mark.parametrize("fault", [Fault(Kind.ERROR_BEFORE), SERVER_ERROR])
async def test_a_page_that_could_not_be_read_is_asked_for_again(
    fault, proxy, events, space, pauses
):
    proxy.inject(fault, match="GET .*interactions", times=2)

    assert await read(events, space) == ["e"]
    assert len(pauses) == 2
    assert pauses[0] < pauses[1]


async def test_reading_waits_for_as_long_as_storage_asks_it_to(proxy, events, space, pauses):
    proxy.inject(Fault(Kind.ERROR_BEFORE, retry_after=7), match="GET .*interactions")

    assert await read(events, space) == ["e"]
    assert len(pauses) == 1
    assert pauses[0] >= 7


async def test_reading_gives_up_at_last(proxy, events, space, pauses):
    proxy.inject(RESET_BEFORE, match="GET .*interactions", times=100)

    with pytest.raises(StorageUnavailable):
        await read(events, space)
    assert len(pauses) < 10


async def test_a_table_that_is_being_deleted_is_a_missing_place(proxy, events, space):
    gone = Fault(Kind.ERROR_BEFORE, status=409, code="TableBeingDeleted")
    proxy.inject(gone, match="POST .*interactions")

    with pytest.raises(MissingSpace):
        await events.add_interaction(space, BUCKET, interaction("other"))


async def test_a_signature_is_of_the_present_second(monkeypatch):
    now = time.time()
    monkeypatch.setattr(table_account.time, "time", lambda: now)
    key = SharedKey("account", "a2V5")
    first = await key.headers(PATH)
    assert await key.headers(PATH) == first

    now += 1
    second = await key.headers(PATH)
    other = await key.headers(f"{PATH}2")

    assert second["x-ms-date"] != first["x-ms-date"]
    assert len({each["Authorization"] for each in (first, second, other)}) == 3
