"""Training runs, in this process: ``python -m train_function.run LOOP``."""

import asyncio
import logging
import random
import sys
import time

import msgspec

from shared import wiring
from shared.services.failures import trace
from shared.services.loop_state import UnknownLoop
from shared.services.ports import StorageError, StorageUnavailable
from shared.services.train import TrainingReport

logger = logging.getLogger(__name__)

RUN_FOR = 8 * 60
"""Seconds: below the platform's limit for one run, ``functionTimeout`` in host.json."""

NO_STORAGE, NO_LOOP, FAULT = 75, 66, 70
"""Exit codes of this module as a program (``EX_TEMPFAIL``, ``EX_NOINPUT``, ``EX_SOFTWARE``)."""


def run(loop: str) -> TrainingReport:
    """Train a loop until nothing is left to learn or the run's time is over."""
    try:
        return asyncio.run(_train(loop))
    finally:
        wiring.meter().flush()


def run_all() -> None:
    """Train every loop, one after the other. One that cannot be trained does not stop the rest.

    After ``RUN_FOR`` seconds no further loop is begun; the next run does.

    Raises:
        StorageError: At least one loop could not be trained.
    """
    try:
        asyncio.run(_train_all())
    finally:
        wiring.meter().flush()  # the platform may end this process before the next minute


async def _train_all() -> None:
    settings = wiring.settings()
    failed = []
    ends = time.monotonic() + RUN_FOR
    async with wiring.azure_stores(settings) as stores:
        process = wiring.Process(settings, stores, wiring.meter())
        await process.declare()
        loops = await process.registry.names()
        random.shuffle(loops)  # where time is too short for all, none is always the last
        for loop in loops:
            if time.monotonic() > ends:
                break
            try:
                await _report(process, loop)
            except UnknownLoop:
                pass  # it was deleted in the meantime
            except Exception as exc:  # noqa: BLE001 (others must be trained)
                why = exc if isinstance(exc, StorageUnavailable) else trace(exc)
                logger.error("loop %s cannot be trained: %s", loop, why)
                failed.append(loop)
    if failed:
        raise StorageError(f"loops that could not be trained: {', '.join(failed)}")


async def _train(loop: str) -> TrainingReport:
    settings = wiring.settings()
    async with wiring.azure_stores(settings) as stores:
        return await _report(wiring.Process(settings, stores, wiring.meter()), loop)


async def _report(process: wiring.Process, loop: str) -> TrainingReport:
    report = await (await process.application(loop)).train.train()
    logger.info("training of loop %s: %s", loop, report)
    return report


def main(loop: str) -> int:
    """Train a loop, write the report and return the exit code."""
    try:
        report = run(loop)
    except UnknownLoop:
        return NO_LOOP
    except StorageError as exc:
        logger.error("loop %s cannot be trained: %s", loop, exc)
        return NO_STORAGE
    except Exception as exc:  # noqa: BLE001 (the interpreter would print its message)
        logger.error("loop %s cannot be trained: %s", loop, trace(exc))
        return FAULT
    sys.stdout.buffer.write(msgspec.json.encode(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
