"""What the ports promise, kept by the in-memory stores and by Azure's on a real emulator."""

import asyncio
import os
import random
import uuid
import zlib
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from azure.core.exceptions import ClientAuthenticationError

from shared import wiring
from shared.events.event_ids import shard_of
from shared.events.interaction import (
    ExcludedAction,
    Interaction,
    SlotChoice,
    SlotsInteraction,
)
from shared.events.learning_mode import LearningMode
from shared.events.observation import Observation, SlotReward
from shared.services.ports import (
    Conflict,
    EntityTooLarge,
    EventSpace,
    MissingBlob,
    MissingSpace,
    StorageError,
    StorageUnavailable,
)
from shared.settings import Settings
from shared.storage import table_queries
from shared.storage.event_codec import (
    PROPERTIES,
    PROPERTY_BYTES,
    interaction_row,
    row_interaction,
    row_observation,
)
from shared.storage.memory import InMemoryBlobStore, InMemoryEventStore
from shared.storage.table_account import BearerToken, TableAccount, open_session
from shared.storage.table_inserts import TableInserts
from shared.wiring import Stores

NOW = datetime(2026, 5, 4, 23, 59, 30, 123456, tzinfo=UTC)
BUCKET = int(NOW.timestamp()) - 30


@pytest.fixture(params=["memory", "azure"])
async def stores(request):
    async with _open(request) as opened:
        yield opened


@asynccontextmanager
async def _open(request):
    if request.param == "memory":
        yield Stores(InMemoryBlobStore(), InMemoryEventStore())
    else:
        connection = request.getfixturevalue("azurite")
        environ = {**os.environ, "DATA_STORAGE": connection, "PERSONALIZER_KEY_1": "k" * 16}
        async with wiring.azure_stores(Settings.from_environ(environ)) as opened:
            yield opened


@pytest.fixture
async def space(stores):
    loop = "t" + uuid.uuid4().hex[:12]
    made = EventSpace(loop, epoch=3, shards=8, bucket_seconds=60)
    for days in range(-4, 2):
        await stores.events.prepare(made, NOW + timedelta(days=days))
    return made


def interaction(event_id="e", time=NOW, context=b'{"FromUrl":[],"_multi":[]}'):
    return Interaction(
        event_id,
        time,
        context,
        ("a", "ü"),
        (1, 0),
        (0.1, 0.9),
        "v1",
        deferred=True,
        excluded=(ExcludedAction(1, "x"),),
    )


async def test_a_blob_is_created_once_and_replaced_only_by_who_read_it(stores):
    name = f"{uuid.uuid4().hex}/state.json"
    assert await stores.blobs.load(name) is None
    with pytest.raises(MissingBlob):
        await stores.blobs.load_if_changed(name, "tag")

    first = await stores.blobs.create(name, b"one")
    with pytest.raises(Conflict):
        await stores.blobs.create(name, b"other")
    second = await stores.blobs.replace(name, b"two", first)
    with pytest.raises(Conflict):
        await stores.blobs.replace(name, b"lost", first)

    blob = await stores.blobs.load_if_changed(name, first)
    assert (blob.data, blob.etag) == (b"two", second)
    assert await stores.blobs.load_if_changed(name, second) is None


async def test_names_are_listed_sorted_by_prefix_and_deleted(stores):
    root = uuid.uuid4().hex
    for name in ("log/2", "log/1", "models/1"):
        await stores.blobs.put(f"{root}/{name}", b"x")
    await stores.blobs.put(f"{root}/log/1", b"again")

    await stores.blobs.delete(f"{root}/log/2")
    await stores.blobs.delete(f"{root}/log/2")

    assert [name async for name in stores.blobs.names(f"{root}/log/")] == [f"{root}/log/1"]


async def test_one_lease_at_a_time(stores):
    name = f"{uuid.uuid4().hex}/train.lock"
    async with stores.blobs.lease(name, 15) as lease:
        await lease.renew()
        with pytest.raises(Conflict):
            async with stores.blobs.lease(name, 15):
                pytest.fail("two hold it")
    async with stores.blobs.lease(name, 15):
        pass


async def test_an_interaction_comes_back_as_it_was(stores, space):
    stored = await stores.events.add_interaction(space, BUCKET, interaction())

    assert stored == interaction()
    assert list(await stores.events.interactions(space, BUCKET, BUCKET + 60)) == [
        (BUCKET, interaction())
    ]


SLOTS_INTERACTION = SlotsInteraction(
    "e",
    NOW,
    b'{"FromUrl":[],"_multi":[],"_slots":[]}',
    ("a", "ü"),
    (SlotChoice("ö", 1, (1, 0), (0.9, 0.1)), SlotChoice("empty", 0, (), ())),
    "v1",
    deferred=True,
    mode=LearningMode.APPRENTICE,
)


async def test_an_interaction_over_slots_comes_back_as_it_was(stores, space):
    stored = await stores.events.add_interaction(space, BUCKET, SLOTS_INTERACTION)
    again = await stores.events.add_interaction(space, BUCKET, interaction())

    assert stored == again == SLOTS_INTERACTION
    assert list(await stores.events.interactions(space, BUCKET, BUCKET + 60)) == [
        (BUCKET, SLOTS_INTERACTION)
    ]
    [ranked] = await stores.events.ranked_events(space, BUCKET, BUCKET + 60)
    assert (ranked.event_id, ranked.time) == ("e", NOW)


async def test_rewards_of_slots_come_back_in_their_order(stores, space):
    rewards = tuple(SlotReward(slot, value) for slot, value in (("ö", 0.5), ("b", 1), ("ö", -1)))
    observation = Observation("e", "0000000000001.abcd", NOW, None, rewards)
    await stores.events.add_observation(space, BUCKET, observation)

    assert await stores.events.observations(space, BUCKET, BUCKET + 60) == [observation]


def test_rows_from_before_there_were_slots_are_read():
    payload = {
        "event_id": "e", "time": NOW, "context": b"{}", "actions": ["a"], "ranking": [0],
        "probabilities": [1.0], "model_version": "v1", "deferred": False, "excluded": [],
    }  # fmt: skip
    observed = {"event_id": "e", "id": "1.a", "time": NOW, "reward": 0.5}

    found = row_interaction({"data0": msgspec.msgpack.encode(payload)})
    seen = row_observation({"data0": msgspec.msgpack.encode(observed)})

    assert found == Interaction("e", NOW, b"{}", ("a",), (0,), (1.0,), "v1")
    assert seen == Observation("e", "1.a", NOW, 0.5)


async def test_the_first_interaction_of_an_id_stays_within_its_bucket(stores, space):
    await stores.events.add_interaction(space, BUCKET, interaction())
    other = replace(interaction(), ranking=(0, 1))

    assert await stores.events.add_interaction(space, BUCKET, other) == interaction()
    assert await stores.events.add_interaction(space, BUCKET + 60, other) == other


@pytest.mark.parametrize(
    "event_id", ["/\\#?%", "'\"", "ü€\U0001f600", "x" * 256, "ü" * 256, ".", " "]
)
async def test_any_event_id_can_be_stored(stores, space, event_id):
    await stores.events.add_interaction(space, BUCKET, interaction(event_id))
    await stores.events.add_observation(space, BUCKET, Observation(event_id, "1.a", NOW, 1.0))

    [(_, found)] = await stores.events.interactions(space, BUCKET, BUCKET + 60)
    [seen] = await stores.events.observations(space, BUCKET, BUCKET + 60)
    assert found.event_id == seen.event_id == event_id


async def test_the_same_observation_is_stored_once(stores, space):
    observation = Observation("e", "0000000000001.abcd", NOW, None)
    for _ in range(2):
        await stores.events.add_observation(space, BUCKET, observation)
    await stores.events.add_observation(space, BUCKET, replace(observation, id="2.x", reward=0.5))

    found = await stores.events.observations(space, BUCKET, BUCKET + 60)
    assert sorted(o.id for o in found) == ["0000000000001.abcd", "2.x"]


async def test_a_range_is_read_in_learning_order_across_days(stores, space):
    rng = random.Random(5)
    buckets = [BUCKET + 60 * rng.randrange(-3, 3) for _ in range(40)]
    events = [interaction(f"event {i}") for i in range(40)]
    await asyncio.gather(
        *(stores.events.add_interaction(space, *pair) for pair in zip(buckets, events, strict=True))
    )

    found = await stores.events.interactions(space, BUCKET - 60, BUCKET + 120)
    ranked = await stores.events.ranked_events(space, BUCKET - 60, BUCKET + 120)

    expected = [b for b in buckets if BUCKET - 60 <= b < BUCKET + 120]
    assert [bucket for bucket, _ in found] == sorted(expected)
    assert [(b, i.event_id) for b, i in found] == [(r.bucket, r.event_id) for r in ranked]
    assert all(event.time == NOW for event in ranked)


async def test_of_each_shard_and_day_no_more_than_asked_for_is_read(stores, space):
    for number in range(40):
        await stores.events.add_interaction(
            space, BUCKET - 60 * (number % 2), interaction(f"e{number}")
        )

    everything = await stores.events.interactions(space, BUCKET - 60, BUCKET + 60)
    some = await stores.events.interactions(space, BUCKET - 60, BUCKET + 60, limit=2)

    of_shard = Counter(shard_of(i.event_id, space.shards) for _, i in some)
    assert max(of_shard.values()) == 2
    assert set(of_shard) == {shard_of(i.event_id, space.shards) for _, i in everything}
    for shard in of_shard:
        all_of_it = [r for r in everything if shard_of(r[1].event_id, space.shards) == shard]
        assert [r for r in some if shard_of(r[1].event_id, space.shards) == shard] == all_of_it[:2]


async def test_a_limit_holds_over_pages_of_one_partition(stores, monkeypatch):
    monkeypatch.setattr(table_queries, "MOST_PER_PAGE", 3)
    space = EventSpace("t" + uuid.uuid4().hex[:12], epoch=0, shards=1, bucket_seconds=60)
    await stores.events.prepare(space, NOW)
    for number in range(9):
        await stores.events.add_interaction(space, BUCKET, interaction(f"e{number}"))

    found = await stores.events.interactions(space, BUCKET, BUCKET + 60, limit=8)

    assert [i.event_id for _, i in found] == [f"e{number}" for number in range(8)]


@pytest.mark.parametrize("event_id", ["e", "ü/#?", "x" * 300])
async def test_an_event_is_found_among_others_whose_ids_begin_alike(stores, space, event_id):
    for name in (event_id, f"{event_id}!", f"{event_id}2", event_id[:-1] or "d"):
        await stores.events.add_interaction(space, BUCKET, interaction(name))
        for number in "12":
            observation = Observation(name, f"000.{number}", NOW, 0.5)
            await stores.events.add_observation(space, BUCKET + 60, observation)

    interactions, observations = await stores.events.event(space, event_id, BUCKET, BUCKET + 120)

    assert [i.event_id for i in interactions] == [event_id]
    assert sorted((o.event_id, o.id) for o in observations) == [
        (event_id, "000.1"),
        (event_id, "000.2"),
    ]
    assert await stores.events.event(space, event_id, BUCKET + 120, BUCKET + 180) == ([], [])


async def test_a_long_empty_range_reads_nothing(stores, space):
    assert list(await stores.events.interactions(space, BUCKET - 86400 * 30, BUCKET)) == []


def test_a_payload_that_gains_by_it_is_compressed_and_older_rows_stay_readable(space):
    event = interaction(context=b'{"FromUrl":[{"topic":"sport"}],"_multi":[' + 300 * b'{"a":1},')
    row = interaction_row(space, BUCKET, event)
    plain = {"data0": msgspec.msgpack.encode(event)}

    assert 8 * len(row["data0"]) < len(plain["data0"])
    assert row_interaction(row) == row_interaction(plain) == event
    small = interaction_row(space, BUCKET, interaction())
    assert small["data0"] == msgspec.msgpack.encode(interaction())


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:2] + b"junk"])
def test_a_damaged_compressed_payload_is_an_error_of_storage(space, damage):
    row = interaction_row(space, BUCKET, interaction(context=b"x" * 9_000))

    with pytest.raises(StorageError):
        row_interaction({**row, "data0": damage(row["data0"])})


def test_a_compressed_payload_may_be_as_long_as_an_event_can_be(space):
    longest = PROPERTIES * PROPERTY_BYTES - len(msgspec.msgpack.encode(interaction(context=b"")))
    event = interaction(context=b"x" * (longest - 4))

    assert row_interaction(interaction_row(space, BUCKET, event)) == event
    bomb = zlib.compress(bytes(16 * PROPERTIES * PROPERTY_BYTES))
    with pytest.raises(StorageError, match="no payload"):  # found out before it is unpacked
        row_interaction({"data0": bomb})


async def test_a_large_event_is_split_and_a_too_large_one_refused(stores, space):
    large = interaction(context=os.urandom(600_000))
    await stores.events.add_interaction(space, BUCKET, large)
    [(_, found)] = await stores.events.interactions(space, BUCKET, BUCKET + 60)
    assert found == large

    with pytest.raises(EntityTooLarge):
        await stores.events.add_interaction(space, BUCKET, interaction(context=bytes(950_000)))


async def test_events_find_no_place_before_their_day_is_prepared(stores, space):
    other = replace(space, epoch=4)

    with pytest.raises(MissingSpace):
        await stores.events.add_interaction(other, BUCKET, interaction())
    with pytest.raises(MissingSpace):
        await stores.events.add_observation(other, BUCKET, Observation("e", "1.a", NOW, 1.0))

    await stores.events.prepare(other, NOW)
    await stores.events.add_interaction(other, BUCKET, interaction())


async def test_only_the_named_loops_epochs_are_dropped(stores, space):
    newer = replace(space, epoch=4)
    twin = replace(space, loop=f"{space.loop}e0003d2026")  # its tables begin like the other's
    for each in (newer, twin):
        await stores.events.prepare(each, NOW)
    for each in (space, newer, twin):
        await stores.events.add_interaction(each, BUCKET, interaction())

    await stores.events.drop_epochs(space.loop, below=4)
    await stores.events.drop_before(space, NOW + timedelta(days=1))

    found = [len(await stores.events.interactions(s, BUCKET, BUCKET + 60)) for s in
             (space, newer, twin)]  # fmt: skip
    assert found == [0, 1, 1]
    with pytest.raises(MissingSpace):
        await stores.events.add_interaction(space, BUCKET, interaction("late"))


async def test_old_days_are_dropped_whole(stores, space):
    for days in range(4):
        day = BUCKET - 86400 * days
        await stores.events.add_interaction(space, day, interaction(f"e{days}"))

    await stores.events.drop_before(space, NOW - timedelta(days=1))

    left = await stores.events.interactions(space, BUCKET - 86400 * 5, BUCKET + 60)
    assert [i.event_id for _, i in left] == ["e1", "e0"]


async def test_an_identity_that_gives_no_token_is_storage_that_does_not_answer():
    class NoIdentity:
        async def get_token(self, *scopes):
            raise ClientAuthenticationError("no identity here")

    async with open_session() as session:
        account = TableAccount(session, "https://127.0.0.1:1", BearerToken(NoIdentity()))
        inserts = TableInserts(account)

        with pytest.raises(StorageUnavailable):
            await inserts.insert("table", {})
