"""Runs over many loops on real storage: one that is broken does not hold up the others."""

import asyncio
import json
import os
import subprocess
import sys
import uuid

import pytest

from devserver.azurite import Azurite
from shared import wiring
from shared.services.loop_state import settings_name
from shared.settings import Settings
from tests.conftest import FAST

CODE = "from train_function.run import run_all; run_all()"


@pytest.fixture(scope="module")
def azurite():
    """An emulator that no running app trains loops on: it would get in between, and be locked."""
    emulator = Azurite(None)
    yield emulator.connection_string
    emulator.stop()


def environ_of(azurite, **changes):
    return {**os.environ, **FAST, "DATA_STORAGE": azurite, **changes}


def run(environ, *command):
    return subprocess.run(
        [sys.executable, *command],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def loops():
    root = f"r{uuid.uuid4().hex[:8]}"
    return [f"{root}{letter}" for letter in "abc"]


def test_a_loop_that_cannot_be_trained_does_not_stop_the_others(azurite, loops):
    environ = environ_of(azurite)
    settings = Settings.from_environ(environ)

    async def prepare():
        async with wiring.azure_stores(settings) as stores:
            process = wiring.Process(settings, stores)
            for loop in loops:
                await process.registry.create(loop)
            await stores.blobs.put(settings_name(loops[1]), b"damaged")

    async def trained():
        async with wiring.azure_stores(settings) as stores:
            process = wiring.Process(settings, stores)
            states = [(await process.application(loop)).loops for loop in (loops[0], loops[2])]
            found = [
                (await each.state(loop))[0].fingerprint
                for each, loop in zip(states, (loops[0], loops[2]), strict=True)
            ]
            return found

    asyncio.run(prepare())
    ran = run(environ, "-c", CODE)

    assert ran.returncode != 0
    assert loops[1] in ran.stderr
    assert all(asyncio.run(trained()))


def test_a_declaration_that_does_not_fit_a_loop_leaves_the_rest_alone(azurite, loops):
    document = {"serviceConfiguration": {"logRetentionDays": 5}}
    declared = {loops[0]: document, loops[1]: {}}
    environ = environ_of(azurite, LOOPS=json.dumps(declared))
    settings = Settings.from_environ(environ)
    long_wait = b'{"serviceConfiguration": {"rewardWaitTime": "P9D", "logRetentionDays": 30}}'

    async def declare():
        async with wiring.azure_stores(settings) as stores:
            process = wiring.Process(settings, stores)
            await process.registry.create(loops[0])
            app = await process.application(loops[0])
            change = wiring.parse_loop_document(long_wait, wiring.now).change
            await app.loops.change_settings(loops[0], change)

            await process.declare()

            assert (await app.loops.settings(loops[0]))[0].log_retention_days == 30
            names = await process.registry.names()
            for loop in loops[:2]:
                await process.registry.delete(loop)
            return process.declared, names

    done, names = asyncio.run(declare())

    assert done
    assert loops[1] in names


def test_the_program_says_that_there_is_no_such_loop(azurite):
    ran = run(environ_of(azurite), "-m", "train_function.run", "nosuchloop")

    assert (ran.returncode, ran.stdout) == (66, "")
