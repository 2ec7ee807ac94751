"""Where the processes of the dev server write their logs, and how much.

``DEVSERVER_LOG_LEVEL`` is a level of ``logging`` for all libraries; ``DEVSERVER_LOGS`` is a folder
that gets a file for each process, in place of the terminal.
"""

import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def configure() -> None:
    """Write this process's log records to standard error."""
    level = os.environ.get("DEVSERVER_LOG_LEVEL", "WARNING")
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")


def new_file(name: str, environ: Mapping[str, str]) -> int | None:
    """Return an open file for what a process will write; None for the terminal."""
    folder = environ.get("DEVSERVER_LOGS")
    if not folder:
        return None
    return tempfile.mkstemp(".log", f"{name.replace(' ', '-')}-", Path(folder))[0]
