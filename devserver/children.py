"""Processes that this one starts, watches and always ends."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from devserver.logs import new_file

_PR_SET_PDEATHSIG = 1
PATIENCE = 8.0
"""Seconds between asking a process to end and ending it."""


class Child:
    """A running process with a name."""

    def __init__(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], *, quiet: bool = False
    ) -> None:
        """Start it; it ends with this process even if that is killed (on Linux)."""
        self.name = name
        log = None if quiet else new_file(name, environ)
        self.process = subprocess.Popen(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else log,
            stderr=subprocess.STDOUT if quiet else log,
            text=True,
            start_new_session=True,  # Ctrl-C reaches this process only, which ends the others
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        if log is not None:
            os.close(log)

    @property
    def ended(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """Ask it to end, insist after a while."""
        if self.ended is None:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:  # the parent has gone in between
        os._exit(1)
