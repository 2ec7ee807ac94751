"""``python -m benchmarks.soak``: the whole app under a steady load, for an hour.

Calls come on a schedule: a Rank, and the Reward of an event ranked some seconds before, for
``SOAK_MINUTES``, at half of what the app was measured to take just before or of what the emulator
bears for so long, whichever is less (or at ``SOAK_RATE`` events a second). Every half minute a JSON
line says how large each process is and how far training is behind; the last line says whether all
promises were kept.
"""

import asyncio
import itertools
import json
import math
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import psutil

from benchmarks.http_load import (
    CallFailed,
    Client,
    Runner,
    connected,
    on_schedule,
    percentile,
    saturate,
)
from benchmarks.load import REWARD, SERVICE_CONFIGURATION, rank_bodies, report
from benchmarks.log import text
from devserver.app import LocalApp

MINUTES = 60.0
EVERY = 30.0
WORKERS = 16
ACTIONS = 5
CAPACITY_SECONDS = 20.0
REWARDED_AFTER = 3.0
DRAINED_WITHIN = 300.0
CONFIGURATION = {
    **SERVICE_CONFIGURATION,
    "rewardWaitTime": "PT10S",
    "modelExportFrequency": "PT15S",
}
MOST_GROWTH = 0.03
"""Of a process's memory over the second half, by a straight line through it; or LEAST_GROWTH."""

LEAST_GROWTH = 4.0
"""MiB that say nothing."""

MOST_LAG_RATIO = 1.5
"""Of the mean lag of the last quarter to that of the second."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the app.

    Attributes:
        minute: Since the load began.
        web_mib: Memory (resident set) of the process that answers calls.
        timer_mib: Of the process that trains, the trainer's own ones included.
        emulator_mib: Of the storage emulator, which keeps every row in memory.
        lag_s: Events that are not learned yet, in seconds of the load; the wait is part of it.
        late_events: See the health page; must stay 0.
        p50_ms: Latency of the Rank and the Reward together, from the moment they were due.
        p99_ms: Likewise.
        machine_load: Load average of one minute.
    """

    minute: float
    web_mib: float
    timer_mib: float
    emulator_mib: float
    lag_s: float
    late_events: int
    p50_ms: float
    p99_ms: float
    machine_load: float


def broken_promises(
    samples: Sequence[Sample], ranked: int, learned: int, failed: int = 0
) -> list[str]:
    """Return which promises are broken, in words.

    Args:
        samples: Evenly spaced, of the whole time.
        ranked: Events that were acknowledged.
        learned: Events that were closed when all of them should have been.
        failed: Calls that were not answered with success; their events may be stored or not.
    """
    half, quarter = len(samples) // 2, len(samples) // 4
    broken = []
    for name in ("web_mib", "timer_mib"):
        sizes = [getattr(sample, name) for sample in samples[half:]]
        grown = growth(sizes)
        if grown > max(LEAST_GROWTH, MOST_GROWTH * sizes[0]):
            broken.append(f"{name} grew by {grown:.1f} in the second half")
    before = float(np.mean([s.lag_s for s in samples[quarter:half]]))
    after = float(np.mean([s.lag_s for s in samples[-quarter:]]))
    if after > MOST_LAG_RATIO * before:
        broken.append(f"training was {after:.0f} s behind at the end, {before:.0f} s before")
    if late := max(sample.late_events for sample in samples):
        broken.append(f"{late} late events")
    if failed:
        broken.append(f"{failed} calls failed")
    if not ranked <= learned <= ranked + failed:
        broken.append(f"{ranked} events were acknowledged, {learned} closed")
    return broken


def emulator_limit(minutes: float) -> float:
    """Return the events a second with which the emulator is full at the end.

    It looks through all rows of a table for every page of 1,000 that the trainer reads, so its
    work grows with the rate squared and with time. At 90 events a second it was full after 20
    minutes; Azure finds a range by its keys.
    """
    return 90.0 * math.sqrt(20.0 / minutes)


def growth(sizes: Sequence[float]) -> float:
    """Return by how much a straight line through evenly spaced sizes rises over all of them."""
    slope, _ = np.polyfit(np.arange(len(sizes)), sizes, 1)
    return float(slope * (len(sizes) - 1))


class Visitors:
    """Ask for decisions, and reward those of a little while ago.

    Attributes:
        ranked: Events that were acknowledged.
        failed: Calls that were not answered with success.
        pending: How many events wait for their Reward.
    """

    def __init__(self, client: Client) -> None:
        """Visit through ``client``."""
        self.ranked = 0
        self.failed = 0
        self.pending = 0
        self._client = client
        self._bodies = itertools.cycle(rank_bodies(ACTIONS))
        self._events: deque[str] = deque()

    async def visit(self, worker: int) -> None:
        """Make one Rank and one Reward call; one that fails is counted."""
        try:
            await self._visit(worker)
        except CallFailed as exc:
            self.failed += 1
            print(json.dumps({"failed": str(exc)}), flush=True)

    async def _visit(self, worker: int) -> None:
        body = next(self._bodies)
        answer = await self._client.post(worker, "personalizer/v1.0/rank", body, 201)
        self.ranked += 1
        self._events.append(json.loads(answer)["eventId"])
        if len(self._events) > self.pending:
            path = f"personalizer/v1.0/events/{self._events.popleft()}/reward"
            await self._client.post(worker, path, REWARD, 204)


async def soak(app: LocalApp, minutes: float, rate: float | None) -> dict[str, Any]:
    """Load the app, print samples, and return what it came to."""
    headers = {"Ocp-Apim-Subscription-Key": app.key}
    with (
        connected(app.url, headers, WORKERS) as client,
        connected(app.url, headers, 1) as observer,
    ):
        path = "personalizer/v1.0/configurations/service"
        await observer.send(0, "PUT", path, text(CONFIGURATION), 200)
        visitors = Visitors(client)
        capacity = await saturate(visitors.visit, WORKERS, CAPACITY_SECONDS)
        rate = rate or min(capacity, emulator_limit(minutes)) / 2
        visitors.pending = int(REWARDED_AFTER * rate)
        samples: list[Sample] = []
        before = _processor_time(app)
        started = time.monotonic()
        for _ in range(max(4, round(60 * minutes / EVERY))):
            latencies = await on_schedule(visitors.visit, WORKERS, EVERY, rate)
            sample = await _sample(app, observer, visitors.ranked, rate, latencies, started)
            samples.append(sample)
            print(json.dumps(asdict(sample)), flush=True)
        seconds, after = time.monotonic() - started, _processor_time(app)
        learned = await _drained(observer, visitors.ranked)
    broken = broken_promises(samples, visitors.ranked, learned, visitors.failed)
    half = len(samples) // 2
    return {
        "figure": f"soak of {minutes:g} minutes",
        "events_per_s": round(rate, 1),
        "capacity_per_s": round(capacity, 1),
        "capacity_is": "Rank and Reward together, 16 connections, before the soak, same machine",
        "events": visitors.ranked,
        "closed": learned,
        "cores_used": {name: round((after[name] - before[name]) / seconds, 2) for name in after},
        "web_growth_mib": round(growth([s.web_mib for s in samples[half:]]), 1),
        "timer_growth_mib": round(growth([s.timer_mib for s in samples[half:]]), 1),
        "web_mib": samples[-1].web_mib,
        "timer_mib": samples[-1].timer_mib,
        "lag_s": round(float(np.mean([s.lag_s for s in samples[half:]])), 1),
        "kept": not broken,
        "broken": broken,
    }


async def _sample(
    app: LocalApp,
    observer: Client,
    ranked: int,
    rate: float,
    latencies: Sequence[float],
    started: float,
) -> Sample:
    health = json.loads(await observer.send(0, "GET", "health", b"", 200))
    web, timer, emulator = _processes(app)
    return Sample(
        minute=round((time.monotonic() - started) / 60, 1),
        web_mib=_size(web),
        timer_mib=_size(timer),
        emulator_mib=_size(emulator),
        lag_s=round((ranked - health["closedEvents"]) / rate, 1),
        late_events=health["lateEvents"],
        p50_ms=round(percentile(latencies, 0.5) * 1e3, 1),
        p99_ms=round(percentile(latencies, 0.99) * 1e3, 1),
        machine_load=round(os.getloadavg()[0], 1),
    )


async def _drained(observer: Client, ranked: int) -> int:
    """Return how many events are closed, once all are or it takes too long."""
    deadline = time.monotonic() + DRAINED_WITHIN
    while True:
        closed = json.loads(await observer.send(0, "GET", "health", b"", 200))["closedEvents"]
        if closed >= ranked or time.monotonic() > deadline:
            return int(closed)
        await asyncio.sleep(1)


def _processes(app: LocalApp) -> tuple[psutil.Process, psutil.Process, psutil.Process]:
    web, timer = (psutil.Process(child.process.pid) for child in app.children)
    if app.emulator is None:
        raise ValueError("the soak needs an emulator of its own")
    return web, timer, psutil.Process(app.emulator)


def _size(process: psutil.Process) -> float:
    """Return the resident size of a process and its children, in MiB."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return round(total / 2**20, 1)


def _processor_time(app: LocalApp) -> dict[str, float]:
    """Return the seconds of processor time that each process has used, its children included."""
    names = ("web", "timer", "emulator")
    processes = dict(zip(names, _processes(app), strict=True), load=psutil.Process())
    return {name: sum(process.cpu_times()[:4]) for name, process in processes.items()}


def main() -> int:
    """Soak an app of its own; return 1 if a promise is broken."""
    minutes = float(os.environ.get("SOAK_MINUTES") or MINUTES)
    rate = float(os.environ.get("SOAK_RATE") or 0) or None
    with LocalApp({**os.environ}) as app, Runner() as runner:
        return report([runner.run(soak(app, minutes, rate))])


if __name__ == "__main__":
    sys.exit(main())
