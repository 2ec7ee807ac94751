"""Decisions one by one: the latest are found in busy and in idle loops, and explained."""

from datetime import timedelta

import pytest

from shared.events.rewards import RewardSettings
from shared.services.decisions import DecisionService, Status
from shared.services.loop_state import model_name
from shared.services.rank_request import RankRequest
from tests.services.test_training import ACTIONS, LOOP, WRITING, World


def decisions(world):
    return DecisionService(world.reader, world.events, world.blobs, world.clock, WRITING)


async def lived(*gaps):
    """Return a world with a decision after each gap (seconds), all of them rewarded."""
    world = World()
    await world.set(
        rewards=RewardSettings(timedelta(seconds=10)), arguments="--cb_explore_adf -q :: -b 10"
    )
    for number, gap in enumerate(gaps):
        world.now += timedelta(seconds=gap)
        await world.rank.rank(RankRequest(f"e{number}", b'[{"os":"mac"}]', ACTIONS))
        await world.reward.reward(f"e{number}", 0.5)
    return world


@pytest.mark.parametrize("gap", [0.01, 1, 61, 900, 4000])
async def test_the_latest_are_the_latest_however_much_goes_on(gap):
    world = await lived(*[gap] * 40)
    world.now += timedelta(seconds=30)

    found = await decisions(world).latest(10)
    await world.reader.close()

    names = [each.interaction.event_id for each in found]
    if gap == 0.01:  # all in one bucket, of which some are as good as others
        assert len(names) == 10
    else:
        assert names == [f"e{number}" for number in range(39, 29, -1)]
    times = [each.interaction.time for each in found]
    assert times == sorted(times, reverse=True)
    assert {each.reward for each in found} == {0.5}


async def test_what_is_older_than_two_days_is_not_looked_for():
    world = await lived(1, 1)
    world.now += timedelta(days=3)

    assert await decisions(world).latest(10) == []
    assert await decisions(world).find("e0", None) is None
    await world.reader.close()


async def test_a_decision_is_open_until_it_is_learned():
    world = await lived(1)
    await world.reader.refresh()
    opened = await decisions(world).find("e0", None)
    world.now += timedelta(seconds=60)
    await world.trainer().train()
    await world.reader.refresh()
    closed = await decisions(world).find("e0", opened.report.interaction.time)
    await world.reader.close()

    assert (opened.report.status, closed.report.status) == (Status.OPEN, Status.LEARNED)
    assert opened.explanations is None
    assert (closed.model_version != "", closed.is_deciding_model) == (True, False)
    assert len(closed.explanations) == 3


async def test_a_reward_after_the_wait_is_not_shown():
    world = await lived()
    await world.rank.rank(RankRequest("late", b"[]", ACTIONS))
    world.now += timedelta(seconds=11)
    await world.reward.reward("late", 1.0)

    [found] = await decisions(world).latest(10)
    await world.reader.close()

    assert (found.observations, found.reward) == ((), None)


async def test_the_model_that_decided_explains_as_long_as_it_is_kept():
    world = await lived(*[1] * 30)
    await world.set(model_export_frequency=timedelta(seconds=1))
    world.now += timedelta(seconds=30)
    await world.trainer().train()
    await world.reader.refresh()
    await world.rank.rank(RankRequest("decided", b'[{"os":"mac"}]', ACTIONS))
    first = (await world.state()).published.version
    for number in range(20):
        world.now += timedelta(seconds=1)
        await world.rank.rank(RankRequest(f"later {number}", b'[{"os":"mac"}]', ACTIONS))
    world.now += timedelta(seconds=60)
    await world.trainer().train()
    await world.reader.refresh()
    second = (await world.state()).published.version

    kept = await decisions(world).find("decided", None)
    await world.blobs.delete(model_name(LOOP, first))
    gone = await decisions(world).find("decided", None)
    await world.reader.close()

    assert first != second
    assert (kept.model_version, kept.is_deciding_model) == (first, True)
    assert (gone.model_version, gone.is_deciding_model) == (second, False)
    assert [e.score for e in kept.explanations] != [e.score for e in gone.explanations]
