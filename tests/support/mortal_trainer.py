"""A real trainer process that kills itself (SIGKILL) at its n-th write: before it, or after it.

``python -m tests.support.mortal_trainer N``: even ticks come before a write, odd ones after it.
"""

import asyncio
import os
import signal
import sys

from shared import wiring
from shared.services.train import Training, TrainService
from shared.storage.azure_blobs import AzureBlobStore


def make_mortal(ticks: int) -> None:
    """Let every write of a blob count, and the process end at one of them."""
    left = ticks
    upload = AzureBlobStore._upload

    def tick():
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    async def counted(self, *args, **options):
        tick()
        etag = await upload(self, *args, **options)
        tick()
        return etag

    AzureBlobStore._upload = counted


async def main(ticks: int) -> None:
    make_mortal(ticks)
    settings = wiring.settings()
    async with wiring.azure_stores(settings) as stores:
        app = wiring.build(settings, stores)
        trainer = TrainService(
            app.loop,
            app.loops,
            stores.blobs,
            stores.events,
            wiring.now,
            app.train._writing,
            Training(lease_seconds=15, events_per_step=40),
        )
        await trainer.train()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
