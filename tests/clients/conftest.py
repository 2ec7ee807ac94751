"""Where clients are pointed at: the app itself, and one of its loops with a key of its own."""

import uuid
from dataclasses import dataclass

import pytest

from tests.support.simulation import call


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
    name = "k" + uuid.uuid4().hex[:10]
    status, made = call(running_app, "PUT", f"loops/{name}")
    assert status == 201
    yield Endpoint(f"{running_app.url}loops/{name}/", made["keys"][0])
    for _ in range(50):
        if call(running_app, "DELETE", f"loops/{name}")[0] != 409:  # it is being trained
            break
