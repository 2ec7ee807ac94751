"""Timer and HTTP: training."""

import asyncio
import os
import sys

import azure.functions as func

from shared.contract.operations import TRAIN
from shared.endpoint import Call, operation
from shared.wiring import Application
from train_function.run import run_all

blueprint = func.Blueprint()


@blueprint.function_name("train")
@blueprint.timer_trigger("timer", schedule="%TRAIN_SCHEDULE%", run_on_startup=False)
def train(timer: func.TimerRequest) -> None:
    """Train all loops on schedule. It runs in a thread, and in Azure on its own instance."""
    run_all()


@operation(blueprint, TRAIN)
async def train_now(app: Application, call: Call) -> bytes:
    """Train at once, because a platform's timers can stop.

    It runs in a process of its own: a busy thread in this one would slow every Rank down.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "train_function.run",
        app.loop,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
    )
    report, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"training ended with code {process.returncode}")
    return report
