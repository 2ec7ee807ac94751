"""Loops that live side by side each behave as if they were alone."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.events.learning_mode import LearningMode
from shared.events.rewards import RewardSettings
from shared.services.logs import LogService
from shared.services.loop_registry import LoopRegistry
from shared.services.loop_state import LoopDefaults, Loops, model_name
from shared.services.model import ModelService
from shared.services.rank import RankService
from shared.services.rank_request import RankRequest
from shared.services.reward import RewardService
from shared.services.serving import LoopReader
from shared.services.train import TrainService
from shared.storage.memory import InMemoryBlobStore, InMemoryEventStore
from tests.services.test_training import ACTIONS, START, WRITING

LOOPS = ("abc", "abce0000d20260301", "abcd")  # names that begin alike, and like a table's
STEP = timedelta(seconds=3)

calls = st.lists(
    st.tuples(
        st.sampled_from(LOOPS),
        st.sampled_from(
            ["rank", "rank", "reward", "reward", "activate", "train", "explore", "imitate",
             "delete logs", "reset model"]
        ),
        st.integers(0, 3),
    ),
    min_size=10,
    max_size=60,
)  # fmt: skip


class Deployment:
    """Three loops on one store, with a clock that every call moves, whether it is made or not."""

    def __init__(self):
        self.now = START
        self.blobs, self.events = InMemoryBlobStore(), InMemoryEventStore()
        names = iter(range(100))
        defaults = LoopDefaults(4, 5)
        self.loops = Loops(self.blobs, self.clock, lambda: f"name {next(names)}", defaults)
        self.decided = []

    def clock(self):
        return self.now

    async def create(self):
        registry = LoopRegistry(
            self.loops, self.blobs, self.events, self.clock, timedelta(seconds=5)
        )
        for loop in LOOPS:
            await registry.create(loop)
            short = RewardSettings(timedelta(seconds=9))
            await self.loops.change_settings(loop, lambda s: replace(s, rewards=short))  # noqa: B023

    async def call(self, loop, what, number):
        reader = LoopReader(loop, self.blobs, self.loops, self.clock, timedelta(hours=1))
        parts = (reader, self.events, self.clock, WRITING)
        name = f"event {number}"
        if what == "rank":
            deferred = number == 0
            request = RankRequest(name, b"[]", ACTIONS, defer_activation=deferred)
            self.decided.append((loop, await RankService(*parts).rank(request)))
        elif what == "reward":
            await RewardService(*parts).reward(name, number / 3)
        elif what == "activate":
            await RewardService(*parts).activate(name)
        elif what == "train":
            stores = (self.loops, self.blobs, self.events, self.clock, WRITING)
            await TrainService(loop, *stores).train()
        elif what == "delete logs":
            await LogService(reader, self.loops, self.blobs, self.events, self.clock).delete()
        elif what == "reset model":
            await ModelService(loop, self.loops, self.blobs, self.clock).reset_model()
        else:
            mode = LearningMode.APPRENTICE if number % 2 else LearningMode.ONLINE
            change = {"learning_mode": mode} if what == "imitate" else {"exploration": number / 4}
            await self.loops.change_settings(loop, lambda s: replace(s, **change))
        await reader.close()

    async def picture(self, loop):
        """Return all that can be seen of a loop."""
        settings, _ = await self.loops.settings(loop)
        state, _ = await self.loops.state(loop)
        models = {
            name: blob.data
            for name, blob in self.blobs.blobs.items()
            if name.startswith(model_name(loop, ""))
        }
        decided = [each for owner, each in self.decided if owner == loop]
        reader = LoopReader(loop, self.blobs, self.loops, self.clock, timedelta(hours=1))
        log = LogService(reader, self.loops, self.blobs, self.events, self.clock)
        lines = [
            (line.EventId, line.label_cost, line.skip_learn, len(line.o))
            async for line in log.read(START - timedelta(days=1), self.now)
        ]
        return settings, state, models, decided, lines


async def lived(made, only=None):
    """Return the deployment after the calls of one loop, or of all."""
    deployment = Deployment()
    await deployment.create()
    for loop, what, number in made:
        deployment.now += STEP
        if only in (None, loop):
            await deployment.call(loop, what, number)
    return deployment


@given(calls)
def test_a_loop_among_others_is_as_if_alone(made):
    async def compare():
        together = await lived(made)
        for loop in LOOPS:
            alone = await lived(made, only=loop)
            assert await together.picture(loop) == await alone.picture(loop)

    asyncio.run(compare())
