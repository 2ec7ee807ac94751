"""``python -m benchmarks.load``: what Rank and Reward reach over HTTP, and whether that is enough.

The peer is a bare insert: the same rows through the same ``TableInserts``, from this process,
without our app. App and peer take turns, so that a machine that does other work disturbs both; a
figure is the median of its turns. At half load, calls are due on a fixed schedule.
"""

import asyncio
import itertools
import json
import os
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables.aio import TableServiceClient

from benchmarks.http_load import (
    Call,
    CallFailed,
    Client,
    Runner,
    connected,
    on_schedule,
    percentile,
    saturate,
)
from benchmarks.log import catalogue, context, text
from devserver.app import LocalApp
from shared import wiring
from shared.contract.rank import parse_rank
from shared.events.event_ids import new_event_id, shard_of, storage_key
from shared.events.observation import Observation
from shared.services.loop_settings import LoopSettings
from shared.services.loop_state import LoopState
from shared.services.ports import EventSpace, StorageError
from shared.services.rank import decide
from shared.services.serving import ServedLoop
from shared.storage.azure_tables import INTERACTIONS, OBSERVATIONS
from shared.storage.event_codec import (
    interaction_row,
    observation_row,
    partition_key,
    table_name,
)
from shared.storage.table_account import SharedKey, TableAccount, open_session
from shared.storage.table_inserts import TableInserts

LEAST_RATIO = 0.70
"""Of a Rank's throughput to that of the bare insert of its row."""

MOST_SPREAD = 4.0
"""Of the 99th to the 50th percentile of latency at half load."""

REWARD = b'{"value": 0.5}'
CONTEXTS = 200
WARM_UP = 300
SERVED = ServedLoop(
    space=EventSpace("default", epoch=0, shards=8, bucket_seconds=60),
    settings=LoopSettings("0" * 32, datetime(2026, 1, 1, tzinfo=UTC)),
    state=LoopState(epoch=0, shards=8, bucket_seconds=60, cursor=0),
    policy=None,
    model_version="",
)
"""Decides what the bare insert stores."""

SERVICE_CONFIGURATION = {
    "rewardWaitTime": "PT1S",
    "defaultReward": 0.0,
    "rewardAggregation": "earliest",
    "explorationPercentage": 0.2,
    "modelExportFrequency": "PT1S",
    "logRetentionDays": 90,
}
ENVIRONMENT = {
    "TRAIN_SCHEDULE": "0 0 0 1 1 *",  # trained once, on demand, before anything is measured
    "BUCKET_SECONDS": "1",
    "WRITE_DEADLINE_SECONDS": "2",
    "CLOCK_SKEW_SECONDS": "0",
    "MODEL_POLL_SECONDS": "2",
}


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured.

    Attributes:
        connections: Kept open, and used all at once.
        actions: Of a Rank; 0 for a Reward.
    """

    connections: int
    actions: int

    @property
    def name(self) -> str:
        """What it is called in the output."""
        called = f"Rank of {self.actions} actions" if self.actions else "Reward"
        return f"{called}, durable, {self.connections} connections"


CASES = tuple(Case(connections, actions) for actions in (5, 50, 0) for connections in (16, 64))


@dataclass(frozen=True, slots=True)
class Turns:
    """How long is measured: about ``turns`` times four times ``seconds`` for each case."""

    turns: int = 4
    seconds: float = 2.0


def figures(
    app: LocalApp, cases: Sequence[Case] = CASES, turns: Turns = Turns()
) -> Iterator[dict[str, Any]]:
    """Yield a figure for each case, measured on a running app whose trainer is left alone."""
    with Runner() as runner:
        runner.run(_prepare(app))
        for case in cases:
            try:
                yield runner.run(_measure(app, case, turns))
            except (CallFailed, StorageError) as exc:
                yield {"figure": case.name, "kept": False, "broken": [str(exc)]}


def broken_promises(ratio: float, p50: float, p99: float) -> list[str]:
    """Return which promises a case breaks, in words.

    Args:
        ratio: Of the throughput to that of the bare insert.
        p50: Latency at half load that half of the calls stay below.
        p99: Likewise, 99 of 100 calls.
    """
    broken = []
    if ratio < LEAST_RATIO:
        broken.append(f"throughput is {ratio:.2f} of the bare insert's, below {LEAST_RATIO:.2f}")
    if p99 >= MOST_SPREAD * p50:
        broken.append(f"p99 is {p99 / p50:.1f} times p50, not below {MOST_SPREAD:g}")
    return broken


async def _measure(app: LocalApp, case: Case, turns: Turns) -> dict[str, Any]:
    with _connected(app, case.connections) as client:
        async with _bare_insert(app, case) as insert:
            call = _rank(client, case.actions) if case.actions else _reward(client)
            return await _compare(case, call, insert, turns)


async def _compare(case: Case, call: Call, insert: Call, turns: Turns) -> dict[str, Any]:
    pairs = []
    for _ in range(turns.turns):
        ours = await saturate(call, case.connections, turns.seconds)
        pairs.append((ours, await saturate(insert, case.connections, turns.seconds)))
    rate, peer_rate = (statistics.median(column) for column in zip(*pairs, strict=True))
    half, peer_half = [], []
    for _ in range(turns.turns):
        half.append(await on_schedule(call, case.connections, turns.seconds, rate / 2))
        peer_half.append(await on_schedule(insert, case.connections, turns.seconds, rate / 2))
    ratio = statistics.median(ours / peer for ours, peer in pairs)
    p50, p99 = _percentiles(half)
    peer_p50, peer_p99 = _percentiles(peer_half)
    broken = broken_promises(ratio, p50, p99)
    return {
        "figure": case.name,
        "peer": "a bare insert of the same row",
        "per_s": round(rate),
        "peer_per_s": round(peer_rate),
        "ratio": round(ratio, 2),
        "ratio_is": "throughput to that of the bare insert; load and emulator share the cores",
        "least_ratio": LEAST_RATIO,
        "half_load_per_s": round(rate / 2),
        "p50_ms": round(p50 * 1e3, 2),
        "p99_ms": round(p99 * 1e3, 2),
        "p99_to_p50": round(p99 / p50, 1),
        "most_p99_to_p50": MOST_SPREAD,
        "peer_p50_ms": round(peer_p50 * 1e3, 2),
        "peer_p99_ms": round(peer_p99 * 1e3, 2),
        "machine_load": round(os.getloadavg()[0], 1),
        "kept": not broken,
        "broken": broken,
    }


def _percentiles(turns: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return p50 and p99: the medians over turns, so that one disturbed turn does not decide."""
    return (
        statistics.median(percentile(turn, 0.5) for turn in turns),
        statistics.median(percentile(turn, 0.99) for turn in turns),
    )


def _connected(app: LocalApp, connections: int) -> AbstractContextManager[Client]:
    return connected(app.url, {"Ocp-Apim-Subscription-Key": app.key}, connections)


def rank_bodies(actions: int) -> list[bytes]:
    """Return Rank calls over a fixed catalogue of so many actions, each in another context."""
    rng = random.Random(actions)
    offered = [{"id": each["_tag"], "features": each["j"]} for each in catalogue(actions, 1)]
    return [text({"contextFeatures": context(rng), "actions": offered}) for _ in range(CONTEXTS)]


def _rank(client: Client, actions: int) -> Call:
    bodies = itertools.cycle(rank_bodies(actions))

    async def rank(worker: int) -> None:
        await client.post(worker, "personalizer/v1.0/rank", next(bodies), 201)

    return rank


def _reward(client: Client) -> Call:
    async def reward(worker: int) -> None:
        path = f"personalizer/v1.0/events/{new_event_id()}/reward"
        await client.post(worker, path, REWARD, 204)

    return reward


@asynccontextmanager
async def _bare_insert(app: LocalApp, case: Case) -> AsyncIterator[Call]:
    """Insert the very row that the call stores into a table of its own, each under keys of its own.

    Partitions follow the clock as the app's do: the emulator looks through a partition's rows for
    every insert.
    """
    space, now = EventSpace("bench", 0, 8, int(ENVIRONMENT["BUCKET_SECONDS"])), wiring.now()
    bucket = space.bucket(now)
    if case.actions:
        decision = decide(parse_rank(rank_bodies(case.actions)[0]), SERVED, now)
        row, kind = interaction_row(space, bucket, decision), INTERACTIONS
    else:
        seen = Observation(new_event_id(), f"{0:013d}.{0:08x}", now, 0.5)
        row, kind = observation_row(space, bucket, seen), OBSERVATIONS
    table = table_name(kind, space, bucket)
    async with (
        TableServiceClient.from_connection_string(app.storage) as client,
        open_session() as session,
    ):
        credential = client.credential
        assert isinstance(credential, AzureNamedKeyCredential)
        key = SharedKey(credential.named_key.name, credential.named_key.key)
        inserts = TableInserts(TableAccount(session, client.url, key))
        await client.create_table_if_not_exists(table)

        async def insert(_: int) -> None:
            event_id = new_event_id()
            keys = {
                "PartitionKey": partition_key(
                    shard_of(event_id, space.shards), space.bucket(wiring.now())
                ),
                "RowKey": storage_key(event_id),
            }
            assert await inserts.insert(table, row | keys)

        yield insert
        await client.delete_table(table)


async def _prepare(app: LocalApp) -> None:
    """Publish a model, so that Rank has one to decide with."""
    with _connected(app, 1) as client:
        await client.send(
            0, "PUT", "personalizer/v1.0/configurations/service", text(SERVICE_CONFIGURATION), 200
        )
        await asyncio.sleep(1)  # settings of the past are learned in a bucket of their own
        for body, _ in zip(itertools.cycle(rank_bodies(5)), range(WARM_UP), strict=False):
            ranked = json.loads(await client.post(0, "personalizer/v1.0/rank", body, 201))
            path = f"personalizer/v1.0/events/{ranked['eventId']}/reward"
            await client.post(0, path, REWARD, 204)
        deadline = time.monotonic() + 60
        while not json.loads(await client.send(0, "GET", "health", b"", 200))["model"]["version"]:
            if time.monotonic() > deadline:
                raise CallFailed("no model was published within a minute")
            await client.post(0, "loops/default/train", b"", 200)
            await asyncio.sleep(1)


def report(figures: Iterable[dict[str, Any]]) -> int:
    """Print a line for each figure; return the exit code, 1 if one of them breaks a promise."""
    kept = True
    for figure in figures:
        print(json.dumps(figure), flush=True)
        kept = kept and figure["kept"]
    return 0 if kept else 1


def main() -> int:
    """Measure an app of its own."""
    with LocalApp({**os.environ, **ENVIRONMENT}) as app:
        return report(figures(app))


if __name__ == "__main__":
    sys.exit(main())
