"""Training: exactly once and to the bit, however it is cut, stopped, repeated or overtaken."""

import asyncio
import gzip
import random
import threading
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from unittest.mock import AsyncMock, patch

import numpy as np
import pytest

from shared.events.joined_log import decode_lines
from shared.events.rewards import Aggregation, RewardSettings
from shared.learner.checkpoint import loads
from shared.learner.learner import Learner
from shared.services.append import Writing
from shared.services.log_store import LogStore
from shared.services.loop_state import LoopDefaults, Loops, model_name, model_version
from shared.services.ports import Conflict, StorageUnavailable
from shared.services.rank import RankService
from shared.services.rank_request import Action, RankRequest
from shared.services.reward import RewardService
from shared.services.serving import LoopReader
from shared.services.train import Training, TrainService
from shared.storage.memory import InMemoryBlobStore, InMemoryEventStore

START = datetime(2026, 3, 1, 23, 50, tzinfo=UTC)
LOOP = "default"
WRITING = Writing(timedelta(seconds=2), timedelta(0))
ACTIONS = tuple(Action(name, b'[{"kind":"%b"}]' % name.encode()) for name in "abc")


class Died(BaseException):
    """Stands for the end of a process: nothing may catch it."""


class MortalBlobs(InMemoryBlobStore):
    """Dies before or after its n-th write."""

    def __init__(self):
        super().__init__()
        self.dies_at = None

    def _write(self, name, data):
        self._tick()
        etag = super()._write(name, data)
        self._tick()
        return etag

    def _tick(self):
        if self.dies_at is not None:
            self.dies_at -= 1
            if self.dies_at < 0:
                self.dies_at = None
                raise Died


class World:
    """A loop in memory with a clock that the test moves."""

    def __init__(self, seconds_per_bucket=5):
        self.now = START
        self.blobs = MortalBlobs()
        self.events = InMemoryEventStore()
        clock = lambda: self.now  # noqa: E731
        self.loops = Loops(self.blobs, clock, lambda: "app", LoopDefaults(4, seconds_per_bucket))
        self.reader = LoopReader(LOOP, self.blobs, self.loops, clock, timedelta(hours=1))
        self.rank = RankService(self.reader, self.events, clock, WRITING)
        self.reward = RewardService(self.reader, self.events, clock, WRITING)
        self.clock = clock

    def trainer(self, **training):
        return TrainService(
            LOOP, self.loops, self.blobs, self.events, self.clock, WRITING, Training(**training)
        )

    async def live(self, seconds, seed):
        """Let a visitor come every second; most are rewarded, some late, some deferred."""
        rng = random.Random(seed)
        for second in range(seconds):
            event_id = f"{seed}-{second}"
            text = b'[{"os":"%b"}]' % rng.choice([b"linux", b"mac"])
            request = RankRequest(event_id, text, ACTIONS, defer_activation=rng.random() < 0.2)
            decided = await self.rank.rank(request)
            self.now += timedelta(seconds=1)
            for _ in range(rng.choice([0, 1, 1, 2])):
                value = float(decided.actions[decided.chosen] == "b") - rng.random() / 10
                await self.reward.reward(event_id, value)
            if rng.random() < 0.5:
                await self.reward.activate(event_id)

    async def set(self, **changes):
        await self.loops.change_settings(LOOP, lambda current: replace(current, **changes))

    async def state(self):
        return (await self.loops.state(LOOP))[0]

    async def model(self):
        state = await self.state()
        return self.blobs.blobs[model_name(LOOP, state.trained.version)].data

    def lines(self):
        """Yield the lines of the log's blobs."""
        for name, blob in self.blobs.blobs.items():
            if "/log/" in name:
                yield from decode_lines(gzip.decompress(blob.data))

    def logged(self):
        """Return the event ids of the committed log, each bucket's lines once."""
        return {(line.Bucket, line.EventId, line.label_cost) for line in self.lines()}


async def lived(seed=1, seconds=120):
    world = World()
    await world.set(
        rewards=RewardSettings(timedelta(seconds=10), Aggregation.SUM),
        arguments="--cb_explore_adf --epsilon 0.2 -q ::",
        model_export_frequency=timedelta(seconds=30),
    )
    await world.live(seconds, seed)
    world.now += timedelta(seconds=60)
    return world


@pytest.fixture
async def undisturbed():
    world = await lived()
    report = await world.trainer().train()
    world.now += timedelta(seconds=30)  # the next publication is due
    await world.trainer().train()
    return report, await world.model(), await world.state(), world.logged()


async def test_every_event_is_learned_once_and_published(undisturbed):
    report, _, state, logged = undisturbed

    assert state.counters.events == 120
    assert report.learned == 120 - state.counters.inactive
    assert 0 < state.counters.inactive < 30
    assert 60 < state.counters.rewarded < 110
    assert len({event for _, event, _ in logged}) == len(logged) == 120
    assert state.published == state.trained
    assert state.published.learned == report.learned
    assert state.counters.late_events == 0


@pytest.mark.parametrize("events_per_step", [1, 7, 40])
async def test_however_training_is_cut_the_model_is_the_same(undisturbed, events_per_step):
    world = await lived()
    while (await world.trainer(events_per_step=events_per_step).train()).outcome != "idle":
        pass

    assert await world.model() == undisturbed[1]
    assert (await world.state()).counters == undisturbed[2].counters
    assert world.logged() == undisturbed[3]


async def test_training_as_events_close_gives_the_same_model(undisturbed):
    world = await lived()
    end, world.now = world.now, START
    while world.now <= end:
        await world.trainer().train()
        world.now += timedelta(seconds=3)
    world.now = end
    await world.trainer().train()

    assert await world.model() == undisturbed[1]
    assert (await world.state()).counters == undisturbed[2].counters


@pytest.mark.parametrize("tick", range(24))
async def test_a_trainer_that_dies_at_any_write_changes_nothing(undisturbed, tick):
    world = await lived()
    world.blobs.dies_at = tick
    try:
        while (await world.trainer(events_per_step=30).train()).outcome != "idle":
            pass
    except Died:
        world.blobs.leased.clear()
    world.blobs.dies_at = None
    while (await world.trainer(events_per_step=30).train()).outcome != "idle":
        pass

    assert await world.model() == undisturbed[1]
    assert (await world.state()).counters == undisturbed[2].counters
    assert world.logged() == undisturbed[3]


async def test_two_trainers_without_a_lease_still_learn_each_event_once(undisturbed):
    world = await lived()

    @asynccontextmanager
    async def no_lease(name, seconds):
        class Lease:
            async def renew(self):
                await asyncio.sleep(0)

        await asyncio.sleep(0)
        yield Lease()

    world.blobs.lease = no_lease
    first = world.trainer(events_per_step=20)
    second = world.trainer(events_per_step=30)
    for _ in range(40):
        await asyncio.gather(first.train(), second.train())

    assert await world.model() == undisturbed[1]
    assert (await world.state()).counters == undisturbed[2].counters


async def test_a_model_that_could_not_be_stored_is_not_learned_on(undisturbed):
    world = await lived()
    trainer = world.trainer()
    trainer._adapt = lambda rows, took: None  # one bucket a step
    put, models = world.blobs.put, iter([True, True, False])

    async def fail_at_the_third_model(name, data):
        if "/models/" in name and not next(models, True):
            raise StorageUnavailable("busy")
        await put(name, data)

    world.blobs.put = fail_at_the_third_model
    with pytest.raises(StorageUnavailable):
        await trainer.train()
    await trainer.train()

    assert await world.model() == undisturbed[1]


async def test_a_trainer_that_lost_its_lease_stops():
    world = await lived()
    await world.trainer(run_for=timedelta(0)).train()
    trainer = world.trainer()
    trainer._adapt = lambda rows, took: None  # one bucket a step
    replace_blob = world.blobs.replace

    async def lose(name, data, etag):
        world.blobs.leased.clear()
        return await replace_blob(name, data, etag)

    world.blobs.replace = lose

    report = await trainer.train()

    assert (report.outcome, report.steps) == ("busy", 1)


async def test_only_one_trainer_works_at_a_time():
    world = await lived(seconds=5)
    async with world.blobs.lease(f"{LOOP}/train.lock", 15):
        assert (await world.trainer().train()).outcome == "busy"


async def test_a_reset_learns_the_log_again_to_the_same_bytes(undisturbed):
    world = await lived()
    await world.trainer().train()
    before = await world.state()
    changed = "--cb_explore_adf --epsilon 0.2 -q :: -l 0.1"
    world.now += timedelta(seconds=1)
    await world.set(arguments=changed)
    await world.trainer(events_per_step=50).train()
    other = await world.model()
    world.now += timedelta(seconds=1)
    await world.set(arguments="--cb_explore_adf --epsilon 0.2 -q ::")
    await world.trainer(events_per_step=50).train()

    assert other != undisturbed[1]
    assert await world.model() == undisturbed[1]
    assert (await world.state()).counters == before.counters
    assert (await world.state()).published == (await world.state()).trained


async def test_a_log_whose_blobs_overlap_is_learned_once(undisturbed):
    """As where a step died after its log was written, and was repeated with more buckets."""
    world = await lived()
    trainer = world.trainer()
    trainer._adapt = lambda rows, took: None  # one bucket a step
    await trainer.train()
    log = LogStore(LOOP, world.blobs)
    end = int(world.now.timestamp())
    blobs = [found async for found in log.ranges(0, int(START.timestamp()), end)]
    lines = {found: gzip.decompress(world.blobs.blobs[found.name].data) for found in blobs}
    for before, after in pairwise(blobs):
        await log.write(0, before.start, after.end, lines[before] + lines[after])

    await world.set(arguments="--cb_explore_adf --epsilon 0.2")
    await world.trainer().train()
    await world.set(arguments="--cb_explore_adf --epsilon 0.2 -q ::")
    await world.trainer(events_per_step=7).train()

    assert len(blobs) > 5
    assert await world.model() == undisturbed[1]


async def test_changed_reward_settings_are_applied_to_the_log():
    world = await lived()
    await world.trainer().train()
    await world.set(rewards=RewardSettings(timedelta(seconds=10), Aggregation.MAX))
    await world.trainer().train()
    replayed = await world.model()

    fresh = await lived()
    await fresh.set(rewards=RewardSettings(timedelta(seconds=10), Aggregation.MAX))
    await fresh.trainer().train()
    assert replayed == await fresh.model()


async def test_the_same_event_id_in_another_bucket_is_a_duplicate():
    world = World()
    for _ in range(3):
        await world.rank.rank(RankRequest("same", b"[]", ACTIONS))
        world.now += timedelta(seconds=7)
    world.now += timedelta(minutes=20)
    await world.trainer(events_per_step=1).train()

    counters = (await world.state()).counters
    assert (counters.events, counters.duplicates) == (1, 2)


async def test_a_row_that_appears_in_a_read_bucket_is_reported():
    world = await lived(seconds=30)
    await world.trainer().train()
    state = await world.state()
    space = state.space(LOOP)
    late = await world.rank.rank(RankRequest("too late", b"[]", ACTIONS))
    await world.events.add_interaction(space, state.last_read.start, late)
    world.now += timedelta(seconds=60)
    await world.trainer().train()

    assert (await world.state()).counters.late_events == 1


async def test_what_was_stored_at_the_last_moment_is_seen_however_much_clocks_may_differ():
    """The writer's clock is behind, the trainer's ahead, and storing takes the whole deadline."""
    wait, instant = timedelta(seconds=10), timedelta(milliseconds=10)
    writing = Writing(timedelta(seconds=2), clock_skew=timedelta(seconds=5))
    world = World(seconds_per_bucket=5)
    await world.set(rewards=RewardSettings(wait, Aggregation.SUM))
    trainer = TrainService(
        LOOP,
        world.loops,
        world.blobs,
        world.events,
        lambda: world.now + 2 * writing.clock_skew,
        writing,
    )
    world.now = START + timedelta(seconds=5) - instant  # the end of a bucket
    await world.rank.rank(RankRequest("e", b"[]", ACTIONS))

    world.now += wait - instant
    with patch.object(world.events, "add_observation", AsyncMock()) as stored:
        await world.reward.reward("e", 1.0)
    world.now += writing.deadline - instant
    await trainer.train()
    await world.events.add_observation(*stored.await_args.args)
    world.now += timedelta(minutes=1)
    await trainer.train()

    counters = (await world.state()).counters
    assert (counters.events, counters.rewarded, counters.late) == (1, 1, 0)


async def test_a_reward_whose_write_took_long_counts_by_when_it_arrived():
    wait = timedelta(seconds=10)
    writing = Writing(timedelta(seconds=8), timedelta(0))
    world = World(seconds_per_bucket=1)
    await world.set(rewards=RewardSettings(wait, Aggregation.SUM))
    trainer = TrainService(LOOP, world.loops, world.blobs, world.events, world.clock, writing)
    await world.rank.rank(RankRequest("e", b"[]", ACTIONS))
    await trainer.train()
    world.now += wait - timedelta(seconds=0.1)
    with patch.object(world.events, "add_observation", AsyncMock()) as stored:
        await world.reward.reward("e", 1.0)
    space, bucket, observation = stored.await_args.args
    await world.events.add_observation(space, bucket + 7, observation)  # its third attempt

    for _ in range(60):
        world.now += timedelta(seconds=1)
        await trainer.train()

    assert (await world.state()).counters.rewarded == 1


async def test_a_damaged_model_means_uniform_decisions_not_errors():
    world = await lived(seconds=30)
    await world.trainer().train()
    state = await world.state()
    name = model_name(LOOP, state.published.version)
    whole = world.blobs.blobs[name].data
    await world.blobs.put(name, whole[:-5] + b"xxxxx")
    reader = LoopReader(LOOP, world.blobs, world.loops, world.clock, timedelta(hours=1))
    rank = RankService(reader, world.events, world.clock, WRITING)

    decided = await rank.rank(RankRequest("e", b"[]", ACTIONS))
    await reader.close()

    assert decided.probabilities == (1 / 3, 1 / 3, 1 / 3)


async def test_a_published_model_is_served_after_a_poll():
    world = await lived(seconds=30)
    await world.trainer().train()
    await world.reader.refresh()

    decided = await world.rank.rank(RankRequest("new", b'[{"os":"mac"}]', ACTIONS))
    await world.reader.close()

    assert decided.model_version == (await world.state()).published.version
    assert min(decided.probabilities) == pytest.approx(0.2 / 3)


async def test_a_commit_needs_the_state_that_was_read():
    world = World()
    state, etag = await world.loops.state(LOOP)
    await world.loops.commit_state(LOOP, replace(state, cursor=state.cursor + 5), etag)

    with pytest.raises(Conflict):
        await world.loops.commit_state(LOOP, state, etag)


async def test_vowpal_wabbit_learns_the_same_from_our_log(tmp_path):
    vowpalwabbit = pytest.importorskip("vowpalwabbit", reason="the oracle is not installed")
    world = await lived()
    await world.trainer(events_per_step=40).train()
    log = tmp_path / "log.dsjson"
    blobs = [b for name, b in sorted(world.blobs.blobs.items()) if "/log/" in name]
    log.write_bytes(b"".join(gzip.decompress(blob.data) for blob in blobs))

    arguments = "--cb_explore_adf --epsilon 0.2 -q ::"
    peer = vowpalwabbit.Workspace(f"{arguments} --dsjson -d {log} --quiet --no_stdin")
    theirs = np.array([peer.get_weight(slot) for slot in range(1 << 18)])
    peer.finish()

    ours = loads(await world.model()).regressor.weights
    assert np.count_nonzero(theirs) > 10
    assert np.abs(ours - theirs).max() < 1e-5


async def test_a_reset_loop_without_a_log_serves_no_model():
    world = await lived(seconds=30)
    await world.trainer().train()
    await world.reader.refresh()
    assert (await world.reader.served()).policy is not None
    for name in [name for name in world.blobs.blobs if "/log/" in name]:
        await world.blobs.delete(name)
    await world.set(arguments="--cb_explore_adf")
    await world.trainer().train()
    await world.reader.refresh()

    served = await world.reader.served()
    await world.reader.close()
    assert (served.policy, served.model_version) == (None, "")


async def test_what_is_older_than_the_retention_goes_even_after_a_crash():
    world = await lived(seconds=30)
    await world.set(log_retention_days=2)
    await world.trainer().train()
    space = (await world.state()).space(LOOP)
    held = len(world.events.interaction_rows[space])
    world.now += timedelta(days=1)
    await world.trainer().train()
    assert (len(world.logged()), len(world.events.interaction_rows[space])) == (30, held)

    world.now += timedelta(days=3)
    delete, world.blobs.delete = world.blobs.delete, None  # the process ends at the first blob
    with pytest.raises(TypeError):
        await world.trainer().train()
    world.blobs.delete = delete
    await world.trainer().train()

    assert world.logged() == set()
    assert world.events.interaction_rows[space] == {}
    assert (await world.state()).counters.events == 30


async def test_what_is_not_learned_yet_outlives_the_retention():
    world = await lived(seconds=30)
    await world.set(log_retention_days=2)
    world.now += timedelta(days=5)
    await world.trainer(run_for=timedelta(0)).train()  # time for no step, as after a long outage
    await world.trainer().train()

    assert (await world.state()).counters.events == 30


async def test_ids_by_which_repeated_events_are_known_outlive_the_retention():
    world = World()
    await world.set(rewards=RewardSettings(timedelta(hours=1)), log_retention_days=1)
    await world.rank.rank(RankRequest("same", b"[]", ACTIONS))
    world.now += timedelta(minutes=20)  # the next day
    await world.rank.rank(RankRequest("same", b"[]", ACTIONS))
    world.now += timedelta(minutes=55)
    await world.trainer().train()
    assert (await world.state()).counters.events == 1
    world.now += timedelta(days=5)
    await world.trainer(run_for=timedelta(0)).train()
    await world.trainer().train()

    counters = (await world.state()).counters
    assert (counters.events, counters.duplicates) == (1, 1)


async def test_a_model_that_is_newer_than_the_state_is_left_to_who_made_it():
    world = await lived()
    await world.trainer().train()
    newer = model_name(LOOP, model_version(int(world.now.timestamp()) + 60, b"model"))
    await world.blobs.put(newer, b"model")
    older = model_name(LOOP, model_version(int(START.timestamp()), b"model"))
    await world.blobs.put(older, b"model")

    await world.trainer().train()

    assert newer in world.blobs.blobs
    assert older not in world.blobs.blobs


async def test_models_that_nothing_names_are_deleted():
    world = await lived()
    await world.trainer(events_per_step=5).train()
    world.now += timedelta(seconds=30)
    await world.trainer().train()

    state = await world.state()
    models = {name.rsplit("/", 1)[1] for name in world.blobs.blobs if "/models/" in name}
    assert models == {state.trained.version, *state.history}


async def test_an_id_repeated_after_long_is_the_same_event_however_training_is_cut():
    models = []
    for events_per_step in (1, 1000):
        world = World()
        await world.set(rewards=RewardSettings(timedelta(seconds=10)))
        for gap in (100, 150, 100, 30, 200):
            await world.rank.rank(RankRequest("same", b"[]", ACTIONS))
            await world.reward.reward("same", 1.0)
            world.now += timedelta(seconds=gap)
        world.now += timedelta(minutes=5)
        trainer = world.trainer(events_per_step=events_per_step)
        trainer._buckets = events_per_step
        trainer._adapt = lambda rows, took: None
        await trainer.train()
        counters = (await world.state()).counters
        assert (counters.events, counters.duplicates) == (2, 3)
        models.append(await world.model())

    assert models[0] == models[1]


async def test_steps_that_take_long_get_shorter_whatever_their_number_of_events():
    trainer = World().trainer(events_per_step=1000)
    trainer._buckets = 64

    trainer._adapt(10, timedelta(seconds=29))
    assert trainer._buckets == 32
    trainer._adapt(10, timedelta(seconds=1))
    assert trainer._buckets == 64


async def test_learning_leaves_the_event_loop_to_others():
    world = World()
    for number in range(200):
        await world.rank.rank(RankRequest(f"event {number}", b"[]", ACTIONS))
    world.now += timedelta(days=1)
    trainer = world.trainer()
    threads = set()
    learn_many = Learner.learn_many

    def watched(learner, examples):
        threads.add(threading.current_thread())
        learn_many(learner, examples)

    with patch.object(Learner, "learn_many", watched):
        report = await trainer.train()

    assert report.learned == 200
    assert threading.main_thread() not in threads
