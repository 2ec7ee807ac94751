"""The dev server as a person runs it: one line when ready, and nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from tests.conftest import FAST


@pytest.fixture
def server():
    process = start(0)
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stdout.close()


def start(port):
    environ = {**os.environ, **FAST, "EPHEMERAL": "1"}
    environ.pop("DATA_STORAGE", None)
    return subprocess.Popen(
        [sys.executable, "-m", "devserver", "--port", str(port)],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_it_nothing_is_left(server, number):
    line = server.stdout.readline()
    children = psutil.Process(server.pid).children(recursive=True)

    server.send_signal(number)
    code = server.wait(20)

    assert line.startswith("ready: http://127.0.0.1:")
    assert line.rstrip().endswith(f"key: {FAST['PERSONALIZER_KEY_1']}")
    assert len(children) == 3
    assert code == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    deadline = time.monotonic() + 15
    while any(child.is_running() and child.status() != "zombie" for child in children):
        assert time.monotonic() < deadline, "a child has been left behind"
        time.sleep(0.1)


def test_a_port_in_use_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(taken.getsockname()[1])
        said, _ = process.communicate(timeout=30)

    assert process.returncode == 1
    assert said.startswith("error: port ")
    assert said.count("\n") == 1
