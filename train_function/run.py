"""One training run, in this process: ``python -m train_function.run [loop]``."""

import asyncio
import logging
import sys

import msgspec

from shared import wiring
from shared.services.train import TrainingReport

logger = logging.getLogger(__name__)


def run(loop: str) -> TrainingReport:
    """Train until nothing is left to learn or the run's time is over."""
    report = asyncio.run(_train(loop))
    logger.info("training of loop %s: %s", loop, report)
    return report


async def _train(loop: str) -> TrainingReport:
    settings = wiring.settings()
    async with wiring.azure_stores(settings) as stores:
        return await wiring.build(settings, stores, loop).train.train()


if __name__ == "__main__":
    arguments = sys.argv[1:] or [wiring.DEFAULT_LOOP]
    sys.stdout.buffer.write(msgspec.json.encode(run(arguments[0])))
