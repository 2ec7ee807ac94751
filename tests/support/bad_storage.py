"""A storage account that goes away in one of many ways: a proxy before a real emulator."""

import asyncio
import re
import threading
from contextlib import contextmanager, suppress

from tests.support.servers import close_server

WAYS = (
    "hangs",
    "hangs after the headers",
    "drips",
    "answers 500",
    "answers 503",
    "throttles",
    "cuts answers off",
    "answers something else",
    "answers no HTTP",
    "resets",
)
"""In which storage can be away while it can be connected to; one more is ``refuses``."""

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HTML = b"<html><body>Welcome to this network</body></html>"


class BadStorage:
    """Passes requests on, or treats them badly; a context manager.

    Attributes:
        way: In which storage is away; None while it is not.
        requests: How many have arrived, also while it was away.
        connection_string: For Microsoft's storage clients.
    """

    def __init__(self, connection_string):
        """Stand before an emulator."""
        self.way = None
        self.requests = 0
        self._ports = dict.fromkeys(re.findall(r"127\.0\.0\.1:(\d+)", connection_string), 0)
        self._behind = connection_string
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers = []
        self._tasks = set()

    def __enter__(self):
        self._thread.start()
        self._do(self._listen())
        self.connection_string = self._behind
        for behind, before in self._ports.items():
            self.connection_string = self.connection_string.replace(f":{behind}/", f":{before}/")
        return self

    def __exit__(self, *exc):
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def away(self, way):
        """Be away in some way while the block runs, for those who are connected as well."""
        self.goes_away(way)
        try:
            yield
        finally:
            self.comes_back()

    def goes_away(self, way):
        """Go away, until ``comes_back``."""
        self.way = way
        if way == "refuses":
            self._do(self._close())

    def comes_back(self):
        """Answer again; what hangs goes on hanging."""
        if self.way == "refuses":
            self._do(self._listen())
        self.way = None

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _listen(self):
        for behind, before in self._ports.items():
            server = await asyncio.start_server(self._serve(behind), "127.0.0.1", before)
            self._ports[behind] = server.sockets[0].getsockname()[1]
            self._servers.append(server)

    async def _close(self):
        for server in self._servers:
            await close_server(server)
        self._servers.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # for transports to close

    def _serve(self, behind):
        def serve(reader, writer):
            task = self._loop.create_task(self._connection(behind, reader, writer))
            self._tasks.add(task)
            task.add_done_callback(ended(writer.transport))

        def ended(transport):
            def end(task):
                self._tasks.discard(task)
                if not transport.is_closing():  # it was cancelled, perhaps before it began
                    transport.abort()

            return end

        return serve

    async def _connection(self, behind, reader, writer):
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._answer(behind, reader, writer)
        writer.transport.abort() if self.way == "resets" else writer.close()

    async def _answer(self, behind, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        self.requests += 1
        if self.way is None:
            await _pass_on(int(behind), head, body, writer)
            return
        for part, pause in _badly(self.way):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)


def _badly(way):
    """Yield parts of an answer, and how long to wait after each."""
    forever = 3600
    if way == "hangs":
        yield b"", forever
    if way == "hangs after the headers":
        yield _head("200 OK", 100), forever
    if way == "drips":
        yield _head("200 OK", 100_000), 0
        while True:
            yield b"x", 0.1
    if way == "answers 500":
        yield _head("500 Internal Server Error", 0), 0
    if way == "answers 503":
        yield _head("503 Server Busy", 0, "Retry-After: 30"), 0
    if way == "throttles":
        yield _head("503 Server Busy", 0, "x-ms-error-code: ServerBusy"), 0
    if way == "cuts answers off":
        yield _head("200 OK", 1000) + b'{"value":[', 0
    if way == "answers something else":
        yield _head("200 OK", len(_HTML), "Content-Type: text/html") + _HTML, 0
    if way == "answers no HTTP":
        yield b"SSH-2.0-OpenSSH_9.2\r\n\x00\xff", 0


def _head(status, length, *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {length}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


async def _pass_on(port, head, body, writer):
    """Hand a request on, and its answer back, over a connection of its own."""
    head = re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", head)
    reader, behind = await asyncio.open_connection("127.0.0.1", port)
    try:
        behind.write(head[:-2] + b"Connection: close\r\n\r\n" + body)
        while part := await reader.read(1 << 16):
            writer.write(part)
            await writer.drain()
    finally:
        behind.close()
