"""What an undisturbed training makes of the events that are stored."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from shared import wiring
from shared.services.append import Writing
from shared.services.loop_state import Counters, LoopDefaults, Loops, LoopState, model_name
from shared.services.metrics_store import DAY, MetricsStore
from shared.services.ports import BlobStore
from shared.services.train import TrainService
from shared.settings import Settings
from shared.storage.memory import InMemoryBlobStore


@dataclass(frozen=True, slots=True)
class Outcome:
    """What training has come to.

    Attributes:
        state: Of the loop.
        model: The newest one's bytes.
        counters: Of the loop.
        metrics: Rows of two days at each width, without what training says of itself.
    """

    state: LoopState
    model: bytes | None
    counters: Counters
    metrics: list[Any]

    @property
    def compared(self) -> tuple[bytes | None, Counters, list[Any]]:
        """What must be equal."""
        return self.model, self.counters, self.metrics


async def found(settings: Settings, stores: wiring.Stores, loop: str) -> Outcome:
    """Return what the app's own training has come to."""
    state, _ = await wiring.build(settings, stores, loop).loops.state(loop)
    return await _outcome(stores.blobs, state, loop)


async def undisturbed(settings: Settings, stores: wiring.Stores, loop: str, until: int) -> Outcome:
    """Train on the events in ``stores`` under the loop's present settings, with blobs of its own.

    It begins before any test has, and ends with the bucket before ``until``.
    """
    wanted, _ = await wiring.build(settings, stores, loop).loops.settings(loop)
    blobs = InMemoryBlobStore()
    defaults = LoopDefaults(settings.shards, settings.bucket_seconds, timedelta(hours=3))
    writing = Writing(settings.write_deadline, settings.clock_skew)
    closed = datetime.fromtimestamp(until, UTC) + wanted.rewards.wait + writing.grace

    def clock() -> datetime:
        return closed

    quiet = Loops(blobs, clock, lambda: "app", defaults)
    await quiet.create(loop, epoch=0)
    await quiet.change_settings(loop, lambda _: wanted)
    trainer = TrainService(loop, quiet, blobs, stores.events, clock, writing)
    while (await trainer.train()).outcome == "trained":
        pass
    state, _ = await quiet.state(loop)
    return await _outcome(blobs, state, loop)


async def _outcome(blobs: BlobStore, state: LoopState, loop: str) -> Outcome:
    model = await blobs.load(model_name(loop, state.trained.version)) if state.trained else None
    return Outcome(state, model and model.data, state.counters, await _metrics(blobs, state, loop))


async def _metrics(blobs: BlobStore, state: LoopState, loop: str) -> list[Any]:
    store = MetricsStore(blobs)
    today = int(wiring.now().timestamp()) // DAY * DAY
    return [
        (level.width, slot, _rounded(msgspec.to_builtins(replace(row, steps=0, seconds=0, lag=0))))
        for level in store.levels
        for slot, row in await store.rows(state.space(loop), level, today - DAY, today + DAY)
    ]


def _rounded(member: Any) -> Any:
    """Return a member of a row without the last digits of sums: they depend on the cuts."""
    if isinstance(member, dict):
        return {name: _rounded(value) for name, value in member.items()}
    if isinstance(member, list):
        return sorted(map(_rounded, member))
    return round(member, 6) if isinstance(member, float) else member
