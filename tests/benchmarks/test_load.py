"""What ``make load`` and ``make soak`` promise is noticed when it is broken."""

import json
import os
import time
from dataclasses import replace

import pytest

from benchmarks import load, soak
from benchmarks.http_load import Runner, on_schedule, percentile
from devserver.app import LocalApp

STEADY = [
    soak.Sample(minute / 2, 90.0, 120.0 + minute % 2, 500.0 + 9 * minute, 20.0, 0, 4.0, 9.0, 1.0)
    for minute in range(60)
]


def test_a_slowed_app_breaks_the_promise_and_fails(capsys):
    with LocalApp({**os.environ, **load.ENVIRONMENT}, web="tests.support.slow_web") as app:
        case = load.Case(connections=16, actions=5)
        code = load.report(load.figures(app, [case], load.Turns(turns=1, seconds=1.0)))

    figure = json.loads(capsys.readouterr().out)
    assert code == 1
    assert not figure["kept"]
    assert any("of the bare insert's" in promise for promise in figure["broken"])
    assert figure["per_s"] <= 50


@pytest.mark.parametrize(
    ("ratio", "p50", "p99", "broken"),
    [(0.70, 1.0, 3.9, 0), (0.69, 1.0, 3.9, 1), (0.9, 1.0, 4.0, 1), (0.1, 1.0, 50.0, 2)],
)
def test_promises_have_exact_limits(ratio, p50, p99, broken):
    assert len(load.broken_promises(ratio, p50, p99)) == broken


def test_a_call_that_waits_for_another_is_late_from_when_it_was_due():
    stalled = []

    async def call(worker):
        if not stalled:
            stalled.append(worker)
            time.sleep(0.2)

    with Runner() as runner:
        latencies = runner.run(on_schedule(call, workers=1, seconds=0.2, rate=50))

    assert len(latencies) == 10
    assert latencies[-1] >= 0.2
    assert percentile(latencies, 0.5) >= 0.08, "half of the calls were due during the stall"


def test_a_steady_app_keeps_all_promises():
    assert soak.broken_promises(STEADY, ranked=10_000, learned=10_000) == []


@pytest.mark.parametrize("name", ["web_mib", "timer_mib"])
def test_memory_that_grows_is_noticed(name):
    leaking = [
        replace(sample, **{name: getattr(sample, name) + 0.3 * number})
        for number, sample in enumerate(STEADY)
    ]

    (broken,) = soak.broken_promises(leaking, ranked=1, learned=1)
    assert broken.startswith(f"{name} grew by")


def test_training_that_falls_behind_is_noticed():
    behind = [replace(sample, lag_s=10.0 + number) for number, sample in enumerate(STEADY)]

    (broken,) = soak.broken_promises(behind, ranked=1, learned=1)
    assert broken.startswith("training was")


@pytest.mark.parametrize(("learned", "failed", "broken"), [(9, 0, 1), (11, 0, 1), (11, 1, 1)])
def test_lost_doubled_and_refused_events_are_noticed(learned, failed, broken):
    assert len(soak.broken_promises(STEADY, 10, learned, failed)) == broken


def test_a_longer_soak_is_a_slower_one():
    assert soak.emulator_limit(20) == 90
    assert soak.emulator_limit(60) == pytest.approx(90 / 3**0.5)


def test_late_events_are_noticed():
    late = [replace(STEADY[0], late_events=1), *STEADY[1:]]

    assert soak.broken_promises(late, ranked=1, learned=1) == ["1 late events"]
