"""What training costs an event, part by part, with Azure's stores on an emulator and in memory.

The trainer is the real one, on a clock that is set; its parts are timed where it calls them, in
processor time of this process, all threads. Each event has a Rank and a Reward row.
"""

import asyncio
import gc
import gzip
import itertools
import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import psutil
from azure.data.tables.aio import TableServiceClient

from benchmarks.load import SERVED, rank_bodies
from devserver.azurite import Azurite
from shared import wiring
from shared.contract.rank import parse_rank
from shared.events.observation import Observation
from shared.learner.learner import Learner
from shared.services import train
from shared.services.append import Writing
from shared.services.loop_state import LoopDefaults, Loops
from shared.services.metrics_store import MetricsStore
from shared.services.ports import Clock, EventSpace
from shared.services.rank import decide
from shared.settings import Settings
from shared.storage.azure_tables import INTERACTIONS
from shared.storage.event_codec import partition_key, table_name
from shared.storage.memory import InMemoryBlobStore, InMemoryEventStore
from shared.wiring import Stores

SIZES = (5, 10, 50)
EVENTS = 3000
SPAN = timedelta(minutes=5)
"""In which the events happen: five buckets, taken in one or two steps."""

FLOW = 18_000
FLOWING = timedelta(minutes=60)
SETTLED = timedelta(minutes=40)
"""Events that come evenly for an hour; from when on training them is measured."""

START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
WRITING = Writing()
PARTS = ("reading", "joining", "logging", "learning", "counting", "committing")
ROUNDS = 5


def figures() -> Iterator[dict[str, Any]]:
    """Yield all figures of this module."""
    emulator = Azurite(None)
    try:
        for actions in SIZES:
            yield asyncio.run(_training(actions, None))
            yield asyncio.run(_training(actions, emulator))
        rows = asyncio.run(_reading(emulator))
    finally:
        emulator.stop()
    yield rows
    for bucket_seconds in (60, 300):
        yield asyncio.run(_flowing(bucket_seconds, rows))


async def _training(actions: int, emulator: Azurite | None) -> dict[str, Any]:
    """Train a loop on events that are all closed, and say where the time went."""
    loop = f"c{uuid.uuid4().hex[:12]}"
    now = START
    async with _stores(emulator) as stores:
        service, space, wait = await _trainer(stores, loop, lambda: now, LoopDefaults())
        await _store_events(stores, space, actions)
        now = START + SPAN + wait + WRITING.grace + timedelta(minutes=1)
        gc.freeze()  # or collections walk all that is stored in memory, and parts pay for it
        spent: dict[str, float] = defaultdict(float)
        watched = psutil.Process(emulator.child.process.pid) if emulator else None
        before, other = psutil.Process().memory_info().rss, _used(watched)
        begun, cpu = time.perf_counter(), time.process_time()
        with _timed(stores, spent):
            report = await service.train()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - begun
        assert report.learned == EVENTS, report
    micro = {part: round(spent[part] / EVENTS * 1e6, 1) for part in PARTS}
    return {
        "figure": f"training, {actions} actions, {'on the emulator' if emulator else 'in memory'}",
        "parts_us": micro,
        "rest_us": round(cpu / EVENTS * 1e6 - sum(micro.values()), 1),
        "total_us": round(cpu / EVENTS * 1e6, 1),
        "events_per_s_and_core": round(EVENTS / cpu),
        "events_per_s_by_the_clock": round(EVENTS / wall),
        "steps": report.steps,
        "emulator_us": round((_used(watched) - other) / EVENTS * 1e6, 1) if watched else None,
        "growth_mib": round((psutil.Process().memory_info().rss - before) / 2**20, 1),
    }


async def _trainer(
    stores: Stores, loop: str, clock: Clock, defaults: LoopDefaults
) -> tuple[train.TrainService, EventSpace, timedelta]:
    """Return what trains a new loop, where its events go, and the reward wait."""
    loops = Loops(stores.blobs, clock, lambda: uuid.uuid4().hex, defaults)
    await loops.create(loop, epoch=0)
    state, _ = await loops.state(loop)
    settings, _ = await loops.settings(loop)
    service = train.TrainService(
        loop, loops, stores.blobs, stores.events, clock, WRITING,
        train.Training(), MetricsStore(stores.blobs),
    )  # fmt: skip
    return service, state.space(loop), settings.rewards.wait


async def _flowing(bucket_seconds: int, rows: dict[str, Any]) -> dict[str, Any]:
    """Train every minute while events come, so that a step reads again what earlier ones read.

    Reading is not timed, since the stores are in memory: it is the rows that were asked for, at
    what each kind costs on the emulator.
    """
    now = START
    stores = Stores(InMemoryBlobStore(), InMemoryEventStore())
    defaults = LoopDefaults(bucket_seconds=bucket_seconds)
    service, space, _ = await _trainer(stores, "default", lambda: now, defaults)
    await _store_events(stores, space, 5, FLOW, FLOWING)
    gc.freeze()  # or collections walk all that is stored in memory, and parts pay for it
    spent: dict[str, float] = defaultdict(float)
    read: dict[str, int] = defaultdict(int)
    learned = steps = 0
    with _timed(stores, spent), _counted(stores, read):
        while now < START + FLOWING:
            now += timedelta(minutes=1)
            if now == START + SETTLED:
                spent.clear()
                read.clear()
                learned = steps = 0
            report = await service.train()
            learned, steps = learned + report.learned, steps + report.steps
    read["interactions"] -= read["ranked_events"]  # in memory, these are read through those
    costs = {
        "interactions": rows["ours_us"],
        "observations": rows["observation_us"],
        "ranked_events": rows["ranked_event_us"],
    }
    micro = {part: round(spent[part] / learned * 1e6, 1) for part in PARTS}
    micro["reading"] = round(sum(read[kind] * cost for kind, cost in costs.items()) / learned, 1)
    total = sum(micro.values())
    return {
        "figure": f"training as events come, 5 actions, buckets of {bucket_seconds} s",
        "rows_read_per_event": {kind: round(count / learned, 1) for kind, count in read.items()},
        "parts_us": micro,
        "total_us": round(total, 1),
        "events_per_s_and_core": round(1e6 / total),
        "steps": steps,
    }


def _counted(stores: Stores, read: dict[str, int]) -> AbstractContextManager[Any]:
    """Add up how many rows the trainer asks for while this is open."""
    stack = ExitStack()
    for name in ("interactions", "observations", "ranked_events"):
        original = getattr(stores.events, name)

        async def counted(*args: Any, _of: Any = original, _name: str = name) -> Any:
            found = await _of(*args)
            read[_name] += len(found)
            return found

        stack.enter_context(patch.object(stores.events, name, counted))
    return stack


async def _reading(emulator: Azurite) -> dict[str, Any]:
    """Measure what a row costs this process, beside the table client that leaves it undecoded."""
    space = EventSpace(f"c{uuid.uuid4().hex[:12]}", 0, 8, 60)
    start = space.bucket(START)
    end = start + 2 * int(SPAN.total_seconds())
    table = table_name(INTERACTIONS, space, start)
    used: dict[str, list[float]] = defaultdict(list)
    async with (
        _stores(emulator) as stores,
        TableServiceClient.from_connection_string(emulator.connection_string) as client,
    ):
        await _store_events(stores, space, 5)

        async def query() -> list[dict[str, Any]]:
            conditions = (
                f"PartitionKey ge '{partition_key(shard, start)}' "
                f"and PartitionKey lt '{partition_key(shard, end)}'"
                for shard in range(space.shards)
            )
            parts = await asyncio.gather(*(_entities(client, table, each) for each in conditions))
            return [entity for part in parts for entity in part]

        ways: dict[str, Callable[[], Awaitable[Sequence[Any]]]] = {
            "interactions": lambda: stores.events.interactions(space, start, end),
            "observations": lambda: stores.events.observations(space, start, end),
            "ranked_events": lambda: stores.events.ranked_events(space, start, end),
            "client": query,
        }
        for name in ROUNDS * tuple(ways):
            begun = time.process_time()
            found = await ways[name]()
            used[name].append(time.process_time() - begun)
            assert len(found) == EVENTS
    micro = {name: statistics.median(times) / EVENTS * 1e6 for name, times in used.items()}
    return {
        "figure": "reading an interaction's row, decoded",
        "peer": "azure-data-tables, query_entities, not decoded",
        "ours_us": round(micro["interactions"], 1),
        "observation_us": round(micro["observations"], 1),
        "ranked_event_us": round(micro["ranked_events"], 1),
        "peer_us": round(micro["client"], 1),
        "ratio": round(micro["client"] / micro["interactions"], 2),
        "ratio_is": "CPU time of the client to that of ours",
    }


async def _entities(client: TableServiceClient, table: str, where: str) -> list[dict[str, Any]]:
    return [dict(entity) async for entity in client.get_table_client(table).query_entities(where)]


async def _store_events(
    stores: Stores,
    space: EventSpace,
    actions: int,
    events: int = EVENTS,
    span: timedelta = SPAN,
) -> None:
    """Store events, evenly spread from the start, and a Reward a minute after each."""
    await stores.events.prepare(space, START)
    requests = itertools.cycle([parse_rank(body) for body in rank_bodies(actions)])
    numbers = iter(range(events))

    async def store() -> None:
        for number in numbers:
            at = START + number / events * span
            event = decide(next(requests), SERVED, at)
            await stores.events.add_interaction(space, space.bucket(at), event)
            later = at + timedelta(minutes=1)
            seen = Observation(event.event_id, f"{number:013d}.{number:08x}", later, number % 2)
            await stores.events.add_observation(space, space.bucket(later), seen)

    await asyncio.gather(*(store() for _ in range(16)))


def _timed(stores: Stores, spent: dict[str, float]) -> AbstractContextManager[Any]:
    """Add up what the trainer's calls take while this is open."""
    reading = [(stores.events, n) for n in ("interactions", "observations", "ranked_events")]
    written = [(stores.blobs, n) for n in ("put", "create", "replace", "load")]
    stack = ExitStack()
    for part, owner, name in (
        *(("reading", *each) for each in reading),
        *(("committing", *each) for each in written),
        ("joining", train, "join"),
        ("logging", train, "encode_lines"),
        ("logging", gzip, "compress"),
        ("learning", Learner, "learn_many"),
        ("counting", train, "count"),
        ("committing", train, "dumps"),
    ):
        stack.enter_context(patch.object(owner, name, _watch(getattr(owner, name), spent, part)))
    return stack


def _watch(function: Callable[..., Any], spent: dict[str, float], part: str) -> Callable[..., Any]:
    if asyncio.iscoroutinefunction(function):

        async def timed_later(*args: Any, **options: Any) -> Any:
            begun = time.process_time()
            try:
                return await function(*args, **options)
            finally:
                spent[part] += time.process_time() - begun

        return timed_later

    def timed(*args: Any, **options: Any) -> Any:
        begun = time.process_time()
        try:
            return function(*args, **options)
        finally:
            spent[part] += time.process_time() - begun

    return timed


@asynccontextmanager
async def _stores(emulator: Azurite | None) -> AsyncIterator[Stores]:
    if emulator is None:
        yield Stores(InMemoryBlobStore(), InMemoryEventStore())
        return
    environ = {"PERSONALIZER_KEY_1": "k" * 16, "DATA_STORAGE": emulator.connection_string}
    async with wiring.azure_stores(Settings.from_environ(environ)) as stores:
        yield stores


def _used(process: psutil.Process | None) -> float:
    return sum(process.cpu_times()[:2]) if process else 0.0
