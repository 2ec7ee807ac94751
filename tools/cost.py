"""What an installation costs a month: ``python -m tools.cost FILE``.

The file holds your prices and your workload, since neither can be known here:
``{"prices": {...}, "workload": {...}}`` with the fields of ``Prices`` and ``Workload``. Prices are
those of your region's price list, in any currency. docs/operations.md has the formula.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

SECONDS_OF_MONTH = 730 * 3600
GB = 1e9

READS_OF_AN_EVENT = 0.05
"""Table operations for reading it back: a page holds 1,000 rows, and the windows in which repeated
ids and rewards are looked for make it come up some dozen times, at the default settings."""


@dataclass(frozen=True, slots=True)
class Prices:
    """One unit of each, as price lists have them.

    Attributes:
        executions: A million executions of functions, on demand.
        gb_seconds: One GB for one second, on demand.
        ready_gb_seconds: One GB of an always ready instance for one second.
        table_operations: 10,000 of any kind.
        blob_writes: 10,000, on the hot tier.
        blob_reads: 10,000, on the hot tier.
        table_gb: One GB in tables for a month.
        blob_gb: One GB in blobs for a month.
        telemetry_gb: One GB taken in by Log Analytics.
    """

    executions: float
    gb_seconds: float
    ready_gb_seconds: float
    table_operations: float
    blob_writes: float
    blob_reads: float
    table_gb: float
    blob_gb: float
    telemetry_gb: float


@dataclass(frozen=True, slots=True)
class Workload:
    """What one month brings.

    Attributes:
        events: Ranks.
        rewards: Rewards of one event.
        call_seconds: How long an instance takes for one call.
        calls_at_once: How many calls an instance serves side by side, on average; their time is
            paid once.
        memory_gb: Of an instance.
        event_bytes: Of one event's rows, its rewards included.
        log_bytes: Of one event in the compressed joined log.
        days: For which events are kept.
        loops: Loops.
        runs: Runs of the training timer.
        run_seconds: How long one takes when there is little to learn.
        shards: As set.
        awake_seconds: For which an instance is awake to serve calls.
        poll_seconds: As set.
        ready_instances: Always ready ones.
        telemetry_gb: Logs and metrics.
    """

    events: float
    rewards: float = 1.0
    call_seconds: float = 0.01
    calls_at_once: float = 1.0
    memory_gb: float = 2.0
    event_bytes: float = 1_500.0
    log_bytes: float = 500.0
    days: float = 90.0
    loops: float = 1.0
    runs: float = SECONDS_OF_MONTH / 60
    run_seconds: float = 2.0
    shards: float = 8.0
    awake_seconds: float = SECONDS_OF_MONTH
    poll_seconds: float = 5.0
    ready_instances: float = 0.0
    telemetry_gb: float = 1.0


def operations_of_a_run(shards: float) -> tuple[float, float, float]:
    """Return table operations, blob writes and blob reads of a step of training, as counted."""
    return 3 * shards + 4, 13, 13


def monthly(workload: Workload, prices: Prices) -> dict[str, float]:
    """Return the cost of each part; every one grows evenly with the events, or not at all."""
    work = workload
    calls = work.events * (1 + work.rewards)
    trainings = work.runs * work.loops
    tables, writes, reads = (trainings * n for n in operations_of_a_run(work.shards))
    tables += calls + READS_OF_AN_EVENT * work.events
    reads += 2 * work.loops * work.awake_seconds / work.poll_seconds
    busy = calls * work.call_seconds / work.calls_at_once + trainings * work.run_seconds
    kept = work.events * work.days / (SECONDS_OF_MONTH / 86_400) / GB
    ready = work.ready_instances * SECONDS_OF_MONTH
    return {
        "executions": (calls + work.runs) / 1e6 * prices.executions,
        "processing": busy * work.memory_gb * prices.gb_seconds,
        "always ready": ready * work.memory_gb * prices.ready_gb_seconds,
        "table operations": tables / 1e4 * prices.table_operations,
        "blob operations": (writes * prices.blob_writes + reads * prices.blob_reads) / 1e4,
        "events kept": kept * work.event_bytes * prices.table_gb,
        "log kept": kept * work.log_bytes * prices.blob_gb,
        "telemetry": work.telemetry_gb * prices.telemetry_gb,
    }


def million(workload: Workload, prices: Prices) -> float:
    """Return what a million events more cost."""
    none, one = (sum(monthly(replace(workload, events=n), prices).values()) for n in (0.0, 1e6))
    return one - none


def main(words: Sequence[str]) -> int:
    """Print the cost of what the file on the command line describes; return the exit code."""
    if len(words) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        given = msgspec.json.decode(Path(words[0]).read_bytes(), type=dict[str, msgspec.Raw])
        prices = msgspec.json.decode(given["prices"], type=Prices)
        workload = msgspec.json.decode(given["workload"], type=Workload)
    except (OSError, KeyError, msgspec.DecodeError) as exc:
        print(f"{words[0]}: {exc}", file=sys.stderr)
        return 1
    parts = monthly(workload, prices)
    for name, cost in parts.items():
        print(f"{name:<20}{cost:>12.2f}")
    print(f"{'a month':<20}{sum(parts.values()):>12.2f}")
    print(f"{'a million events more':<20}{million(workload, prices):>11.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
