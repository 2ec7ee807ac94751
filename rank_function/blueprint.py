"""HTTP: Rank, of one action or of one for each slot."""

import azure.functions as func

from shared.contract.multislot import parse_slots_rank, render_slots_rank
from shared.contract.operations import MULTI_SLOT_RANK, RANK, UNLOGGED_HEADER
from shared.contract.rank import parse_rank, render_rank
from shared.endpoint import Answer, Call, operation
from shared.services.rank import NotLogged
from shared.wiring import Application

blueprint = func.Blueprint()

UNLOGGED = {UNLOGGED_HEADER: "true"}


@operation(blueprint, RANK)
async def rank(app: Application, call: Call) -> Answer:
    """Decide which action to take."""
    headers = {}
    try:
        decided = await app.rank.rank(parse_rank(call.body))
    except NotLogged as exc:
        decided, headers = exc.interaction, UNLOGGED
    return Answer(render_rank(decided, await app.rank.explain(decided)), headers)


@operation(blueprint, MULTI_SLOT_RANK)
async def multi_slot_rank(app: Application, call: Call) -> Answer:
    """Decide which action to put into each slot."""
    headers = {}
    try:
        decided = await app.rank.rank_slots(parse_slots_rank(call.body))
    except NotLogged as exc:
        decided, headers = exc.interaction, UNLOGGED
    return Answer(render_slots_rank(decided), headers)
