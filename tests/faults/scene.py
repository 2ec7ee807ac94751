"""The app as processes on real storage behind the fault proxy: several of each, with own clocks."""

import asyncio
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Self

from devserver.azurite import ROOT, Azurite
from devserver.children import Child
from tests.conftest import FAST
from tests.faults.proxy import FaultProxy

CLOCKS_OFF_BY = 1.0
"""Seconds by which a clock may be ahead of or behind the true time."""

ENVIRON = {
    **FAST,
    "CLOCK_SKEW_SECONDS": str(2 * CLOCKS_OFF_BY),  # between any two of them
    "SHARDS": "4",  # each is a query that looks through all of the emulator's rows
    "MODEL_POLL_SECONDS": "0.5",
}


class Actor:
    """One process of the app, which can be killed and is started again."""

    def __init__(self, name: str, arguments: list[str], environ: Mapping[str, str]) -> None:
        """Start it."""
        self.name = name
        self._command = [sys.executable, "-m", "tests.faults.actor", *arguments]
        self._environ = dict(environ)
        self._child = self._start()

    def kill(self) -> None:
        """Send SIGKILL; return at once."""
        self._child.process.kill()

    def start_again(self) -> None:
        """Start it again once it is dead."""
        self._child.process.wait()
        self._child = self._start()

    @property
    def ended(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._child.ended

    def stop(self) -> None:
        """End it."""
        self._child.stop()

    def _start(self) -> Child:
        return Child(self.name, self._command, self._environ)


class Scene:
    """Everything that takes part; a context manager that always stops what it started.

    Attributes:
        proxy: Between the app and storage.
        environ: App settings that lead to storage directly, past the proxy.
        urls: Of the Rank processes.
        ranks: These processes. The first one's clock is behind, the next one's ahead, and so on.
        trainers: The timer processes, whose clocks are off the other way round.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        ranks: int = 2,
        trainers: int = 2,
        folder: Path | None = None,
        settle: Callable[[Mapping[str, str]], Awaitable[None]] | None = None,
        **environ: str,
    ) -> None:
        """Start it.

        Args:
            seed: Of the proxy's random faults.
            ranks: How many Rank processes.
            trainers: How many timer processes.
            folder: Where the emulator keeps its data; None for memory.
            settle: Called with app settings before any process of the app is started.
            environ: Further app settings.
        """
        self._folder = folder
        self._azurite = Azurite(folder)
        self.proxy = FaultProxy(self._azurite.connection_string, seed=seed)
        shared = {**os.environ, **ENVIRON, **environ, "PYTHONPATH": str(ROOT)}
        self.environ = {**shared, "DATA_STORAGE": self._azurite.connection_string}
        if settle is not None:
            asyncio.run(settle(self.environ))
        through = {**shared, "DATA_STORAGE": self.proxy.connection_string}
        ports = _free_ports(ranks)
        self.urls = [f"http://127.0.0.1:{port}/" for port in ports]
        self.ranks = [
            Actor(f"rank {n}", ["web", str(port)], {**through, **_clock(n)})
            for n, port in enumerate(ports)
        ]
        self.trainers = [
            Actor(f"trainer {n}", ["timers"], {**through, **_clock(n + 1)}) for n in range(trainers)
        ]

    def __enter__(self) -> Self:
        """Wait until it serves."""
        try:
            for url in self.urls:
                _wait_for(url + "health")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self.stop()

    @property
    def key(self) -> str:
        """Opens the app."""
        return self.environ["PERSONALIZER_KEY_1"]

    def restart_storage(self) -> None:
        """End the emulator as an operator would and start it on the same data."""
        self._azurite.stop()
        self._azurite = Azurite(self._folder)
        self.environ["DATA_STORAGE"] = self._azurite.connection_string
        self.proxy.move(self._azurite.connection_string)

    def stop(self) -> None:
        """Stop everything, storage last."""
        actors = [*self.ranks, *self.trainers]
        for actor in actors:
            actor.kill()  # nothing may depend on an orderly end
        for actor in actors:
            actor.stop()
        self.proxy.stop()
        self._azurite.stop()


def _clock(number: int) -> dict[str, str]:
    return {"CLOCK_OFFSET_SECONDS": str(CLOCKS_OFF_BY if number % 2 else -CLOCKS_OFF_BY)}


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_for(url: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10):  # noqa: S310 (our own process)
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
