"""One battle: traffic and a storm at once, then calm, then the reconciliation."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from shared import wiring
from shared.events.rewards import RewardSettings
from shared.services.loop_state import DEFAULT_LOOP
from shared.settings import Settings
from tests.faults.ledger import Entry, Ledger, read
from tests.faults.proxy import Plan
from tests.faults.reconcile import Verdict, reconcile
from tests.faults.scene import CLOCKS_OFF_BY, Scene
from tests.faults.state_watch import StateWatch
from tests.faults.storm import Storm
from tests.faults.traffic import Seen, Traffic


@dataclass(frozen=True, slots=True)
class Orders:
    """How a battle goes.

    Attributes:
        seed: Of everything random; threads and processes race all the same.
        rate: Events a second.
        seconds: That traffic goes on for, or longer if the storm does.
        wait: Reward wait time in seconds.
        plan: Random faults of requests.
        moves: Of the storm, by name.
        longest_away: Seconds that storage is away for at most.
        sabotage: What is broken in the app, if anything.
        on_disk: Whether the emulator keeps its data in files.
        catch_up: Seconds that training gets after everything else has ended.
        schedule: Of training.
    """

    seed: int = 0
    rate: float = 40.0
    seconds: float = 10.0
    wait: float = 6.0
    plan: Plan | None = None
    moves: Sequence[str] = ()
    longest_away: float = 3.0
    sabotage: str = ""
    on_disk: bool = False
    catch_up: float = 60.0
    schedule: str = "*/2 * * * * *"


@dataclass(frozen=True, slots=True)
class Report:
    """What a battle came to.

    Attributes:
        verdict: Of the reconciliation.
        seen: By the callers.
        kills: Processes killed.
        moves: Of the storm, by name.
        injected: Faults of requests, by kind.
        requests: To storage.
        seconds: From the first event to the last.
    """

    verdict: Verdict
    seen: Seen
    kills: int
    moves: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    seconds: float = 0.0


def fight(orders: Orders, folder: Path) -> Report:
    """Fight a battle; the ledger, and what the emulator keeps, go into ``folder``."""
    storage = folder / "azurite" if orders.on_disk else None
    with Scene(
        seed=orders.seed,
        folder=storage,
        settle=settle(orders),
        SABOTAGE=orders.sabotage,
        TRAIN_SCHEDULE=orders.schedule,
    ) as scene:
        return asyncio.run(_fight(orders, scene, folder / "ledger.jsonl"))


def settle(orders: Orders):
    """Return what gives a new loop the settings of a battle, before anybody works on it."""

    async def change(environ) -> None:
        settings = Settings.from_environ(environ)
        async with wiring.azure_stores(settings) as stores:
            await wiring.build(settings, stores).loops.change_settings(
                DEFAULT_LOOP,
                lambda s: replace(
                    s,
                    rewards=RewardSettings(timedelta(seconds=orders.wait)),
                    model_export_frequency=timedelta(seconds=5),
                    arguments="--cb_explore_adf -q ::",
                ),
            )

    return change


def first_sent_after(time_dropped: float, entries: Sequence[Entry]) -> list[Entry]:
    """Return what is said of events that were first asked for after tables were dropped."""
    events = {e.event for e in entries if e.call == "rank" and e.asked > time_dropped}
    return [entry for entry in entries if entry.event in events]


async def _fight(orders: Orders, scene: Scene, path: Path) -> Report:
    ledger = Ledger(path)
    started = time.monotonic()
    with StateWatch(scene.environ) as watch:
        traffic = Traffic(scene.urls, scene.key, ledger, seed=orders.seed)
        storm = Storm(scene, watch, seed=orders.seed, longest_away=orders.longest_away)
        scene.proxy.plan = orders.plan
        pause = orders.seconds / (len(orders.moves) + 1)
        raging = asyncio.create_task(storm.rage(orders.moves, pause))
        await traffic.run(
            orders.rate,
            lambda: not raging.done() or time.monotonic() - started < orders.seconds,
        )
        seconds = time.monotonic() - started
        await raging
        storm.calm()
        for actor in (*scene.ranks, *scene.trainers):
            if actor.ended is not None:
                await asyncio.to_thread(actor.start_again)
        watch.break_lease()
        ledger.close()
        entries = first_sent_after(storm.dropped_at, read(path))
        last = max(entry.answered for entry in entries) + 2 * CLOCKS_OFF_BY
        await asyncio.to_thread(watch.wait_for, last, orders.catch_up)
    for actor in (*scene.ranks, *scene.trainers):
        actor.kill()
        actor.stop()
    verdict = await reconcile(scene.environ, entries, went_back=watch.went_back)
    return Report(
        verdict,
        traffic.seen,
        storm.kills,
        storm.moves,
        scene.proxy.injected,
        scene.proxy.requests,
        seconds,
    )
