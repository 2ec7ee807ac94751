"""What is destroyed under a loop: its state, or the model with which learning goes on."""

import logging
from datetime import timedelta

import pytest

from shared.services.loop_state import (
    DamagedState,
    UnknownLoop,
    copy_name,
    model_name,
    state_name,
)
from shared.services.ports import StorageUnavailable
from shared.services.serving import LoopReader
from tests.services.test_training import LOOP, World


@pytest.fixture
async def world():
    """A loop that has learned, with more to learn."""
    world = World()
    await world.live(60, seed=1)
    world.now += timedelta(minutes=12)
    await world.trainer().train()
    await world.live(60, seed=2)
    world.now += timedelta(minutes=12)
    return world


@pytest.fixture
async def undisturbed(world):
    """Model and counters that the same loop comes to if nothing happens to it."""
    before = dict(world.blobs.blobs)
    await world.trainer().train()
    outcome = await world.model(), (await world.state()).counters
    world.blobs.blobs = before
    return outcome


def destroy(world, name, how):
    if how == "missing":
        del world.blobs.blobs[name]
    else:
        world.blobs._write(name, b'{"epoch": 0, "sh')


@pytest.mark.parametrize("how", ["missing", "damaged"])
async def test_training_restores_a_state_and_counts_every_event_once(
    world, undisturbed, how, caplog
):
    destroy(world, state_name(LOOP), how)
    with pytest.raises(DamagedState):
        await world.loops.state(LOOP)

    await world.trainer().train()

    assert (await world.model(), (await world.state()).counters) == undisturbed
    assert "is restored" in caplog.text
    assert world.blobs.blobs[copy_name(LOOP)].data == world.blobs.blobs[state_name(LOOP)].data


async def test_an_older_copy_is_as_good_as_the_last(world, undisturbed):
    older = world.blobs.blobs[copy_name(LOOP)]
    await world.trainer().train()
    world.blobs.blobs[copy_name(LOOP)] = older  # its writer died in between
    destroy(world, state_name(LOOP), "missing")

    await world.trainer().train()

    assert (await world.model(), (await world.state()).counters) == undisturbed


@pytest.mark.parametrize("how", ["missing", "damaged"])
async def test_a_state_that_no_training_has_committed_comes_back_too(how):
    """Events that are stored before the first training must not fall before a new beginning."""
    world = World()
    await world.live(60, seed=1)
    before = dict(world.blobs.blobs)
    world.now += timedelta(minutes=12)
    await world.trainer().train()
    undisturbed = await world.model(), (await world.state()).counters
    world.blobs.blobs = before
    destroy(world, state_name(LOOP), how)

    await world.trainer().train()

    assert undisturbed[1].events == 60
    assert (await world.model(), (await world.state()).counters) == undisturbed


async def test_a_new_loop_has_a_copy_of_its_state_from_the_start():
    world = World()
    await world.loops.create("shop", 3)

    destroy(world, state_name("shop"), "missing")
    state, _ = await world.loops.restore_state("shop")

    assert state.epoch == 3


async def test_without_a_copy_it_is_an_error_that_says_so(world):
    destroy(world, state_name(LOOP), "damaged")
    destroy(world, copy_name(LOOP), "missing")

    with pytest.raises(DamagedState, match="no copy"):
        await world.trainer().train()


@pytest.mark.parametrize("how", ["missing", "damaged"])
async def test_a_process_that_serves_goes_on_and_a_new_one_waits(world, how):
    destroy(world, state_name(LOOP), how)
    new = LoopReader(LOOP, world.blobs, world.loops, world.clock, timedelta(hours=1))

    with pytest.raises(DamagedState):
        await world.reader.refresh()
    await world.live(1, seed=3)
    with pytest.raises(StorageUnavailable):
        await new.served()
    await new.close()

    await world.trainer().train()
    await world.reader.refresh()


async def test_a_loop_that_lost_its_state_goes_on_and_one_that_was_deleted_does_not(world):
    await world.loops.create("shop", 0)
    reader = LoopReader("shop", world.blobs, world.loops, world.clock, timedelta(hours=1))
    await reader.served()

    destroy(world, state_name("shop"), "missing")
    with pytest.raises(DamagedState):
        await reader.refresh()
    assert (await reader.served()).space.loop == "shop"

    destroy(world, copy_name("shop"), "missing")
    with pytest.raises(UnknownLoop):
        await reader.refresh()
    await reader.close()


@pytest.mark.parametrize("how", ["missing", "damaged"])
async def test_a_model_that_cannot_be_read_is_learned_again_from_the_log(
    world, undisturbed, how, caplog
):
    trained = (await world.state()).trained.version
    destroy(world, model_name(LOOP, trained), how)
    with caplog.at_level(logging.ERROR):
        await world.trainer().train()

    assert (await world.model(), (await world.state()).counters) == undisturbed
    assert trained in caplog.text
