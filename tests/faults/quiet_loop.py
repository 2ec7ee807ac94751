"""A loop on real storage that only its test works on, in this process, with a clock of its own."""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from shared import wiring
from shared.events.rewards import RewardSettings
from shared.services.loop_state import LoopState, model_name
from shared.services.rank_request import Action, RankRequest
from shared.settings import Settings
from tests.faults.ledger import Entry

ACTIONS = tuple(Action(name, b'[{"kind":"%b"}]' % name.encode()) for name in "abc")
WAIT = timedelta(seconds=1)
CLOSED_AFTER = 1 + 2 + 1.5
"""Seconds until an event can be learned: the wait, the write deadline, and a bucket."""


class QuietLoop:
    """A loop without processes.

    Attributes:
        name: Of the loop; no timer knows it.
        ahead: By how much its clock is ahead of the true one.
        stores: Where it is kept.
        entries: What was acknowledged.
    """

    def __init__(self, settings: Settings, stores: wiring.Stores) -> None:
        """Begin in ``stores``."""
        self.name = f"q{uuid.uuid4().hex[:12]}"
        self.ahead = timedelta(0)
        self.stores = stores
        self.entries: list[Entry] = []
        self._settings = settings

    def app(self) -> wiring.Application:
        """Return its services, as another process would build them."""
        with patch.object(wiring, "now", self.now):
            return wiring.build(self._settings, self.stores, self.name)

    def now(self) -> datetime:
        """Return the time of its clock."""
        return datetime.now(UTC) + self.ahead

    async def live(self, events: int, prefix: str) -> None:
        """Rank and reward events over two or more buckets, and let them close."""
        app = self.app()
        rng = random.Random(prefix)
        for number in range(events):
            name = f"{prefix}{number}"
            asked = time.time()
            request = RankRequest(name, b'[{"os":"%d"}]' % rng.randrange(3), ACTIONS)
            decided = await app.rank.rank(request)
            ranked = time.time()
            value = float(decided.chosen == 1)
            await app.reward.reward(name, value)
            action = decided.actions[decided.chosen]
            self.entries += [
                Entry("rank", name, asked, ranked, 1, action, decided.propensity),
                Entry("reward", name, ranked, time.time(), 1, value=value),
            ]
            await asyncio.sleep(0.02)
        await app.reader.close()
        await asyncio.sleep(CLOSED_AFTER)

    async def train(self) -> None:
        """Train until nothing is left."""
        while (await self.app().train.train()).outcome == "trained":
            pass

    async def state(self) -> LoopState:
        """Return its state."""
        return (await self.app().loops.state(self.name))[0]

    async def model(self) -> bytes:
        """Return the newest model."""
        version = (await self.state()).trained.version
        return (await self.stores.blobs.load(model_name(self.name, version))).data


@asynccontextmanager
async def quiet_loop(environ: Mapping[str, str], **changes: Any) -> AsyncIterator[QuietLoop]:
    """Make a loop with changed settings."""
    settings = Settings.from_environ(environ)
    async with wiring.azure_stores(settings) as stores:
        loop = QuietLoop(settings, stores)
        loops = loop.app().loops
        await loops.create(loop.name, 0)
        await loops.change_settings(
            loop.name, lambda s: replace(s, rewards=RewardSettings(WAIT), **changes)
        )
        yield loop
