"""Going back: to an earlier model, and to an earlier state."""

from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

import pytest

from shared.learner.vw_model import ModelFileError
from shared.services.loop_state import state_name
from shared.services.model import ModelService, UnknownModel
from tests.services.test_training import LOOP, World


@pytest.fixture
async def world():
    """A loop that has published several models."""
    world = World()
    await world.set(model_export_frequency=timedelta(seconds=1))
    for seed in range(3):
        await world.live(60, seed)
        world.now += timedelta(minutes=12)
        await world.trainer().train()
    assert len((await world.state()).history) >= 2
    return world


def models(world):
    return ModelService(LOOP, world.loops, world.blobs, world.clock)


async def test_an_earlier_model_is_served_again_and_learning_goes_on_from_it(world):
    before = await world.state()
    earlier = before.history[-1]
    await models(world).publish_earlier(earlier)
    back = await world.state()
    await world.live(60, seed=9)
    world.now += timedelta(minutes=12)
    await world.trainer().train()
    after = await world.state()

    assert back.published.version == back.trained.version == earlier
    assert back.published.learned < before.published.learned
    assert back.history[0] == before.published.version
    assert earlier not in back.history
    assert (back.cursor, back.counters) == (before.cursor, before.counters)
    learned_since = after.counters.events - after.counters.inactive
    learned_since -= before.counters.events - before.counters.inactive
    assert after.published.learned == back.published.learned + learned_since


@pytest.mark.parametrize("what", ["reset", "go back", "import"])
async def test_a_trainer_that_commits_meanwhile_does_not_undo_what_was_asked_for(world, what):
    before = await world.state()
    file, _ = await models(world).export_model()
    commit, trained = world.loops.commit_state, []

    async def after_a_trainer(loop, state, etag):
        if not trained:
            newest, newest_tag = await world.loops.state(LOOP)
            trained.append(replace(newest, last_training=world.now))
            await commit(LOOP, trained[0], newest_tag)
        return await commit(loop, state, etag)

    with patch.object(world.loops, "commit_state", after_a_trainer):
        match what:
            case "reset":
                await models(world).reset_model()
            case "go back":
                await models(world).publish_earlier(before.history[0])
            case "import":
                await models(world).import_model(file)

    state = await world.state()
    published = state.published.version if state.published else None
    expected = {"reset": None, "go back": before.history[0]}
    assert published == expected.get(what, published)
    assert published != before.published.version
    assert state.last_training == trained[0].last_training


async def test_going_back_twice_ends_where_it_began(world):
    before = await world.state()
    await models(world).publish_earlier(before.history[0])
    await models(world).publish_earlier(before.published.version)

    assert (await world.state()).published.version == before.published.version


async def test_only_earlier_models_of_the_loop_can_be_gone_back_to(world):
    before = await world.state()
    for version in (before.published.version, "20260101T000000Z-0123456789abcdef", "../state.json"):
        with pytest.raises(UnknownModel):
            await models(world).publish_earlier(version)

    assert await world.state() == before


async def test_a_model_of_other_learning_settings_is_refused(world):
    earlier = (await world.state()).history[0]
    await world.set(arguments="--cb_explore_adf --epsilon 0.2 --cb_type ips")

    with pytest.raises(ModelFileError, match="--cb_type mtr"):
        await models(world).publish_earlier(earlier)


async def test_an_older_state_put_back_learns_forward_to_the_same_model(world):
    older = world.blobs.blobs[state_name(LOOP)]
    await world.live(60, seed=9)
    world.now += timedelta(minutes=12)
    await world.trainer().train()
    expected = await world.model()
    world.blobs.blobs[state_name(LOOP)] = older
    await world.trainer().train()

    assert await world.model() == expected
