"""HTTP: Rank, of one action or of one for each slot."""

import azure.functions as func

from shared.contract.multislot import parse_slots_rank, render_slots_rank
from shared.contract.operations import MULTI_SLOT_RANK, RANK
from shared.contract.rank import parse_rank, render_rank
from shared.endpoint import Call, operation
from shared.wiring import Application

blueprint = func.Blueprint()


@operation(blueprint, RANK)
async def rank(app: Application, call: Call) -> bytes:
    """Decide which action to take."""
    decided = await app.rank.rank(parse_rank(call.body))
    return render_rank(decided, await app.rank.explain(decided))


@operation(blueprint, MULTI_SLOT_RANK)
async def multi_slot_rank(app: Application, call: Call) -> bytes:
    """Decide which action to put into each slot."""
    return render_slots_rank(await app.rank.rank_slots(parse_slots_rank(call.body)))
