"""Apprentice and LoggingOnly: what is shown, what is logged, what is learned."""

import json
from datetime import timedelta

import pytest

from shared.contract.rank import render_rank
from shared.events.learning_mode import LearningMode
from shared.learner.checkpoint import loads
from shared.services.loop_settings import DEFAULT_ARGUMENTS
from shared.services.rank_request import RankRequest
from tests.services.test_training import ACTIONS, World

APPRENTICE, LOGGING = LearningMode.APPRENTICE, LearningMode.LOGGING_ONLY
REQUESTED = ["a", "b", "c"]


async def ranked(world, count=40, excluded=frozenset()):
    """Return interactions and answers of a number of Rank calls."""
    await world.reader.refresh()
    decided = []
    for number in range(count):
        request = RankRequest(f"event {number}", b"[]", ACTIONS, excluded)
        decided.append(await world.rank.rank(request))
    return decided, [json.loads(render_rank(each)) for each in decided]


async def in_mode(mode):
    world = World()
    await world.set(learning_mode=mode)
    return world


async def trained(world):
    world.now += timedelta(minutes=11)
    report = await world.trainer().train()
    state = await world.state()
    return report, state


@pytest.mark.parametrize("mode", [APPRENTICE, LOGGING])
async def test_the_baseline_action_is_shown_in_the_order_of_the_request(mode):
    _, answers = await ranked(await in_mode(mode))

    assert {answer["rewardActionId"] for answer in answers} == {"a"}
    assert all([a["id"] for a in answer["ranking"]] == REQUESTED for answer in answers)
    assert sum(a["probability"] for a in answers[0]["ranking"]) == pytest.approx(1)


@pytest.mark.parametrize("mode", [APPRENTICE, LOGGING])
async def test_the_baseline_is_the_first_action_that_is_not_excluded(mode):
    _, answers = await ranked(await in_mode(mode), excluded=frozenset("a"))

    assert {answer["rewardActionId"] for answer in answers} == {"b"}
    assert [a["id"] for a in answers[0]["ranking"]] == REQUESTED
    assert answers[0]["ranking"][0]["probability"] == 0


async def test_an_apprentice_logs_what_the_model_drew_with_its_chance():
    decided, _ = await ranked(await in_mode(APPRENTICE))

    assert len({each.chosen for each in decided}) == 3
    assert [each.propensity for each in decided] == pytest.approx([1 / 3] * len(decided))


async def test_nothing_is_drawn_when_only_logging():
    decided, _ = await ranked(await in_mode(LOGGING))

    assert {(each.chosen, each.propensity) for each in decided} == {(0, 1.0)}


async def test_an_apprentice_learns_to_imitate_whatever_the_rewards():
    world = await in_mode(APPRENTICE)
    await world.set(arguments="--cb_explore_adf --epsilon 0.1 -q ::", exploration=0.1)
    decided, _ = await ranked(world, 300)
    for each in decided:
        await world.reward.reward(each.event_id, -1.0)

    _, state = await trained(world)

    await world.reader.refresh()
    after, _ = await ranked(world, 100)
    matched = sum(each.matches_baseline for each in decided)
    assert (state.counters.imitated, state.counters.imitations_matched) == (300, matched)
    assert sum(each.matches_baseline for each in after) > 80
    line = next(iter(world.lines()))
    assert line.original_label_cost == 1.0
    assert line.label_cost == -float(line.label_index == 0)


async def test_when_only_logging_the_rewards_of_the_baseline_are_learned():
    world = await in_mode(LOGGING)
    decided, _ = await ranked(world)
    for each in decided:
        await world.reward.reward(each.event_id, 0.5)

    report, _ = await trained(world)

    assert report.learned == 40
    line = next(iter(world.lines()))
    assert (line.label_cost, line.label_probability, line.p) == (-0.5, 1.0, [1.0, 0.0, 0.0])


async def test_events_of_another_mode_are_logged_but_not_learned():
    world = await in_mode(APPRENTICE)
    await ranked(world)
    await world.set(learning_mode=LearningMode.ONLINE)

    report, state = await trained(world)

    assert report.learned == 0
    assert (state.counters.events, state.counters.other_mode) == (40, 40)
    assert all(line.skip_learn for line in world.lines())


async def test_a_change_of_mode_keeps_the_model():
    world = await in_mode(APPRENTICE)
    await ranked(world)
    _, before = await trained(world)
    await world.set(learning_mode=LearningMode.ONLINE)

    await world.trainer().train()

    after = await world.state()
    assert after.trained == before.trained
    assert loads(await world.model()).learned == 40


async def test_a_relearned_apprentice_imitates_again():
    world = await in_mode(APPRENTICE)
    await ranked(world)
    await trained(world)
    first = await world.model()
    await world.set(arguments="--cb_explore_adf --epsilon 0.2 -q FF")
    await world.trainer().train()
    await world.set(arguments=DEFAULT_ARGUMENTS)

    await world.trainer().train()

    assert await world.model() == first
