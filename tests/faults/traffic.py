"""Callers as sane clients are: the same event id on every try, growing pauses, another process."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp

from tests.faults.ledger import Entry, Ledger

ACTIONS = [{"id": name, "features": [{"kind": name}]} for name in "abc"]
ATTEMPT_SECONDS = 8.0
LONGEST_PAUSE = 2.0


class GaveUp(Exception):
    """A call was never acknowledged."""


@dataclass(slots=True)
class Seen:
    """What callers have seen.

    Attributes:
        refusals: Answers other than success by status, and ``reset`` and ``timeout``.
        latencies: Seconds of each call that succeeded, without the tries before it.
        gave_up: Calls that were never acknowledged.
        started: Events begun.
    """

    refusals: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    gave_up: int = 0
    started: int = 0


class Traffic:
    """Rank, then Reward; some events deferred, some without a reward."""

    def __init__(
        self,
        urls: Sequence[str],
        key: str,
        ledger: Ledger,
        *,
        prefix: str = "e",
        seed: int = 0,
        patience: float = 15.0,
        most_calls: int = 64,
    ) -> None:
        """Send to ``urls``.

        Args:
            urls: Of the Rank processes.
            key: Opens them.
            ledger: Takes what was acknowledged.
            prefix: Begins the event ids.
            seed: Of everything random.
            patience: Seconds after which a call that has had no success is given up.
            most_calls: Under way at once; while there are as many, no event is begun.
        """
        self._urls = urls
        self._headers = {"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/json"}
        self._ledger = ledger
        self._prefix = prefix
        self._random = random.Random(seed)
        self._patience = patience
        self._slots = asyncio.Semaphore(most_calls)
        self.seen = Seen()

    async def run(self, rate: float, goes_on: Callable[[], bool]) -> None:
        """Begin ``rate`` events a second while ``goes_on``; return when all have ended."""
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=ATTEMPT_SECONDS),
                headers=self._headers,
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            due = time.monotonic()
            while goes_on():
                async with self._slots:
                    pass
                group.create_task(self._event(session, self.seen.started))
                self.seen.started += 1
                due = max(due + 1 / rate, time.monotonic() - 1)  # of what is missed, a second
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _event(self, session: aiohttp.ClientSession, number: int) -> None:
        event = f"{self._prefix}{number}"
        rng = random.Random(event)
        try:
            await self._live(session, event, rng)
        except GaveUp:
            self.seen.gave_up += 1

    async def _live(self, session: aiohttp.ClientSession, event: str, rng: random.Random) -> None:
        kind = rng.randrange(3)
        deferred = rng.random() < 0.1
        body = {
            "eventId": event,
            "contextFeatures": [{"os": str(kind)}],
            "actions": ACTIONS,
            "deferActivation": deferred,
        }
        asked = time.time()
        tries, answer = await self._call(session, "rank", body, 201)
        decided = json.loads(answer)
        action = decided["rewardActionId"]
        self._ledger.add(
            Entry(
                "rank",
                event,
                asked,
                time.time(),
                tries,
                action=action,
                probability=next(a["probability"] for a in decided["ranking"] if a["id"] == action),
                deferred=deferred,
            )
        )
        await asyncio.sleep(rng.random())
        if deferred and rng.random() < 0.7:
            asked = time.time()
            tries, _ = await self._call(session, f"events/{event}/activate", None, 204)
            self._ledger.add(Entry("activate", event, asked, time.time(), tries))
        if rng.random() < 0.6:
            value = round(rng.random() * (1.0 if action == "abc"[kind] else 0.3), 3)
            asked = time.time()
            tries, _ = await self._call(session, f"events/{event}/reward", {"value": value}, 204)
            self._ledger.add(Entry("reward", event, asked, time.time(), tries, value=value))

    async def _call(
        self, session: aiohttp.ClientSession, path: str, body: object, expected: int
    ) -> tuple[int, bytes]:
        """Return how many tries success took, and its body."""
        ends = time.monotonic() + self._patience
        data = None if body is None else json.dumps(body)
        pause, tries = 0.1, 0
        while True:
            url = self._urls[self._random.randrange(len(self._urls))]
            tries += 1
            try:
                started = time.monotonic()
                async with (
                    self._slots,
                    session.post(f"{url}personalizer/v1.0/{path}", data=data) as answer,
                ):
                    read = await answer.read()
                    if answer.status == expected:
                        self.seen.latencies.append(time.monotonic() - started)
                        return tries, read
                    self.seen.refusals[str(answer.status)] += 1
                    if answer.status < 500 and answer.status != 429:
                        raise AssertionError(f"{path} answered {answer.status}: {read[:300]!r}")
                    pause = max(pause, float(answer.headers.get("Retry-After", 0)))
            except TimeoutError:
                self.seen.refusals["timeout"] += 1
            except aiohttp.ClientError:
                self.seen.refusals["reset"] += 1
            if time.monotonic() > ends:
                raise GaveUp(path)
            await asyncio.sleep(min(pause, LONGEST_PAUSE) * self._random.uniform(0.5, 1.0))
            pause *= 2
