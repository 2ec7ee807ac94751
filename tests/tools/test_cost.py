"""The cost model: worked by hand, proportional to events, and strict about its input."""

import json
import time
from collections import Counter
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from devserver.azurite import Azurite
from shared import wiring
from shared.services.rank_request import Action, RankRequest
from shared.settings import Settings
from tests.conftest import FAST
from tools.cost import (
    SECONDS_OF_MONTH,
    Prices,
    Workload,
    main,
    million,
    monthly,
    operations_of_a_run,
)

NOTHING = Prices(*[0.0 for _ in fields(Prices)])
WORKLOAD = Workload(events=2e6, rewards=0.5)


@pytest.mark.parametrize(
    ("price", "part", "cost"),
    [
        # 2 million Ranks, 1 million Rewards, 43,800 runs of the timer
        ("executions", "executions", 3.0438),
        # 3 million calls of 10 ms and 43,800 runs of 2 s, at 2 GB
        ("gb_seconds", "processing", 2 * (30_000 + 87_600)),
        # no always ready instance
        ("ready_gb_seconds", "always ready", 0),
        # 3 million inserts, 100,000 reads, 28 for each run
        ("table_operations", "table operations", 310 + 4.38 * 28),
        ("blob_writes", "blob operations", 4.38 * 13),
        # 13 for each run, two documents polled every 5 seconds
        ("blob_reads", "blob operations", 4.38 * 13 + 2 * 52.56),
        # 2 million a month kept for 90 days are 5.918 million of 1,500 bytes
        ("table_gb", "events kept", 8.877),
        ("blob_gb", "log kept", 2.959),
        ("telemetry_gb", "telemetry", 1),
    ],
)
def test_each_price_alone_gives_what_was_worked_out_by_hand(price, part, cost):
    parts = monthly(WORKLOAD, replace(NOTHING, **{price: 1.0}))

    assert parts.pop(part) == pytest.approx(cost, rel=1e-3)
    assert not any(parts.values())


def test_a_million_events_more_cost_the_same_however_many_there_are():
    prices = Prices(*[float(n + 1) for n, _ in enumerate(fields(Prices))])
    many = replace(WORKLOAD, events=9e6)
    more = replace(WORKLOAD, events=10e6)
    difference = sum(monthly(more, prices).values()) - sum(monthly(many, prices).values())

    assert difference == pytest.approx(million(WORKLOAD, prices))
    assert million(many, prices) == pytest.approx(million(WORKLOAD, prices))


def test_an_always_ready_instance_costs_its_memory_all_month():
    workload = replace(WORKLOAD, ready_instances=3.0, memory_gb=4.0)
    parts = monthly(workload, replace(NOTHING, ready_gb_seconds=0.5))

    assert parts["always ready"] == 3 * 4 * SECONDS_OF_MONTH * 0.5


def test_the_command_prints_all_parts(tmp_path, capsys):
    prices = {field.name: 1 for field in fields(Prices)}
    file = tmp_path / "cost.json"
    file.write_text(json.dumps({"prices": prices, "workload": {"events": 1e6}}))

    assert main([str(file)]) == 0
    printed = capsys.readouterr().out
    assert all(part in printed for part in [*monthly(WORKLOAD, NOTHING), "a month"])


def test_a_price_that_is_missing_is_named(tmp_path, capsys):
    file = tmp_path / "cost.json"
    file.write_text(json.dumps({"prices": {}, "workload": {"events": 1}}))

    assert main([str(file)]) == 1
    assert "executions" in capsys.readouterr().err


HOUR = 3600


@pytest.fixture
def emulator():
    """A storage emulator in which nobody else works."""
    started = Azurite(None)
    yield started
    started.stop()


@pytest.fixture
def requests(monkeypatch):
    """Counts what is asked of storage: (service, read or write) -> requests."""
    counted = Counter()
    send = aiohttp.ClientSession._request

    async def count(session, method, url, **options):
        service = "blobs" if "/personalizer" in str(url) else "tables"
        counted[service, "reads" if method == "GET" else "writes"] += 1
        return await send(session, method, url, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", count)
    return counted


async def test_storage_is_asked_as_often_as_the_model_says(emulator, requests, monkeypatch):
    shift = timedelta(0)
    noon = datetime.now(UTC).replace(hour=12, minute=30)  # around midnight there are more tables
    started = time.monotonic()
    elapsed = lambda: timedelta(seconds=time.monotonic() - started)  # noqa: E731
    monkeypatch.setattr(wiring, "now", lambda: noon + elapsed() + shift)
    slow = {"BUCKET_SECONDS": str(HOUR), "MODEL_POLL_SECONDS": str(HOUR)}
    environ = {**FAST, **slow, "DATA_STORAGE": emulator.connection_string}
    settings = Settings.from_environ(environ)
    async with wiring.azure_stores(settings) as stores:
        app = wiring.build(settings, stores)
        wait = (await app.reader.served()).settings.rewards.wait
        await app.train.train()  # up to here
        await app.reward.reward("makes the tables", 1.0)
        await app.rank.rank(RankRequest("e", b"[]", (Action("a", b"[]"),)))
        requests.clear()
        for number in range(10):
            text = b'[{"x":%d}]' % number
            await app.rank.rank(RankRequest(f"e{number}", b"[]", (Action("a", text),)))
            await app.reward.reward(f"e{number}", 1.0)
        inserted = dict(requests)
        requests.clear()
        shift = timedelta(hours=1) + wait + timedelta(minutes=1)
        report = await app.train.train()
        trained = dict(requests)
        await app.reader.close()

    tables, writes, reads = operations_of_a_run(settings.shards)
    assert inserted == {("tables", "writes"): 20}
    assert (report.steps, report.learned) == (1, 11)
    assert trained["tables", "reads"] + trained["tables", "writes"] == tables
    assert (trained["blobs", "writes"], trained["blobs", "reads"]) == (writes, reads)
