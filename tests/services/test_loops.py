"""Loops come and go without touching each other; logs are deleted without losing new events."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest

from shared.contract.errors import ContractError
from shared.contract.loop_document import parse_loop_document
from shared.events.learning_mode import LearningMode
from shared.events.observation import Observation
from shared.services.logs import LogService
from shared.services.loop_registry import LoopRegistry, digest, is_loop_name, opens
from shared.services.loop_state import (
    DEFAULT_LOOP,
    UnknownLoop,
    copy_name,
    settings_name,
    state_name,
)
from shared.services.ports import Conflict, MissingSpace, StorageUnavailable
from shared.services.rank import RankService
from shared.services.rank_request import RankRequest
from shared.services.serving import LoopReader
from tests.services.test_training import ACTIONS, LOOP, WRITING, World

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def registry(world):
    return LoopRegistry(world.loops, world.blobs, world.events, world.clock, timedelta(seconds=5))


def logs(world):
    return LogService(world.reader, world.loops, world.blobs, world.events, world.clock)


@pytest.mark.parametrize(
    ("name", "possible"),
    [("abc", True), ("a" + "1" * 19, True), ("ab", False), ("a" * 21, False), ("1bc", False),
     ("Abc", False), ("a-b", False), ("../x", False), ("abc\n", False), ("äbc", False)],
)  # fmt: skip
def test_a_name_is_a_letter_and_up_to_19_more_letters_or_digits(name, possible):
    assert is_loop_name(name) == possible


async def test_a_new_loop_has_two_keys_that_are_shown_once(registry, world):
    keys = await registry.create("news")

    assert len(set(keys)) == 2
    assert await registry.create("news") == ()
    record = await registry.find("news")
    assert all(opens(record.key_digests, digest(key)) for key in keys)
    assert not opens(record.key_digests, digest(""))
    assert not any(key.encode() in blob.data for blob in world.blobs.blobs.values() for key in keys)


async def test_only_the_default_loop_exists_by_itself(registry, world):
    assert (await registry.find(DEFAULT_LOOP)).name == DEFAULT_LOOP
    with pytest.raises(UnknownLoop):
        await registry.find("news")
    with pytest.raises(UnknownLoop):
        await world.loops.state("news")

    await registry.create("news")

    assert await registry.names() == [DEFAULT_LOOP, "news"]


async def test_a_regenerated_key_takes_the_place_of_the_old_one(registry):
    first, second = await registry.create("news")

    new = await registry.regenerate_key("news", 2)

    record = await registry.find("news")
    assert [opens(record.key_digests, digest(key)) for key in (first, second, new)] == [
        True,
        False,
        True,
    ]


async def test_other_processes_see_changes_after_a_while(registry, world):
    other = LoopRegistry(world.loops, world.blobs, world.events, world.clock, timedelta(seconds=5))
    old, _ = await registry.create("news")
    assert opens((await other.find("news")).key_digests, digest(old))

    await registry.regenerate_key("news", 1)
    assert opens((await other.find("news")).key_digests, digest(old))
    world.now += timedelta(seconds=5)
    await other.find("news")  # looks again in the background
    await asyncio.sleep(0.01)

    assert not opens((await other.find("news")).key_digests, digest(old))


async def test_a_record_that_is_too_old_is_not_served(registry, world):
    other = LoopRegistry(world.loops, world.blobs, world.events, world.clock, timedelta(seconds=5))
    old, _ = await registry.create("news")
    await other.find("news")
    await registry.regenerate_key("news", 1)

    world.now += timedelta(seconds=15)

    assert not opens((await other.find("news")).key_digests, digest(old))


async def test_a_record_that_cannot_be_read_serves_on_and_is_not_asked_for_by_every_call(
    registry, world
):
    await registry.create("news")
    world.now += timedelta(minutes=1)
    with patch.object(world.blobs, "load", side_effect=StorageUnavailable("busy")) as load:
        for _ in range(5):
            assert (await registry.find("news")).name == "news"

    assert load.call_count == 1


async def test_a_key_of_a_loop_that_another_process_has_deleted_is_not_replaced(registry, world):
    other = LoopRegistry(world.loops, world.blobs, world.events, world.clock, timedelta(seconds=5))
    await registry.create("news")
    await other.find("news")
    await registry.delete("news")

    with pytest.raises(UnknownLoop):
        await other.regenerate_key("news", 1)


async def test_a_deleted_loop_leaves_nothing_and_its_name_starts_anew(registry, world):
    await registry.create("news")
    reader = LoopReader("news", world.blobs, world.loops, world.clock, timedelta(hours=1))
    rank = RankService(reader, world.events, world.clock, WRITING)
    await rank.rank(RankRequest("e", b"[]", ACTIONS))
    await reader.close()

    await registry.delete("news")

    with pytest.raises(UnknownLoop):
        await registry.find("news")
    assert [name for name in world.blobs.blobs if name.startswith("news/")] == []
    assert not any(space.loop == "news" for space in world.events.interaction_rows)
    await registry.create("news")
    assert (await world.loops.state("news"))[0].epoch == 1


async def test_a_loop_whose_deletion_died_half_way_starts_anew_all_the_same(registry, world):
    await registry.create("news")
    await world.blobs.put("news/log/2026/03/01/0000-1772409000-1772409060.dsjson.gz", b"old")
    with (
        patch.object(world.events, "drop_epochs", side_effect=StorageUnavailable("busy")),
        pytest.raises(StorageUnavailable),
    ):
        await registry.delete("news")
    with pytest.raises(UnknownLoop):  # rather than to have lost its state
        await world.loops.state("news")

    await registry.create("news")

    left = {name for name in world.blobs.blobs if name.startswith("news/")}
    assert left == {settings_name("news"), state_name("news"), copy_name("news")}
    assert (await world.loops.state("news"))[0].epoch == 1


async def test_a_loop_is_not_deleted_while_it_is_trained(registry, world):
    key, _ = await registry.create("news")

    async with world.blobs.lease("news/train.lock", 30):
        with pytest.raises(Conflict):
            await registry.delete("news")
        assert opens((await registry.find("news")).key_digests, digest(key))

    await registry.delete("news")
    assert [name for name in world.blobs.blobs if name.startswith("news/")] == []


def document(text):
    return parse_loop_document(text, lambda: NOW)


DECLARED = b"""{"serviceConfiguration": {"rewardWaitTime": "PT1H", "learningMode": "Apprentice"},
                "policy": {"arguments": "--cb_explore_adf --epsilon 0.3"}}"""


async def test_a_declared_document_is_applied_once(registry, world):
    declared = document(DECLARED)
    await registry.create("news")

    assert await registry.declare("news", declared.change, declared.digest)

    settings, _ = await world.loops.settings("news")
    assert settings.rewards.wait == timedelta(hours=1)
    assert settings.learning_mode is LearningMode.APPRENTICE
    assert (settings.exploration, settings.arguments) == (0.3, "--cb_explore_adf --epsilon 0.3")
    assert settings.log_retention_days == 90
    await world.loops.change_settings("news", lambda s: replace(s, log_retention_days=7))
    assert not await registry.declare("news", declared.change, declared.digest)
    assert (await world.loops.settings("news"))[0].log_retention_days == 7


def test_the_digest_is_of_the_content_not_of_the_layout():
    spread = document(b'{"policy":{"arguments":"--cb_explore_adf","name":"x"}}')
    other = document(b'{ "policy" : {"name":"x", "arguments":"--cb_explore_adf"} }')

    assert spread.digest == other.digest != document(b"").digest


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (b"[]", "body"),
        (b'{"policy":{"name":"\xd6"},"policy":{"arguments":"--cb_explore_adf"}}', "body"),
        (b'{"settings":{}}', "settings"),
        (b'{"policy":7}', "policy"),
        (b'{"policy":{"name":"x"}}', "policy.arguments"),
        (b'{"policy":{"arguments":"--cats 4"}}', "policy.arguments"),
        (b'{"serviceConfiguration":[]}', "serviceConfiguration"),
        (b'{"serviceConfiguration":{"rewardWaitTime":"x"}}', "serviceConfiguration.rewardWaitTime"),
        (b'{"serviceConfiguration":{"rewardwait":"PT1H"}}', "serviceConfiguration.rewardwait"),
    ],
)
def test_a_wrong_document_names_the_field(text, target):
    with pytest.raises(ContractError) as refused:
        document(text)

    assert refused.value.target == target


async def test_deleted_logs_cannot_be_read_and_the_model_stays(world):
    await world.live(60, seed=3)
    world.now += timedelta(minutes=11)
    await world.trainer().train()
    before = await world.state()
    assert any("/metrics/" in name for name in world.blobs.blobs)
    assert await logs(world).date_range() is not None

    await logs(world).delete()

    after = await world.state()
    assert (after.epoch, after.trained) == (before.epoch + 1, before.trained)
    assert after.counters.events == 0
    assert await logs(world).date_range() is None
    assert [line async for line in logs(world).read(NOW - timedelta(days=999), NOW)] == []
    assert world.logged() == set()
    assert not any("/metrics/" in name for name in world.blobs.blobs)
    assert set(world.events.interaction_rows) <= {after.space(LOOP)}


async def test_a_writer_that_knows_the_old_epoch_only_loses_nothing(world):
    await world.live(5, seed=4)
    stale = LoopReader(LOOP, world.blobs, world.loops, world.clock, timedelta(hours=1))
    await stale.served()
    rank = RankService(stale, world.events, world.clock, WRITING)
    await logs(world).delete()

    decided = await rank.rank(RankRequest("after", b"[]", ACTIONS))

    state = await world.state()
    space = state.space(LOOP)
    found = await world.events.interactions(space, state.cursor, space.bucket(world.now) + 5)
    assert [each for _, each in found] == [decided]
    await stale.close()


async def test_events_that_are_written_while_logs_are_deleted_are_before_or_after_it(world):
    await world.live(5, seed=4)
    ranked = asyncio.gather(
        *(world.rank.rank(RankRequest(f"at once {n}", b"[]", ACTIONS)) for n in range(20))
    )

    await asyncio.gather(ranked, logs(world).delete())

    space = (await world.state()).space(LOOP)
    assert set(world.events.interaction_rows) <= {space}
    with pytest.raises(MissingSpace):
        await world.events.add_observation(
            replace(space, epoch=0), space.bucket(world.now), Observation("e", "1", world.now, 1.0)
        )


async def test_the_log_gives_each_event_of_a_range_once_and_in_order(world):
    await world.live(120, seed=5)
    world.now += timedelta(minutes=11)
    await world.trainer(events_per_step=10).train()
    state = await world.state()

    start = datetime.fromtimestamp(state.cursor, UTC) - timedelta(days=1)
    lines = [line async for line in logs(world).read(start, world.now)]
    half = lines[60].Bucket
    later = [line async for line in logs(world).read(datetime.fromtimestamp(half, UTC), world.now)]

    assert len({line.EventId for line in lines}) == len(lines) == 120
    assert [line.Bucket for line in lines] == sorted(line.Bucket for line in lines)
    assert later == [line for line in lines if line.Bucket >= half]


async def test_processes_that_start_at_once_declare_a_loop_once(world):
    declared = document(DECLARED)
    registries = [
        LoopRegistry(world.loops, world.blobs, world.events, world.clock, timedelta(seconds=5))
        for _ in range(4)
    ]

    applied = await asyncio.gather(
        *(each.declare("news", declared.change, declared.digest) for each in registries)
    )

    assert sum(applied) == 1
    assert (await world.loops.settings("news"))[0].rewards.wait == timedelta(hours=1)
