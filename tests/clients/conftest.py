"""Where clients are pointed at: the app itself, and one of its loops with a key of its own."""

from dataclasses import dataclass

import pytest

from tests.support.loops import new_loop


@dataclass(frozen=True)
class Endpoint:
    """What a client of the retired service is told."""

    url: str
    key: str


@pytest.fixture(scope="module", params=["root", "loop"])
def endpoint(request, running_app):
    """The root, without a slash at its end, or a new loop, with one."""
    if request.param == "root":
        yield Endpoint(running_app.url.rstrip("/"), running_app.key)
        return
    with new_loop(running_app) as loop:
        yield Endpoint(f"{running_app.url}loops/{loop.name}/", loop.keys[0])
