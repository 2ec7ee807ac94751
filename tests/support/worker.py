"""Runs an app folder under Microsoft's worker runtime, in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import FAST

HOST = Path(__file__).with_name("worker_host.py")


def answers_of(folder, storage):
    """What the app in ``folder`` answers to a Rank, a Reward and its timer."""
    if importlib.util.find_spec("azure_functions_runtime") is None:
        pytest.skip("azure-functions-runtime is not installed; `make test` installs it")
    ran = subprocess.run(
        [sys.executable, str(HOST), str(folder)],
        cwd=folder,
        env={**os.environ, **FAST, "DATA_STORAGE": storage},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    lines = [line for line in ran.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, ran.stderr[-2000:]
    return json.loads(lines[-1].removeprefix("RESULT "))
