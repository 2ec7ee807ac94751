"""``make faults``: battles until there were enough events, kills and minutes.

EVENTS, KILLS and MINUTES in the environment say how much is enough, SEED how chance goes. Prints
one JSON line per figure; the exit code is 1 if a promise was broken. Ledgers are kept in
``artifacts/faults``.
"""

import json
import math
import os
import shutil
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tests.faults.battle import Orders, Report, fight
from tests.faults.proxy import EVERYTHING

FOLDER = Path("artifacts/faults")
ROUND_SECONDS = 290.0

OUTAGES = (
    *["refuse", "hang", "swallow_answers"] * 2,
    *["throttle", "drop_connections"] * 3,
    *["change_policy", "damage_model"] * 2,
    "damage_state",
    "lose_state",
)
KILLS = (*["kill_rank"] * 7, "kill_trainer", "kill_trainers_at_a_write")
KILLED = 10
"""Processes that these kill."""


@dataclass(slots=True)
class Total:
    """What all rounds came to."""

    seconds: float = 0.0
    requests: int = 0
    kills: int = 0
    gave_up: int = 0
    found: Counter[str] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)

    def add(self, report: Report) -> None:
        """Add a round."""
        self.seconds += report.seconds
        self.requests += report.requests
        self.kills += report.kills
        self.gave_up += report.seen.gave_up
        self.found.update(asdict(report.verdict))
        self.moves.update(report.moves)
        self.injected.update(report.injected)
        self.refusals.update(report.seen.refusals)
        self.latencies += report.seen.latencies
        self.broken.update(report.verdict.broken)


def orders(number: int, events: int, kills: int, minutes: float, seed: int) -> Orders:
    """Return the orders of a round.

    The first is a quiet one, whose emulator keeps its data on disk, is restarted, and is away for a
    minute and more.
    """
    first = Orders(
        seed=seed,
        rate=30,
        seconds=60,
        wait=20,
        plan=EVERYTHING,
        moves=["restart_storage", "restart_storage", "kill_rank", "kill_trainer", "refuse"],
        longest_away=120,
        on_disk=True,
        catch_up=240,
    )
    if number == 0:
        return first
    share = ROUND_SECONDS / (60 * minutes)
    return replace(
        first,
        seed=seed + number,
        rate=1.2 * events / (60 * minutes),
        seconds=ROUND_SECONDS,
        moves=[*OUTAGES, *KILLS * math.ceil(1.1 * kills * share / KILLED)],
        longest_away=10,
        on_disk=False,
        schedule="*/15 * * * * *",  # a step reads several minutes of rows
    )


def main() -> int:
    """Fight; return the exit code."""
    events = int(os.environ.get("EVENTS", "200000"))
    kills = int(os.environ.get("KILLS", "300"))
    minutes = float(os.environ.get("MINUTES", "30"))
    seed = int(os.environ.get("SEED", "1"))
    total, number = Total(), 0
    while total.found["learned"] < events or total.kills < kills or total.seconds < 60 * minutes:
        folder = FOLDER / f"{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        began = time.monotonic()
        report = fight(orders(number, events, kills, minutes, seed), folder)
        total.add(report)
        shutil.rmtree(folder / "azurite", ignore_errors=True)
        tell(
            "round",
            number,
            took_seconds=round(time.monotonic() - began),
            traffic_seconds=round(report.seconds),
            kills=report.kills,
            faults=report.injected.total(),
            refusals=report.seen.refusals,
            **asdict(report.verdict),
        )
        number += 1
    finish(total)
    return 1 if total.broken else 0


def finish(total: Total) -> None:
    """Print all figures."""
    tell("minutes of traffic", round(total.seconds / 60, 1))
    tell("events", total.found["learned"])
    tell("kills", total.kills)
    tell("requests to storage", total.requests)
    for name, count in sorted(total.injected.items()):
        tell("faults injected", count, kind=name)
    for name, count in sorted(total.moves.items()):
        tell("moves", count, kind=name)
    for name, count in total.found.items():
        tell(name.replace("_", " "), count)
    for status, count in sorted(total.refusals.items()):
        tell("refusals seen by callers", count, status=status)
    tell("calls given up by callers", total.gave_up)
    ordered = sorted(total.latencies)
    for share in (50, 99):
        milliseconds = 1000 * ordered[len(ordered) * share // 100]
        tell(f"p{share} of acknowledged calls", round(milliseconds, 1), unit="ms")
    tell("broken promises", sum(total.broken.values()), **total.broken)


def tell(figure: str, value: float, **more: object) -> None:
    """Print a figure."""
    sys.stdout.write(json.dumps({"figure": figure, "value": value, **more}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
