"""Microsoft's own worker runtime finds and executes the app."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.contract.operations import OPERATIONS
from tests.support.worker import answers_of

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def results(azurite):
    return answers_of(ROOT, azurite)


def test_all_functions_are_found(results):
    expected = {"train", "health", "nothing_here", "nothing_here_2019", "nothing_here_of_loop"}
    expected |= {"openapi", "page", "static", "ready"}
    expected |= {name for operation in OPERATIONS for name in operation.routes}

    assert set(results["functions"]) == expected


def test_rank_reward_and_the_timer_execute(results):
    assert results["rank"]["status"] in (201, "201")
    assert results["rank"]["body"]["rewardActionId"] == "a"
    assert results["reward"]["status"] in (204, "204")
    assert results["train"] == {"ok": True, "error": None}


def test_the_pages_come_with_their_media_type(results):
    assert results["page"] == {"status": "200", "type": "text/html; charset=utf-8"}
    assert results["static"] == {"status": "200", "type": "text/javascript; charset=utf-8"}


def test_no_function_json_switches_the_programming_model():
    ignored = {"node_modules", ".venv"}
    found = [p for p in ROOT.rglob("function.json") if not ignored & set(p.parts)]

    assert found == []


def test_the_app_refuses_to_start_without_a_key():
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PERSONALIZER_KEY")}
    ran = subprocess.run(
        [sys.executable, "-c", "import function_app"],
        cwd=ROOT,
        env={**environ, "DATA_STORAGE": "UseDevelopmentStorage=true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode != 0
    assert "PERSONALIZER_KEY_1" in ran.stderr
