"""Timer and HTTP: training."""

import asyncio
import os
import sys

import azure.functions as func

from shared.contract.errors import ContractError, ErrorCode
from shared.endpoint import authenticate, refusal, response
from shared.wiring import DEFAULT_LOOP
from train_function.run import run

blueprint = func.Blueprint()


@blueprint.function_name("train")
@blueprint.timer_trigger("timer", schedule="%TRAIN_SCHEDULE%", run_on_startup=False)
def train(timer: func.TimerRequest) -> None:
    """Train on schedule. Synchronous: it runs in a thread, and in Azure on its own instance."""
    run(DEFAULT_LOOP)


@blueprint.function_name("train_now")
@blueprint.route("loops/{loop}/train", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def train_now(req: func.HttpRequest) -> func.HttpResponse:
    """Train at once, because a platform's timers can stop.

    It runs in a process of its own: a busy thread in this one would slow every Rank down.
    """
    try:
        authenticate(req)
        loop = req.route_params["loop"]
        if loop != DEFAULT_LOOP:
            raise ContractError(ErrorCode.RESOURCE_NOT_FOUND, "There is no such loop.", "loop")
    except ContractError as exc:
        return refusal(exc)
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
    if process.returncode != 0:
        return refusal(RuntimeError(f"training ended with code {process.returncode}"))
    return response(200, report)
