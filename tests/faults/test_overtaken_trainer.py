"""A trainer that is overtaken: its last write reaches storage after another has gone on."""

import asyncio

import pytest

from shared.services.loop_state import Loops
from shared.services.train import TrainService
from tests.faults.quiet_loop import QuietLoop, quiet_loop
from tests.faults.reconcile import reconcile
from tests.faults.sabotage import commit_without_if_match
from tests.faults.state_watch import INTERVAL, StateWatch


async def overtake(loop: QuietLoop, watch: StateWatch) -> None:
    """Hold a trainer's first commit, let another one learn more, then let the commit go on."""
    await loop.live(40, "e")
    slow = loop.app().train
    reached, go_on = asyncio.Event(), asyncio.Event()
    commit = slow._loops.commit_state

    async def held(name, state, etag):
        if state.trained is not None and not reached.is_set():
            reached.set()
            await go_on.wait()
        return await commit(name, state, etag)

    slow._loops.commit_state = held
    overtaken = asyncio.create_task(slow.train())
    await reached.wait()
    await loop.live(40, "f")
    await asyncio.to_thread(watch.break_lease)
    await loop.train()
    await asyncio.sleep(3 * INTERVAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainService, "_step", nothing)  # it is not to make up for anything
        go_on.set()
        await asyncio.gather(overtaken, return_exceptions=True)
    await asyncio.sleep(3 * INTERVAL)


async def nothing(self):
    """Take no further step."""
    return None


async def test_a_commit_that_comes_too_late_is_refused(app_environ):
    async with quiet_loop(app_environ) as loop:
        with StateWatch(app_environ, loop.name) as watch:
            await overtake(loop, watch)
        verdict = await reconcile(
            app_environ, loop.entries, loop=loop.name, went_back=watch.went_back
        )

    assert verdict.broken == {}
    assert verdict.learned == 80


async def test_a_commit_without_if_match_is_found_out(app_environ, monkeypatch):
    monkeypatch.setattr(Loops, "commit_state", Loops.commit_state)  # to be as it was afterwards
    commit_without_if_match()
    async with quiet_loop(app_environ) as loop:
        with StateWatch(app_environ, loop.name) as watch:
            await overtake(loop, watch)
        verdict = await reconcile(
            app_environ, loop.entries, loop=loop.name, went_back=watch.went_back
        )

    assert verdict.went_back > 0
    assert verdict.behind > 0  # the cursor stands where it stood before
