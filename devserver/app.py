"""The whole app on this machine: emulator, web process and timer process."""

import http.client
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from devserver.azurite import ROOT, Azurite
from devserver.children import Child

LOCAL_DEFAULTS = {
    "TRAIN_SCHEDULE": "*/15 * * * * *",
    "BUCKET_SECONDS": "5",
    "WRITE_DEADLINE_SECONDS": "5",
    "CLOCK_SKEW_SECONDS": "0",  # one machine, one clock
    "MODEL_POLL_SECONDS": "2",
    "METRICS_SECONDS": "15",
}
START_WITHIN = 60.0


class StartError(Exception):
    """The app could not be started; the message is for the person at the terminal."""


class LocalApp:
    """A running app; a context manager that always stops what it started.

    Attributes:
        url: Where it serves, ending in a slash.
        key: Opens it.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        port: int = 0,
        folder: Path | None = None,
        web: str = "devserver.web",
    ) -> None:
        """Prepare to run with app settings from ``environ``.

        Args:
            environ: App settings; without ``DATA_STORAGE`` an emulator is started.
            port: To serve on; 0 chooses a free one.
            folder: Keeps the emulator's data and the key; without it nothing is kept.
            web: The module that serves; tests have broken ones.
        """
        self._environ = {**LOCAL_DEFAULTS, **environ, "PYTHONPATH": str(ROOT)}
        self._port = port or _free_port()
        self._folder = folder
        self._web = web
        self._azurite: Azurite | None = None
        self.children: list[Child] = []
        self.url = f"http://127.0.0.1:{self._port}/"
        self.key = self._environ.get("PERSONALIZER_KEY_1") or _key(folder)
        self._environ["PERSONALIZER_KEY_1"] = self.key

    def __enter__(self) -> Self:
        """Start everything and wait until it serves."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.stop()

    @property
    def storage(self) -> str:
        """Connection string of the storage in use."""
        return self._environ["DATA_STORAGE"]

    @property
    def emulator(self) -> int | None:
        """The process id of the emulator, if one was started."""
        return self._azurite.child.process.pid if self._azurite else None

    @property
    def ended(self) -> str | None:
        """The name of a process that ended by itself, or None."""
        azurite = [self._azurite.child] if self._azurite else []
        return next((c.name for c in self.children + azurite if c.ended is not None), None)

    def stop(self) -> None:
        """Stop what was started, the emulator last."""
        for child in self.children:
            if child.ended is None:
                child.process.terminate()
        for child in self.children:
            child.stop()
        if self._azurite is not None:
            self._azurite.stop()

    def _start(self) -> None:
        if not _is_free(self._port):
            raise StartError(f"port {self._port} is in use; choose another: make run PORT=7072")
        if not (
            self._environ.get("DATA_STORAGE") or self._environ.get("DATA_STORAGE__blobServiceUri")
        ):
            folder = self._folder / "azurite" if self._folder else None
            self._azurite = Azurite(folder)
            self._environ["DATA_STORAGE"] = self._azurite.connection_string
        python = [sys.executable, "-m"]
        self.children.append(
            Child("the web process", [*python, self._web, str(self._port)], self._environ)
        )
        self.children.append(
            Child("the timer process", [*python, "devserver.timers"], self._environ)
        )
        deadline = time.monotonic() + START_WITHIN
        while not self._answers():
            if self.ended:
                raise StartError(f"{self.ended} ended while starting; its message is above")
            if time.monotonic() > deadline:
                raise StartError(f"the app did not answer within {START_WITHIN:.0f} seconds")
            time.sleep(0.05)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status in (200, 503)
        except OSError:
            return False
        finally:
            connection.close()


def data_folder() -> Path | None:
    """Return where local data is kept; None with ``EPHEMERAL=1``."""
    return None if os.environ.get("EPHEMERAL") == "1" else ROOT / ".data"


def _key(folder: Path | None) -> str:
    """Return the local key, made once."""
    if folder is None:
        return secrets.token_hex(16)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "key"
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:  # mode 0600
            file.write(secrets.token_hex(16))
        Path(file.name).replace(path)
    return path.read_text()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
