"""What Rank and Reward do while storage is away: budgeted retries, quick refusals, recovery."""

import asyncio
import logging
from datetime import timedelta

import pytest

from shared import endpoint
from shared.contract.errors import RETRY_AFTER
from shared.endpoint import LONGEST_RETRY_AFTER, refusal
from shared.services import append, serving
from shared.services.append import Writing
from shared.services.loop_registry import LoopRegistry
from shared.services.loop_state import settings_name, state_name
from shared.services.ports import EntityTooLarge, StorageError, StorageUnavailable
from shared.services.rank import NotLogged, RankService
from shared.services.rank_request import RankRequest
from shared.services.retries import RetryBudget
from shared.services.reward import RewardService
from shared.services.serving import LoopReader
from shared.services.storage_watch import SeldomLogger, StorageWatch
from tests.services.test_training import ACTIONS, LOOP, START, World
from tests.support.recorded import RecordedMeter

REQUEST = RankRequest("e", b"[]", ACTIONS)
DEADLINE = 0.4


class AwayWorld(World):
    """A loop whose storage goes away: ``way`` is what every access does then."""

    def __init__(self):
        super().__init__()
        self.way = None
        self.writes = self.reads = 0
        self.seconds = 0.0
        self.watch = StorageWatch(self.clock, lambda: self.seconds)
        self._wrap(self.events, ("add_interaction", "add_observation", "prepare"), "writes")
        self._wrap(self.blobs, ("load", "load_if_changed", "create"), "reads")
        self.reader = LoopReader(
            LOOP, self.blobs, self.loops, self.clock, timedelta(seconds=0.05),
            watch=self.watch, events=self.events,
        )  # fmt: skip
        writing = Writing(timedelta(seconds=DEADLINE), timedelta(0))
        self.rank = RankService(self.reader, self.events, self.clock, writing)
        self.reward = RewardService(self.reader, self.events, self.clock, writing)

    def _wrap(self, store, names, count):
        for name in names:
            setattr(store, name, self._wrapped(getattr(store, name), count))

    def _wrapped(self, method, count):
        async def access(*args, **kwargs):
            setattr(self, count, getattr(self, count) + 1)
            await asyncio.sleep(0)  # as a network does
            if self.way is not None:
                await self.way()
            return await method(*args, **kwargs)

        return access


async def refuses():
    raise StorageUnavailable("busy")


async def hangs():
    await asyncio.sleep(3600)


@pytest.fixture
async def world():
    world = AwayWorld()
    yield world
    await world.reader.close()


async def outcomes(calls):
    return await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize("way", [refuses, hangs])
async def test_every_call_is_refused_and_retries_are_a_small_share(world, way):
    await world.rank.rank(REQUEST)
    world.way, world.writes = way, 0
    world.now += timedelta(minutes=1)
    calls = 200

    ranks = [world.rank.rank(RankRequest(f"e{n}", b"[]", ACTIONS)) for n in range(calls // 2)]
    found = await outcomes(ranks + [world.reward.reward("e", 1) for _ in range(calls // 2)])

    assert {type(outcome) for outcome in found} == {StorageUnavailable}
    assert world.writes <= calls * 1.2 + 10  # the share, and what a quiet process has saved
    assert world.watch.retries.refused > 0
    assert world.watch.away


async def test_a_short_trouble_is_not_noticed_by_callers(world):
    troubles = iter([refuses] * 3)

    async def trouble():
        await next(troubles, _nothing)()

    await world.rank.rank(REQUEST)
    world.way = trouble

    assert (await world.rank.rank(RankRequest("other", b"[]", ACTIONS))).event_id == "other"
    assert not world.watch.away


async def _nothing():
    pass


async def test_one_connection_that_hangs_costs_one_attempt_only(world):
    await world.rank.rank(REQUEST)
    world.writes = 1
    first = iter([hangs])

    async def hangs_once():
        await next(first, _nothing)()

    world.way = hangs_once
    await world.reward.reward("e", 1.0)

    assert world.writes == 3  # of the first call, the one that hung, and another one
    assert not world.watch.away


async def test_storage_that_asks_for_more_time_than_there_is_gets_no_retry(world):
    await world.rank.rank(REQUEST)

    async def asks():
        raise StorageUnavailable("busy", retry_after=30)

    world.way, world.writes = asks, 0
    with pytest.raises(StorageUnavailable) as refused:
        await world.rank.rank(REQUEST)

    assert world.writes == 1
    assert refused.value.retry_after == 30


async def test_storage_that_asks_for_a_moment_gets_it(world, monkeypatch):
    await world.rank.rank(REQUEST)
    slept = []
    monkeypatch.setattr(append.random, "uniform", lambda low, high: 0.0)
    sleep = asyncio.sleep

    async def note(seconds):
        slept.append(seconds)
        await sleep(0)

    once = iter([True])

    async def asks():
        if next(once, False):
            raise StorageUnavailable("busy", retry_after=0.1)

    world.way = asks
    monkeypatch.setattr(append.asyncio, "sleep", note)
    await world.reward.reward("e", 1.0)

    assert 0.1 in slept


async def test_pauses_between_attempts_grow(world, monkeypatch):
    await world.rank.rank(REQUEST)
    longest = []

    def shortest(low, high):
        longest.append(high)
        return low

    monkeypatch.setattr(append.random, "uniform", shortest)
    world.way = refuses
    with pytest.raises(StorageUnavailable):
        await world.reward.reward("e", 1.0)

    first = append.FIRST_PAUSE
    assert longest[:4] == [first, 2 * first, 4 * first, 8 * first]


@pytest.mark.parametrize(
    ("asked", "told"),
    [(None, RETRY_AFTER), (0.5, RETRY_AFTER), (6.2, 7), (3600, LONGEST_RETRY_AFTER)],
)
def test_callers_are_told_when_to_come_back_as_storage_asked_within_bounds(asked, told):
    answer = refusal(StorageUnavailable("busy", asked))

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == str(told)


def test_damage_that_every_call_meets_is_logged_once(caplog, monkeypatch):
    monkeypatch.setattr(endpoint, "_seldom", SeldomLogger(endpoint.logger))
    for _ in range(20):
        assert refusal(StorageError("the loop's state is damaged")).status_code == 503

    assert [r.getMessage() for r in caplog.records] == ["storage: the loop's state is damaged"]


def unlogging(world, meter):
    writing = Writing(timedelta(seconds=60), timedelta(0))
    after = timedelta(seconds=0.1)
    return RankService(world.reader, world.events, world.clock, writing, meter, after)


@pytest.mark.parametrize("way", [refuses, hangs])
async def test_a_decision_is_handed_out_unlogged_only_if_the_owner_wants_it(world, way):
    meter = RecordedMeter()
    stored = await world.rank.rank(REQUEST)
    world.way = way

    with pytest.raises(NotLogged) as served:
        await unlogging(world, meter).rank(REQUEST)
    with pytest.raises(StorageUnavailable) as refused:
        await world.rank.rank(REQUEST)

    assert not isinstance(refused.value, NotLogged)
    assert served.value.interaction.ranking == stored.ranking
    assert world.watch.unlogged == 1
    assert meter.sums["UnloggedDecisions", LOOP] == 1
    assert ("RankedEvents", LOOP, "true") not in meter.sums


async def test_a_loop_that_was_never_loaded_is_not_served_unlogged(world):
    world.way = refuses

    with pytest.raises(StorageUnavailable) as refused:
        await unlogging(world, RecordedMeter()).rank(REQUEST)

    assert not isinstance(refused.value, NotLogged)
    assert world.watch.unlogged == 0


async def test_what_can_never_be_stored_is_refused_also_where_unlogged_decisions_are_wanted(world):
    async def too_large():
        raise EntityTooLarge("too large")

    await world.rank.rank(REQUEST)
    world.way = too_large

    with pytest.raises(EntityTooLarge):
        await unlogging(world, RecordedMeter()).rank(REQUEST)


@pytest.mark.parametrize("way", [refuses, hangs])
async def test_a_process_that_starts_while_storage_is_away_refuses_and_recovers(
    world, way, monkeypatch
):
    monkeypatch.setattr(serving, "LOOK", 0.1)
    world.way = way
    calls = 50
    for _ in range(3):
        found = await outcomes(world.rank.rank(REQUEST) for _ in range(calls))
        assert {type(outcome) for outcome in found} == {StorageUnavailable}
        found = await outcomes(world.reward.reward("e", 1.0) for _ in range(calls))
        assert {type(outcome) for outcome in found} == {StorageUnavailable}
    assert world.reads < calls
    assert world.writes == 0

    world.way = None
    async with asyncio.timeout(10):
        while True:
            try:
                await world.rank.rank(REQUEST)
                break
            except StorageUnavailable:
                await asyncio.sleep(0.01)
    assert world.watch.documents.last_success is not None


async def test_tables_that_answer_again_are_noticed_without_calls(world):
    await world.rank.rank(REQUEST)
    world.now += timedelta(minutes=1)
    world.watch.events.failed(StorageUnavailable("busy"))
    assert world.watch.away

    world.seconds += 60
    async with asyncio.timeout(10):
        while world.watch.away:
            await asyncio.sleep(0.01)


async def test_a_poll_survives_whatever_it_reads(world):
    await world.rank.rank(REQUEST)
    good = world.blobs.blobs[state_name(LOOP)]
    await world.blobs.put(state_name(LOOP), b"\xff\xfe{")
    reads = world.reads
    while world.reads < reads + 6:
        await asyncio.sleep(0.01)
    await world.blobs.put(state_name(LOOP), good.data)

    before = world.watch.documents.last_success
    world.now += timedelta(seconds=1)
    async with asyncio.timeout(10):
        while world.watch.documents.last_success == before:
            await asyncio.sleep(0.01)
    await world.rank.rank(RankRequest("after", b"[]", ACTIONS))


@pytest.mark.parametrize(
    ("error", "away", "logged"),
    [
        (StorageUnavailable("busy"), True, "blob storage is away: busy"),
        (
            StorageError("the state is damaged"),
            True,
            "could not be refreshed: the state is damaged",
        ),
        (ValueError("a feature"), False, "builtins.ValueError"),
    ],
)
async def test_a_poll_that_failed_says_why(world, caplog, error, away, logged):
    await world.rank.rank(REQUEST)
    world.now += timedelta(minutes=1)

    async def fails():
        raise error

    world.way = fails
    async with asyncio.timeout(10):
        while logged not in caplog.text:
            await asyncio.sleep(0.01)

    assert world.watch.documents.away == away
    assert "a feature" not in caplog.text


async def test_a_default_loop_whose_documents_were_deleted_lives_on(world):
    await world.rank.rank(REQUEST)
    world.blobs.blobs.clear()

    await world.reader.refresh()

    await world.rank.rank(RankRequest("after", b"[]", ACTIONS))
    assert {state_name(LOOP), settings_name(LOOP)} <= set(world.blobs.blobs)


async def test_refreshes_that_wait_for_each_other_are_made_once(world):
    await world.rank.rank(REQUEST)
    await world.reader.close()
    reads = world.reads

    await asyncio.gather(*(world.reader.refresh() for _ in range(50)))

    assert world.reads - reads <= 4  # the one under way, and one more for all who came after


def test_tables_that_are_away_are_looked_at_seldom():
    seconds = 0.0
    watch = StorageWatch(lambda: START, lambda: seconds)
    assert not watch.events.probe_due()

    watch.events.failed(StorageUnavailable("busy"))
    due = []
    for _ in range(20):  # ten seconds
        seconds += 0.5
        due.append(watch.events.probe_due())

    assert [index for index, each in enumerate(due) if each] == [9, 19]


async def test_an_outage_is_told_twice_however_many_calls_it_refuses(world, caplog):
    caplog.set_level(logging.WARNING)
    await world.rank.rank(REQUEST)
    world.way = refuses
    world.now += timedelta(minutes=1)
    await outcomes(world.rank.rank(REQUEST) for _ in range(30))
    world.way = None
    world.now += timedelta(seconds=42)
    await world.rank.rank(RankRequest("after", b"[]", ACTIONS))

    told = [r.getMessage() for r in caplog.records if "table storage" in r.getMessage()]
    assert told == ["table storage is away: busy", "table storage answers again after 42 s"]


async def test_single_failures_among_successes_are_no_outage(world):
    await world.rank.rank(REQUEST)
    for _ in range(20):
        world.watch.events.failed(StorageUnavailable("busy"))

    assert not world.watch.away
    assert world.watch.since is not None


def test_retries_are_a_share_of_recent_calls_and_one_a_second():
    now = 0.0
    budget = RetryBudget(lambda: now)
    assert [budget.allows_retry() for _ in range(11)] == [True] * 10 + [False]
    assert budget.refused == 1

    allowed = 0
    for _ in range(100):  # a minute and forty of an outage, 50 calls a second
        now += 1.0
        for _ in range(50):
            budget.first_attempt()
            allowed += budget.allows_retry()
    assert 0.15 * 5000 < allowed <= 0.2 * 5000 + 100

    now += 1000
    assert sum(budget.allows_retry() for _ in range(100)) == 10  # what was saved long ago is gone


def test_what_happens_with_every_call_is_logged_once_a_minute(caplog):
    now = 0.0
    seldom = SeldomLogger(logging.getLogger("test"), lambda: now)
    for _ in range(5):
        seldom.error("no %s", "access")
    for second in (60.0, 61.0, 120.0):
        now = second
        seldom.error("no %s", "access")

    assert [r.getMessage() for r in caplog.records] == [
        "no access",
        "no access (and 4 more before)",
        "no access (and 1 more before)",
    ]


async def test_a_record_read_in_the_background_never_replaces_one_written_meanwhile():
    world = World()
    registry = LoopRegistry(
        world.loops, world.blobs, world.events, world.clock, timedelta(seconds=5)
    )
    await registry.create("news")
    await registry.find("news")
    loaded, go_on = asyncio.Event(), asyncio.Event()
    load = world.blobs.load

    async def slow(name):
        blob = await load(name)
        loaded.set()
        await go_on.wait()
        return blob

    world.now += timedelta(seconds=6)
    world.blobs.load = slow
    before = await registry.find("news")  # begins a reading
    await loaded.wait()
    world.blobs.load = load
    await registry.regenerate_key("news", 1)
    go_on.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert (await registry.find("news")).key_digests != before.key_digests


async def test_an_unknown_loop_is_asked_for_once_while_storage_is_away():
    world = AwayWorld()
    registry = LoopRegistry(
        world.loops, world.blobs, world.events, world.clock, timedelta(seconds=5)
    )
    world.way = refuses

    found = await outcomes(registry.find("news") for _ in range(30))
    found += await outcomes(registry.find("news") for _ in range(30))

    assert all(isinstance(outcome, StorageError) for outcome in found)
    assert world.reads == 1
