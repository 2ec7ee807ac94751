"""HTTP: Rank."""

import azure.functions as func

from shared.contract.operations import RANK
from shared.contract.rank import parse_rank, render_rank
from shared.endpoint import Call, operation
from shared.wiring import Application

blueprint = func.Blueprint()


@operation(blueprint, RANK)
async def rank(app: Application, call: Call) -> bytes:
    """Decide which action to take."""
    decided = await app.rank.rank(parse_rank(call.body))
    return render_rank(decided, await app.rank.explain(decided))
