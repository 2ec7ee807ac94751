"""Watches a loop's state from outside: epoch and cursor must never go back."""

import threading
import time
from collections.abc import Mapping

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobLeaseClient

from shared.services.loop_state import DEFAULT_LOOP, LoopState, decode_state, lock_name, state_name
from shared.services.ports import Blob, StorageError
from shared.wiring import CONTAINER

INTERVAL = 0.2


class StateWatch:
    """Looks at the state several times a second, past the proxy; a context manager.

    Attributes:
        went_back: How often it went back.
    """

    def __init__(self, environ: Mapping[str, str], loop: str = DEFAULT_LOOP) -> None:
        """Watch a loop of the storage that ``environ``, read again each time, leads to."""
        self.went_back = 0
        self._environ = environ
        self._loop = loop
        self._newest: tuple[int, int] | None = None
        self._clients: dict[str, BlobClient] = {}  # another one after a restart of storage
        self._opening = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "StateWatch":
        """Start to watch."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._stopping.set()
        self._thread.join()
        for client in self._clients.values():
            client.close()

    def expect_restore(self) -> None:
        """Forget what was seen: the state is about to be destroyed, and an older copy restored."""
        self._newest = None

    def break_lease(self) -> None:
        """Do what time does when a trainer has died."""
        storage = self._environ["DATA_STORAGE"]
        name = lock_name(self._loop)
        with BlobClient.from_connection_string(storage, CONTAINER, name) as blob:
            try:
                BlobLeaseClient(blob).break_lease(0)
            except (ResourceExistsError, ResourceNotFoundError):
                pass  # it held none

    def latest(self) -> LoopState | None:
        """Return the state; None where there is none to be read."""
        storage = self._environ["DATA_STORAGE"]
        try:
            return decode_state(Blob(self._blob(storage).download_blob().readall(), ""))
        except (AzureError, StorageError):
            return None

    def _blob(self, storage: str) -> BlobClient:
        with self._opening:
            client = self._clients.get(storage)
            if client is None:
                client = self._clients[storage] = BlobClient.from_connection_string(
                    storage, CONTAINER, state_name(self._loop), retry_total=0
                )
            return client

    def wait_for(self, time_learned: float, seconds: float) -> bool:
        """Wait until all of before ``time_learned`` is learned; False if it takes too long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            state = self.latest()
            if state is not None and state.cursor > time_learned and state.replay is None:
                return True
            time.sleep(INTERVAL)
        return False

    def _watch(self) -> None:
        while not self._stopping.wait(INTERVAL):
            state = self.latest()
            if state is None:
                self._newest = None  # destroyed, or the emulator is being started anew
                continue
            seen = (state.epoch, state.cursor)
            if self._newest is not None and seen < self._newest:
                self.went_back += 1
            self._newest = seen
