"""What an insert and a start of the app cost; ``benchmarks.load`` measures whole calls."""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import psutil
from azure.data.tables.aio import TableServiceClient

from benchmarks.learner import bytecode
from benchmarks.load import SERVED, rank_bodies
from benchmarks.log import text
from devserver.azurite import Azurite
from shared import wiring
from shared.contract.rank import parse_rank
from shared.events.event_ids import new_event_id
from shared.events.interaction import Interaction
from shared.services.ports import EventSpace
from shared.services.rank import decide
from shared.settings import Settings
from shared.storage import event_codec
from shared.storage.azure_tables import INTERACTIONS
from shared.storage.event_codec import interaction_row, table_name

INSERTS = 500
COMPRESSION_TURNS = 3
BODY = text(
    {
        "contextFeatures": [{"os": "linux", "hour": 7, "member": True}],
        "actions": [{"id": f"a{i}", "features": [{"topic": f"t{i}"}]} for i in range(5)],
    }
)


def figures() -> Iterator[dict[str, Any]]:
    """Yield all figures of this module."""
    yield start_up()
    emulator = Azurite(None)
    try:
        yield asyncio.run(_insert(emulator.connection_string))
        for actions in (5, 50):
            yield asyncio.run(_compressed(emulator, actions))
    finally:
        emulator.stop()


async def _insert(storage: str) -> dict[str, Any]:
    """Measure what an insert costs this process, beside the table client's."""
    settings = Settings.from_environ({"PERSONALIZER_KEY_1": "k" * 16, "DATA_STORAGE": storage})
    space, now = EventSpace("bench", 1, 8, 60), wiring.now()
    bucket = space.bucket(now)
    used: dict[str, list[float]] = {"ours": [], "client": []}
    async with (
        wiring.azure_stores(settings) as stores,
        TableServiceClient.from_connection_string(storage) as client,
    ):
        await stores.events.prepare(space, now)
        table = client.get_table_client(table_name(INTERACTIONS, space, bucket))
        for number in range(2 * INSERTS):
            event = Interaction(f"{number}", now, BODY, ("a",) * 5, (0, 1, 2, 3, 4), (0.2,) * 5)
            which = ("ours", "client")[number % 2]
            begun = time.process_time()
            if which == "ours":
                await stores.events.add_interaction(space, bucket, event)
            else:
                await table.create_entity(interaction_row(space, bucket, event))
            used[which].append(time.process_time() - begun)
    ours, peer = (statistics.median(times) for times in used.values())
    return {
        "figure": "insert of an event",
        "peer": "azure-data-tables, create_entity",
        "ours_us": round(ours * 1e6),
        "peer_us": round(peer * 1e6),
        "ratio": round(peer / ours, 2),
        "ratio_is": "CPU time of the client's insert to that of ours",
    }


async def _compressed(emulator: Azurite, actions: int) -> dict[str, Any]:
    """Measure an insert with its payload compressed beside one without, in turns."""
    environ = {"PERSONALIZER_KEY_1": "k" * 16, "DATA_STORAGE": emulator.connection_string}
    space, now = EventSpace("bench", 2, 8, 60), wiring.now()
    decision = decide(parse_rank(rank_bodies(actions)[0]), SERVED, now)
    watched = psutil.Process(emulator.child.process.pid)
    used: dict[int, list[tuple[float, float]]] = {0: [], 1 << 30: []}
    bytes_stored: dict[int, int] = {}
    async with wiring.azure_stores(Settings.from_environ(environ)) as stores:
        await stores.events.prepare(space, now)
        for _ in range(COMPRESSION_TURNS):
            for least, times in used.items():
                with patch.object(event_codec, "COMPRESS_FROM", least):
                    row = interaction_row(space, space.bucket(now), decision)
                    bytes_stored[least] = len(row["data0"])
                    begun = time.process_time(), sum(watched.cpu_times()[:2])
                    for _ in range(INSERTS):
                        event = replace(decision, event_id=new_event_id())
                        await stores.events.add_interaction(space, space.bucket(now), event)
                    ended = time.process_time(), sum(watched.cpu_times()[:2])
                times.append((ended[0] - begun[0], ended[1] - begun[1]))
    ours, plain = (
        [round(statistics.median(part) / INSERTS * 1e6) for part in zip(*times, strict=True)]
        for times in used.values()
    )
    return {
        "figure": f"insert of a compressed event of {actions} actions",
        "peer": "the same, not compressed",
        "ours_us": ours[0],
        "peer_us": plain[0],
        "ours_emulator_us": ours[1],
        "peer_emulator_us": plain[1],
        "ours_bytes": bytes_stored[0],
        "peer_bytes": bytes_stored[1 << 30],
        "ratio": round(sum(plain) / sum(ours), 2),
        "ratio_is": "CPU time without compression to that with it, app and emulator together",
    }


def start_up() -> dict[str, Any]:
    """Measure importing the whole app in a new process, beside Microsoft's package alone.

    Both have their bytecode, as an installed package has, and the zip that is deployed.
    """
    code = (
        "import time, psutil; t = time.perf_counter(); import {}; "
        "print(time.perf_counter() - t, psutil.Process().memory_info().rss)"
    )
    found = {}
    with bytecode() as environ:
        environ |= {"PERSONALIZER_KEY_1": "k" * 16, "DATA_STORAGE": "unused"}
        for module in ("azure.functions", "shared.learner.policy", "function_app"):
            runs = [
                subprocess.run(
                    [sys.executable, "-c", code.format(module)],
                    env=environ,
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout.split()
                for _ in range(6)
            ][1:]
            found[module] = (min(float(r[0]) for r in runs), min(int(r[1]) for r in runs))
    return {
        "figure": "cold import",
        "peer": "azure.functions alone",
        "app_ms": round(found["function_app"][0] * 1e3),
        "learner_ms": round(found["shared.learner.policy"][0] * 1e3),
        "peer_ms": round(found["azure.functions"][0] * 1e3),
        "app_mib": round(found["function_app"][1] / 2**20),
        "learner_mib": round(found["shared.learner.policy"][1] / 2**20),
        "ratio": round(found["function_app"][0] / found["azure.functions"][0], 2),
        "ratio_is": "import time of the app to that of its framework",
    }
