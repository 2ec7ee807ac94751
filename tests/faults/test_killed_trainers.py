"""Trainers killed at each of their writes, and two at once: real processes, real storage."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from azure.storage.blob import BlobClient

from devserver.azurite import Azurite
from shared import wiring
from shared.events.rewards import RewardSettings
from shared.services.append import Writing
from shared.services.loop_state import DEFAULT_LOOP, LoopDefaults, Loops, model_name
from shared.services.metrics_store import DAY, MetricsStore
from shared.services.rank_request import Action, RankRequest
from shared.services.train import TrainService
from shared.settings import Settings
from shared.storage.memory import InMemoryBlobStore
from tests.conftest import FAST

LOOP = DEFAULT_LOOP
EVENTS = 240
ACTIONS = tuple(Action(name, b'[{"kind":"%b"}]' % name.encode()) for name in "abc")


@pytest.fixture(scope="module")
def environ():
    """App settings on an emulator whose loop has closed events that nobody has learned."""
    emulator = Azurite(None)
    environ = {**os.environ, **FAST, "DATA_STORAGE": emulator.connection_string}
    asyncio.run(live(environ))
    yield environ
    emulator.stop()


async def live(environ):
    settings = Settings.from_environ(environ)
    async with wiring.azure_stores(settings) as stores:
        app = wiring.build(settings, stores)
        await app.loops.change_settings(
            LOOP,
            lambda s: replace(
                s,
                rewards=RewardSettings(timedelta(seconds=1)),
                arguments="--cb_explore_adf -q ::",
            ),
        )
        rng = random.Random(3)
        for number in range(EVENTS):
            request = RankRequest(f"e{number}", b'[{"os":"%d"}]' % rng.randrange(3), ACTIONS)
            decided = await app.rank.rank(request)
            await app.reward.reward(decided.event_id, float(decided.chosen == 1))
            await asyncio.sleep(0.01)  # over several buckets
        await app.reader.close()
        await asyncio.sleep(5)  # wait time, bucket and write deadline


async def metrics(blobs, state):
    """Return all rows of two days, without what training says of itself."""
    store = MetricsStore(blobs)
    today = int(wiring.now().timestamp()) // DAY * DAY
    return [
        (level.width, slot, rounded(msgspec.to_builtins(replace(row, steps=0, seconds=0, lag=0))))
        for level in store.levels
        for slot, row in await store.rows(state.space(LOOP), level, today - DAY, today + DAY)
    ]


def rounded(member):
    """Return a member of a row without the last digits of sums: they depend on the cuts."""
    if isinstance(member, dict):
        return {name: rounded(value) for name, value in member.items()}
    if isinstance(member, list):
        return sorted(map(rounded, member))
    return round(member, 6) if isinstance(member, float) else member


async def outcome(environ):
    """Return the committed model, counters and metrics, and those of an undisturbed training."""
    settings = Settings.from_environ(environ)
    async with wiring.azure_stores(settings) as stores:
        loops = wiring.build(settings, stores).loops
        state, _ = await loops.state(LOOP)
        model = await stores.blobs.load(model_name(LOOP, state.trained.version))
        wanted, _ = await loops.settings(LOOP)

        blobs = InMemoryBlobStore()
        defaults = LoopDefaults(settings.shards, settings.bucket_seconds)
        quiet = Loops(blobs, wiring.now, lambda: "app", defaults)
        await quiet.change_settings(LOOP, lambda _: wanted)
        writing = Writing(settings.write_deadline, settings.clock_skew)
        await TrainService(LOOP, quiet, blobs, stores.events, wiring.now, writing).train()
        expected, _ = await quiet.state(LOOP)
        undisturbed = blobs.blobs[model_name(LOOP, expected.trained.version)].data
        return (
            (model.data, state.counters, await metrics(stores.blobs, state)),
            (undisturbed, expected.counters, await metrics(blobs, expected)),
        )


def trainer(environ, ticks):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.mortal_trainer", str(ticks)], env=environ
    )


def break_lease(environ):
    """Do what time does when a trainer has died."""
    name = f"{LOOP}/train.lock"
    blob = BlobClient.from_connection_string(environ["DATA_STORAGE"], wiring.CONTAINER, name)
    with blob:
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
        from azure.storage.blob import BlobLeaseClient

        try:
            BlobLeaseClient(blob).break_lease(0)
        except (ResourceExistsError, ResourceNotFoundError):
            pass  # it held none


def test_killed_at_every_write_model_and_metrics_are_those_of_an_undisturbed_run(environ):
    killed = 0
    for ticks in range(16):
        killed += trainer(environ, ticks).wait(60) == -signal.SIGKILL
        break_lease(environ)
    pair = [trainer(environ, 10_000) for _ in range(2)]  # two at once, to the end
    assert [process.wait(60) for process in pair] == [0, 0]

    found, expected = asyncio.run(outcome(environ))

    assert killed >= 8
    assert found == expected
    assert found[1].events == EVENTS
    assert found[1].rewarded == EVENTS
    assert found[1].late_events == 0
    assert sum(row["events"] for _, _, row in found[2]) == 3 * EVENTS  # at each of three widths
