"""Load over HTTP: a client that costs little, and calls without a pause or on a schedule.

The client speaks just enough HTTP/1.1 for answers with a length. A general one costs several times
as much for each call, on the cores that the measured app and the emulator need.
"""

import asyncio
import contextlib
import itertools
import selectors
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import cast
from urllib.parse import urlsplit

Call = Callable[[int], Awaitable[None]]
"""One call, made by the worker of a given number; it raises unless the call succeeds."""

_END = b"\r\n\r\n"


class CallFailed(Exception):
    """An answer was not the expected one, or did not come."""


class Connection(asyncio.Protocol):
    """A kept-open connection with one call at a time."""

    def __init__(self) -> None:
        """Wait to be connected."""
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._received += data
        head_end = self._received.find(_END)
        if head_end < 0 or self._answer is None:
            return
        head = bytes(self._received[:head_end]).lower()
        _, _, rest = head.partition(b"\ncontent-length:")
        end = head_end + len(_END) + int(rest.partition(b"\r\n")[0] or 0)
        if len(self._received) >= end and not self._answer.done():
            body = bytes(self._received[head_end + len(_END) : end])
            del self._received[:end]
            self._answer.set_result((int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(CallFailed("the connection was closed"))

    @property
    def is_open(self) -> bool:
        """Whether a call can be made; a server closes what is idle for long."""
        return self._transport is not None and not self._transport.is_closing()

    async def call(self, request: bytes) -> tuple[int, bytes]:
        """Return an answer's status and body."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


class Client:
    """Kept-open connections to one app, one for each worker."""

    def __init__(self, url: str, headers: dict[str, str], connections: int) -> None:
        """Send ``headers`` with each request to what is below ``url``."""
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path
        lines = {"Host": parts.netloc, "Content-Type": "application/json", **headers}
        self._head = "".join(f"\r\n{name}: {value}" for name, value in lines.items())
        self._connections = [Connection() for _ in range(connections)]

    async def post(self, worker: int, path: str, body: bytes, expected: int) -> bytes:
        """Return the answer's body, of a call on the connection of a worker.

        Raises:
            CallFailed: The status is another than ``expected``, or there is no connection.
        """
        return await self.send(worker, "POST", path, body, expected)

    async def send(self, worker: int, method: str, path: str, body: bytes, expected: int) -> bytes:
        """As ``post``, with any method."""
        head = f"{method} {self._path}{path} HTTP/1.1{self._head}"
        request = f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        if not self._connections[worker].is_open:
            event_loop = asyncio.get_running_loop()
            try:
                _, self._connections[worker] = await event_loop.create_connection(
                    Connection, self._host, self._port
                )
            except OSError as exc:
                raise CallFailed(f"{method} {path}: no connection") from exc
        status, answer = await self._connections[worker].call(request)
        if status != expected:
            raise CallFailed(f"{method} {path} answered {status}: {answer[:300]!r}")
        return answer

    def close(self) -> None:
        """Close the connections."""
        for each in self._connections:
            each.close()


@contextlib.contextmanager
def connected(url: str, headers: dict[str, str], connections: int) -> Iterator[Client]:
    """Yield a client that is closed at the end."""
    client = Client(url, headers, connections)
    try:
        yield client
    finally:
        client.close()


async def saturate(call: Call, workers: int, seconds: float) -> float:
    """Return the calls per second of ``workers`` that each begin as soon as they have ended."""
    started = time.perf_counter()
    counts = [0] * workers

    async def work(worker: int) -> None:
        while time.perf_counter() - started < seconds:
            await call(worker)
            counts[worker] += 1

    await asyncio.gather(*map(work, range(workers)))
    return sum(counts) / (time.perf_counter() - started)


async def on_schedule(call: Call, workers: int, seconds: float, rate: float) -> list[float]:
    """Return the latencies, in seconds and sorted, of calls that are due at fixed times.

    A latency counts from the moment at which its call was due: one that has to wait because all
    workers are waiting for answers is as late as its user would find it.
    """
    started = time.perf_counter()
    numbers = itertools.count()
    latencies: list[float] = []

    async def work(worker: int) -> None:
        while (due := started + next(numbers) / rate) < started + seconds:
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            await call(worker)
            latencies.append(time.perf_counter() - due)

    await asyncio.gather(*map(work, range(workers)))
    return sorted(latencies)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which that share of the others lies."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class Runner(asyncio.Runner):
    """Runs coroutines in an event loop that wakes up to the microsecond, not the millisecond."""

    def __init__(self) -> None:
        """Prepare to run."""
        super().__init__(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector()))
