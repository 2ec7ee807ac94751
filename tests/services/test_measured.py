"""What the services say of themselves."""

import random
from datetime import timedelta

import pytest

from shared.services.loop_state import model_name
from shared.services.ports import Conflict, StorageUnavailable
from shared.services.rank import RankService
from shared.services.rank_request import RankRequest
from shared.services.serving import LoopReader
from shared.services.train import TrainService
from tests.services.test_training import ACTIONS, LOOP, WRITING, World
from tests.support.recorded import RecordedMeter


@pytest.fixture
def meter():
    return RecordedMeter()


def reader_of(world, meter):
    return LoopReader(
        LOOP, world.blobs, world.loops, world.clock, timedelta(hours=1), WRITING.grace, meter
    )


def rank_of(world, meter):
    return RankService(reader_of(world, meter), world.events, world.clock, WRITING, meter)


async def test_decisions_are_counted_by_whether_they_explored(meter):
    world = World()
    await world.live(200, seed=1)
    world.now += timedelta(minutes=12)
    await world.trainer().train()
    rank = rank_of(world, meter)
    decided = []
    for number in range(100):
        decided.append(await rank.rank(RankRequest(f"m{number}", b"[]", ACTIONS)))
    explored = sum(
        interaction.propensity < max(interaction.probabilities) for interaction in decided
    )

    assert 0 < explored < 100
    assert meter.sums["RankedEvents", LOOP, "true"] == explored
    assert meter.sums["RankedEvents", LOOP, "false"] == 100 - explored


async def test_without_a_model_every_decision_explores(meter):
    await rank_of(World(), meter).rank(RankRequest("e", b"[]", ACTIONS))

    assert meter.sums["RankedEvents", LOOP, "true"] == 1


async def test_every_attempt_that_storage_refused_is_counted(meter, monkeypatch):
    world = World()
    monkeypatch.setattr(random, "uniform", lambda low, high: 0.0)  # no pauses
    refused = iter(range(3))
    insert = world.events.add_interaction

    async def add(*given):
        if next(refused, None) is not None:
            raise StorageUnavailable("busy")
        return await insert(*given)

    monkeypatch.setattr(world.events, "add_interaction", add)
    await rank_of(world, meter).rank(RankRequest("e", b"[]", ACTIONS))

    assert meter.sums["StorageRetries", LOOP] == 3


async def test_a_model_that_cannot_be_read_is_counted(meter):
    world = World()
    await world.live(60, seed=1)
    world.now += timedelta(minutes=12)
    await world.trainer().train()
    name = model_name(LOOP, (await world.state()).published.version)
    await world.blobs.put(name, b"damaged")
    await reader_of(world, meter).refresh()

    assert meter.sums["ModelLoadFailures", LOOP] == 1


async def test_what_training_closed_is_counted_once_and_agrees_with_the_log(meter):
    world = World()
    await world.live(120, seed=3)
    world.now += timedelta(minutes=12)
    trainer = TrainService(
        LOOP, world.loops, world.blobs, world.events, world.clock, WRITING, meter=meter
    )
    await trainer.train()
    await trainer.train()
    counters = (await world.state()).counters
    lines = [line for line in world.lines() if not line.skip_learn]
    rewards = [-line.label_cost for line in lines]
    baseline = [-n.label_cost / n.label_probability for n in lines if n.label_action == 1]

    def total(name):
        return meter.sums[name, LOOP]

    assert total("TotalEvents") == counters.events > 0
    assert total("NonActivatedEvents") == counters.inactive > 0
    assert total("LearnedEvents") == counters.events - counters.inactive == len(rewards)
    assert total("OnlineReward") == pytest.approx(sum(rewards))
    assert total("UserBaselineReward") == pytest.approx(sum(baseline))
    assert total("BaselineRandomReward") == pytest.approx(sum(rewards))  # all was random


async def test_a_step_that_is_not_committed_is_not_recorded(meter, monkeypatch):
    world = World()
    await world.live(60, seed=3)
    world.now += timedelta(minutes=12)
    trainer = TrainService(
        LOOP, world.loops, world.blobs, world.events, world.clock, WRITING, meter=meter
    )

    async def overtaken(*_):
        raise Conflict("somebody else was faster")

    monkeypatch.setattr(world.loops, "commit_state", overtaken)
    await trainer.train()

    assert not meter.sums["TotalEvents", LOOP]


async def test_training_is_overdue_from_when_it_was_possible(meter):
    world = World()
    reader = reader_of(world, meter)
    await world.live(60, seed=1)
    world.now += timedelta(minutes=12)
    await world.trainer().train()
    await reader.refresh()
    trained = meter.last["TrainingLag", LOOP]
    world.now += timedelta(hours=1)
    await reader.refresh()

    assert trained == 0
    # Less than an hour by what still had to close: a bucket, or a 16th of the wait.
    wait = timedelta(seconds=meter.last["RewardWaitTime", LOOP])
    assert 3600 - wait.total_seconds() / 16 - 5 <= meter.last["TrainingLag", LOOP] < 3600
    assert meter.last["ModelAge", LOOP] == 3600
