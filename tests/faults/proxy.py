"""A proxy between the app and a real storage emulator that breaks requests on purpose.

It runs in a thread of its own, on one port for blobs and one for tables. Which requests are broken
is told by commands (``inject``, ``away``, ``back``), by a seeded random ``plan``, or both.
Signatures stay valid: they cover the account's path and the date, not the host.
"""

import asyncio
import contextlib
import random
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from tests.faults.http_messages import Message, Request, error_answer, read_answer, read_request
from tests.support.servers import close_server

LIMIT = 1 << 22


class Kind(StrEnum):
    """What happens to a request."""

    LATENCY = "latency"
    """It is forwarded ``seconds`` later, unless the client has gone by then."""
    RESET_BEFORE = "reset_before"
    """The connection is reset; storage never sees the request."""
    RESET_AFTER = "reset_after"
    """Storage does what was asked; the connection is reset instead of the answer."""
    HANG_BEFORE = "hang_before"
    """Storage never sees the request, and nothing is answered for ``seconds``."""
    HANG_AFTER = "hang_after"
    """Storage does what was asked; nothing is answered for ``seconds``."""
    ERROR_BEFORE = "error_before"
    """``status`` and ``code`` are answered; storage never sees the request."""
    ERROR_AFTER = "error_after"
    """Storage does what was asked; ``status`` and ``code`` are answered all the same."""
    TRUNCATED = "truncated"
    """Storage does what was asked; half of its answer arrives, then the connection is reset."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break a request.

    Attributes:
        kind: What happens.
        seconds: How long it is late or nothing is answered.
        status: Of the error that is answered.
        code: Of that error, as storage names it.
        retry_after: Seconds in its ``Retry-After`` header; None leaves that out.
    """

    kind: Kind
    seconds: float = 30.0
    status: int = 503
    code: str = "ServerBusy"
    retry_after: int | None = None

    @property
    def label(self) -> str:
        """Under which it is counted."""
        is_error = self.kind in (Kind.ERROR_BEFORE, Kind.ERROR_AFTER)
        return f"{self.kind}_{self.status}_{self.code}" if is_error else str(self.kind)


THROTTLED = Fault(Kind.ERROR_BEFORE, retry_after=1)
SERVER_ERROR = Fault(Kind.ERROR_BEFORE, status=500, code="InternalError")
TIMED_OUT_AFTER = Fault(Kind.ERROR_AFTER, status=500, code="OperationTimedOut")
RESET_BEFORE = Fault(Kind.RESET_BEFORE)
RESET_AFTER = Fault(Kind.RESET_AFTER)
TRUNCATED = Fault(Kind.TRUNCATED)


@dataclass(frozen=True, slots=True)
class Plan:
    """Random faults.

    Attributes:
        shares: Of the matching requests that each fault gets; together at most 1.
        match: Pattern to be found in ``METHOD /path``.
    """

    shares: Mapping[Fault, float]
    match: str = ""


EVERYTHING = Plan(
    {
        Fault(Kind.LATENCY, seconds=0.05): 0.02,
        Fault(Kind.LATENCY, seconds=0.5): 0.005,
        RESET_BEFORE: 0.01,
        RESET_AFTER: 0.01,
        Fault(Kind.HANG_BEFORE, seconds=3): 0.001,
        Fault(Kind.HANG_AFTER, seconds=3): 0.002,
        SERVER_ERROR: 0.005,
        TIMED_OUT_AFTER: 0.005,
        THROTTLED: 0.005,
        TRUNCATED: 0.005,
    }
)
"""About seven requests of a hundred, each kind of fault among them."""


@dataclass(slots=True)
class _Injection:
    fault: Fault
    match: re.Pattern[str]
    times: int


@dataclass(slots=True)
class _Service:
    """One of the emulator's services: where it is, and where the proxy stands in for it."""

    name: str
    upstream: tuple[str, int]
    port: int = 0
    server: asyncio.Server | None = None


@dataclass(slots=True, eq=False)
class _Client:
    """A connection of the app's, and the one to storage that belongs to it."""

    service: _Service
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    task: "asyncio.Task[None] | None" = field(default=None)


class _Reset(Exception):
    """The client's connection is to be reset."""


class _End(Exception):
    """The client's connection is to be closed once everything is sent."""


class FaultProxy:
    """A running proxy; a context manager. Its methods may be called from any thread.

    Attributes:
        connection_string: Leads through the proxy.
        plan: Random faults; None for none. May be set at any time.
        injected: How often each fault was injected, by label.
        requests: Requests that arrived.
    """

    def __init__(self, connection_string: str, *, plan: Plan | None = None, seed: int = 0) -> None:
        """Stand in for the emulator that ``connection_string`` leads to."""
        self.plan = plan
        self.injected: Counter[str] = Counter()
        self.requests = 0
        self._random = random.Random(seed)
        self._injections: list[_Injection] = []
        self._strike: tuple[re.Pattern[str], Callable[[], None], bool] | None = None
        self._hanging: asyncio.Event | None = None
        self._services = [
            _Service(name, address) for name, address in _addresses(connection_string).items()
        ]
        self._clients: set[_Client] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._listen())
        self.connection_string = connection_string
        for service in self._services:
            host, port = service.upstream
            self.connection_string = self.connection_string.replace(
                f"{host}:{port}", f"127.0.0.1:{service.port}"
            )

    def __enter__(self) -> Self:
        """Return it, running."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def inject(self, fault: Fault, match: str = "", times: int = 1) -> None:
        """Break the next ``times`` requests whose ``METHOD /path?query`` holds pattern ``match``.

        Injections are looked at before the plan, in the order in which they came.
        """
        injection = _Injection(fault, re.compile(match), times)
        self._loop.call_soon_threadsafe(self._injections.append, injection)

    def once(self, match: str, strike: Callable[[], None], *, after: bool) -> None:
        """Call ``strike`` at the next request that matches: before storage sees it, or after.

        It is called in the proxy's thread and must not block. There is at most one.
        """
        self._strike = (re.compile(match), strike, after)

    def forget(self, strike: Callable[[], None]) -> None:
        """Do not call ``strike`` any more."""
        armed = self._strike
        if armed is not None and armed[1] is strike:
            self._strike = None

    def clear(self) -> None:
        """Forget the plan, all injections and what is to be called."""
        self.plan = None
        self._strike = None
        self._loop.call_soon_threadsafe(self._injections.clear)

    def away(self, *, hanging: bool = False) -> None:
        """Let storage be gone: connections are refused, or are accepted and never answered."""
        self._run(self._away(hanging))

    def back(self) -> None:
        """Let storage be there again; what hung until now is reset, and was never forwarded."""
        self._run(self._back())

    def drop_connections(self) -> None:
        """Reset all connections, whatever they are doing."""
        self._run(self._drop())

    def move(self, connection_string: str) -> None:
        """Forward to another emulator from now on, such as one that was started anew."""
        for service in self._services:
            service.upstream = _addresses(connection_string)[service.name]
        self.drop_connections()

    def stop(self) -> None:
        """End it."""
        if self._loop.is_closed():
            return
        self._run(self._away(hanging=False))
        self._run(asyncio.sleep(0.01))  # for transports to close
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- in the proxy's own thread --------------------------------------------------------------

    def _run(self, coroutine) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _listen(self) -> None:
        for service in self._services:
            if service.server is None:
                service.server = await asyncio.start_server(
                    self._handler(service), "127.0.0.1", service.port, limit=LIMIT
                )
                service.port = service.server.sockets[0].getsockname()[1]

    async def _away(self, hanging: bool) -> None:
        if hanging:
            self._hanging = self._hanging or asyncio.Event()
            self.injected["away_hanging"] += 1
            return
        for service in self._services:
            if service.server is not None:
                await close_server(service.server)
                service.server = None
        self.injected["away_refused"] += 1
        await self._drop()

    async def _back(self) -> None:
        if self._hanging is not None:
            self._hanging.set()
            self._hanging = None
        await self._listen()

    async def _drop(self) -> None:
        tasks = [client.task for client in self._clients if client.task is not None]
        for client in list(self._clients):
            _reset(client.writer)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _handler(self, service: _Service):
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            client = _Client(service, reader, writer)
            self._clients.add(client)  # before anything is awaited, or it could be overlooked
            client.task = asyncio.create_task(self._handle(client))

        return accept

    async def _handle(self, client: _Client) -> None:
        try:
            await self._serve(client)
        except (_Reset, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            _reset(client.writer)
        except _End:
            pass
        finally:
            client.task = None  # it ends by itself now
            await _close(client)
            self._clients.discard(client)

    async def _serve(self, client: _Client) -> None:
        while (request := await read_request(client.reader)) is not None:
            self.requests += 1
            if self._hanging is not None:
                await self._hanging.wait()
                raise _Reset
            described = f"{request.method} {request.target}"
            strike = self._due_strike(described)
            if strike is not None:
                await self._strike_at(client, request, *strike)
            fault = self._fault(described)
            if fault is None:
                client.writer.write((await self._forward(client, request)).data)
            else:
                self.injected[fault.label] += 1
                await self._break(client, request, fault)
            await client.writer.drain()

    def _due_strike(self, described: str) -> tuple[Callable[[], None], bool] | None:
        if self._strike is None or not self._strike[0].search(described):
            return None
        _, strike, after = self._strike
        self._strike = None
        return strike, after

    async def _strike_at(
        self, client: _Client, request: Request, strike: Callable[[], None], after: bool
    ) -> None:
        """Strike; the answer, if storage gave one, has nobody to go to."""
        if after:
            await self._forward(client, request)
        strike()
        raise _Reset

    def _fault(self, described: str) -> Fault | None:
        for injection in self._injections:
            if injection.match.search(described):
                injection.times -= 1
                if injection.times == 0:
                    self._injections.remove(injection)
                return injection.fault
        plan = self.plan
        if plan is None or not re.search(plan.match, described):
            return None
        number = self._random.random()
        for fault, share in plan.shares.items():
            number -= share
            if number < 0:
                return fault
        return None

    async def _break(self, client: _Client, request: Request, fault: Fault) -> None:
        """Do to a request what ``fault`` says."""
        if fault.kind is Kind.LATENCY:
            await asyncio.sleep(fault.seconds)
            if client.reader.at_eof():
                raise _Reset
        answer = None
        if fault.kind not in (Kind.RESET_BEFORE, Kind.HANG_BEFORE, Kind.ERROR_BEFORE):
            answer = await self._forward(client, request)
        if fault.kind in (Kind.RESET_BEFORE, Kind.RESET_AFTER):
            raise _Reset
        if fault.kind in (Kind.HANG_BEFORE, Kind.HANG_AFTER):
            try:
                await asyncio.wait_for(client.reader.read(1), fault.seconds)
            except TimeoutError:
                pass
            raise _Reset
        if answer is None or fault.kind is Kind.ERROR_AFTER:
            table = client.service.name == "Table"
            client.writer.write(error_answer(fault.status, fault.code, fault.retry_after, table))
        elif fault.kind is Kind.TRUNCATED:
            half = (answer.body_at + len(answer.data)) // 2
            client.writer.write(answer.data[: half - 1])
            raise _End
        else:
            client.writer.write(answer.data)

    async def _forward(self, client: _Client, request: Request) -> Message:
        if client.upstream is not None and client.upstream[0].at_eof():
            client.upstream[1].close()
            client.upstream = None
        if client.upstream is None:
            host, port = client.service.upstream
            client.upstream = await asyncio.open_connection(host, port, limit=LIMIT)
        reader, writer = client.upstream
        writer.write(request.data)
        return await read_answer(reader, request.method)


def _addresses(connection_string: str) -> dict[str, tuple[str, int]]:
    found = re.findall(r"(Blob|Table)Endpoint=http://([\d.]+):(\d+)", connection_string)
    return {name: (host, int(port)) for name, host, port in found}


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection the hard way: the other side gets an RST, not an end of file."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _close(client: _Client) -> None:
    writers = [client.writer, *([client.upstream[1]] if client.upstream else [])]
    for writer in writers:
        writer.close()
    for writer in writers:
        with contextlib.suppress(OSError):
            await writer.wait_closed()
