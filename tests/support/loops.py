"""Loops that a test has for itself."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.support.simulation import call


class NewLoop(NamedTuple):
    """A loop that was just made."""

    name: str
    keys: list[str]


@contextmanager
def new_loop(app: Any, document: dict[str, Any] | None = None) -> Iterator[NewLoop]:
    """Make a loop with declared settings; delete it afterwards."""
    name = "x" + uuid.uuid4().hex[:10]
    status, made = call(app, "PUT", f"loops/{name}", document)
    assert status == 201, made
    yield NewLoop(name, made["keys"])
    for _ in range(50):
        if call(app, "DELETE", f"loops/{name}")[0] != 409:
            break
        time.sleep(0.1)  # it is being trained
