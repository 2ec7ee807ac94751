"""The doctor looks at real traffic of a loop in memory, and finds what was done to it."""

import json
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.events.rewards import RewardSettings
from shared.services.doctor import DoctorService, sample_of
from shared.services.metrics_store import MetricsStore
from shared.services.rank_request import Action, RankRequest
from tests.services.test_training import LOOP, WRITING, World

OFFERED = tuple(Action(name, json.dumps([{"kind": name}]).encode()) for name in "abc")


def context_of(number, rng):
    return {"os": rng.choice(["linux", "mac"]), "hour": rng.randrange(24)}


async def diagnosed(
    *,
    arguments="--cb_explore_adf --epsilon 0.2 -q :: -b 10",
    context=context_of,
    offered=OFFERED,
    reward_after=1,
    rewarded_id=lambda event_id: event_id,
    reward=lambda rng: float(rng.random() < 0.5),
    count=400,
    **settings,
):
    """Return a world of visitors, one a second, and the codes of what the doctor finds."""
    rng = random.Random(4)
    world = World()
    await world.set(
        rewards=RewardSettings(timedelta(seconds=20)),
        arguments=arguments,
        model_export_frequency=timedelta(seconds=30),
        **settings,
    )
    waiting = []
    for number in range(count):
        event_id = f"event {number}"
        text = json.dumps([context(number, rng)]).encode() if context else b"[]"
        await world.rank.rank(RankRequest(event_id, text, offered))
        waiting.append((number + reward_after, rewarded_id(event_id), reward(rng)))
        world.now += timedelta(seconds=1)
        while waiting and waiting[0][0] <= number:
            _, name, value = waiting.pop(0)
            if value is not None:
                await world.reward.reward(name, value)
        if number % 20 == 0:
            await world.trainer().train()
            await world.reader.refresh()
    for due, name, value in waiting:
        if due <= count and value is not None:
            await world.reward.reward(name, value)
    world.now += timedelta(minutes=2, seconds=40)  # what was early must not be late
    await world.trainer().train()
    await world.reader.close()
    diagnosis = await doctor(world).diagnose()
    return world, {finding.code: finding for finding in diagnosis.findings}


def doctor(world):
    store = MetricsStore(world.blobs)
    return DoctorService(LOOP, world.loops, store, world.blobs, world.events, world.clock, WRITING)


async def test_a_loop_that_learns_is_healthy():
    _, found = await diagnosed()

    assert found == {}


async def test_a_loop_without_rewards_is_told_so():
    _, found = await diagnosed(reward=lambda rng: None)

    assert found.keys() == {"noRewards"}
    assert "None of 400 events" in found["noRewards"].evidence


@pytest.mark.parametrize(("after", "words"), [(34, "37 seconds"), (320, "6 minutes")])
async def test_late_rewards_are_told_from_wrong_ids(after, words):
    """For a wait of 20 seconds the trainer remembers events for 280."""
    _, found = await diagnosed(reward_after=after)

    assert "rewardsLate" in found
    assert "wrongEventIds" not in found
    assert words in found["rewardsLate"].evidence


async def test_rewards_for_unknown_events_are_told_from_late_ones():
    _, found = await diagnosed(rewarded_id=lambda event_id: event_id.upper())

    assert "wrongEventIds" in found
    assert "rewardsLate" not in found
    assert "'EVENT " in found["wrongEventIds"].evidence


async def test_features_of_no_use_are_named():
    def context(number, rng):
        return {
            "user": f"user {number}",
            "session": 1_000_000 + number,
            "now": f"2026-03-01T10:{number % 60:02}:00Z",
            "unix": 1_772_400_000 + number,
            "site": "shop",
            "os": rng.choice(["linux", "mac"]),
            "spend": round(100 * rng.random(), 2),
        }

    _, found = await diagnosed(context=context)

    assert "FromUrl.session, FromUrl.user have" in found["featureIsId"].evidence
    assert "FromUrl.now, FromUrl.unix hold" in found["featureIsTimestamp"].evidence
    assert "FromUrl.site have" in found["featureIsConstant"].evidence


@pytest.mark.parametrize(
    ("arguments", "code", "count"),
    [
        ("--cb_explore_adf --epsilon 0.2 -b 10", "noInteractions", 120),
        ("--cb_explore_adf --epsilon 0.2 -q Xj -b 10", "noInteractions", 120),
        ("--cb_explore_adf --epsilon 0.9 -q :: -b 10", "explorationTooHigh", 1_150),
        ("--cb_explore_adf --epsilon 0.001 -q :: -b 10", "explorationTooLow", 650),
        (
            "--cb_explore_adf --softmax --epsilon 0.2 --power_t 0 -l 0.000001 -q :: -b 10",
            "probabilitiesEqual",
            750,
        ),
        ("--cb_explore_adf --epsilon 0.2 --ignore ij -q :: -b 10", "probabilitiesEqual", 750),
    ],
)
async def test_settings_that_hinder_learning_are_found(arguments, code, count):
    exploration = float(arguments.split("--epsilon ")[1].split()[0])

    _, found = await diagnosed(arguments=arguments, exploration=exploration, count=count)

    assert code in found


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"offered": OFFERED[:1]}, "oneAction"),
        ({"context": None}, "contextMissing"),
        ({"reward": lambda rng: 0.5}, "rewardConstant"),
        ({"reward": lambda rng: 1.0 if rng.random() < 0.02 else None}, "almostAllDefaulted"),
    ],
)
async def test_traffic_that_hinders_learning_is_found(change, code):
    _, found = await diagnosed(**change)

    assert code in found


async def test_a_finding_goes_when_its_reason_is_gone():
    world, found = await diagnosed()
    world.now += timedelta(hours=3)
    state, etag = await world.loops.state(LOOP)
    early = replace(state, cursor=state.cursor - 7200)
    etag = await world.loops.commit_state(LOOP, early, etag)

    ill = await doctor(world).diagnose()
    await world.trainer().train()
    healthy = await doctor(world).diagnose()

    assert found == {}
    assert [finding.code for finding in ill.findings] == ["trainingBehind"]
    assert "5 hours" in ill.findings[0].evidence
    assert healthy.findings == ()


async def test_a_new_loop_is_healthy():
    world = World()

    diagnosis = await doctor(world).diagnose()

    assert (diagnosis.events, diagnosis.findings) == (0, ())


def test_nothing_is_known_of_no_lines():
    sample = sample_of([], None)

    assert (sample.events, sample.context, sample.terms) == (0, {}, 0)
