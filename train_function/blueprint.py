"""Timer and HTTP: training."""

import asyncio
import os
import sys

import azure.functions as func

from shared.contract.operations import TRAIN
from shared.endpoint import Call, operation
from shared.services.loop_state import UnknownLoop
from shared.services.ports import StorageUnavailable
from shared.wiring import Application
from train_function.run import NO_LOOP, NO_STORAGE, run_all

blueprint = func.Blueprint()

_running: dict[str, asyncio.Task[bytes]] = {}
_one_at_a_time = asyncio.Semaphore()  # processes are large, and whoever has a key can ask for one


@blueprint.function_name("train")
@blueprint.timer_trigger("timer", schedule="%TRAIN_SCHEDULE%", run_on_startup=False)
def train(timer: func.TimerRequest) -> None:
    """Train all loops on schedule. It runs in a thread, and in Azure on its own instance."""
    run_all()


@operation(blueprint, TRAIN)
async def train_now(app: Application, call: Call) -> bytes:
    """Train at once, because a platform's timers can stop.

    It runs in a process of its own: a busy thread in this one would slow every Rank down. Calls
    for a loop that is being trained get the report of the run under way.
    """
    running = _running.get(app.loop)
    if running is None:
        running = _running[app.loop] = asyncio.create_task(_train(app.loop))
        running.add_done_callback(lambda _: _running.pop(app.loop))
    return await asyncio.shield(running)


async def _train(loop: str) -> bytes:
    async with _one_at_a_time:
        return await _run(loop)


async def _run(loop: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "train_function.run",
        loop,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
    )
    report, _ = await process.communicate()
    if process.returncode == NO_LOOP:
        raise UnknownLoop(loop)
    if process.returncode == NO_STORAGE:
        raise StorageUnavailable("training found no storage")
    if process.returncode != 0:
        raise RuntimeError(f"training ended with code {process.returncode}")
    return report
