"""HTTP: Rank, of one action or of one for each slot."""

from collections.abc import Awaitable
from typing import TypeVar

import azure.functions as func

from shared.contract.multislot import parse_slots_rank, render_slots_rank
from shared.contract.operations import MULTI_SLOT_RANK, RANK, UNLOGGED_HEADER
from shared.contract.rank import parse_rank, render_rank
from shared.endpoint import Answer, Call, operation
from shared.services.rank import NotLogged
from shared.wiring import Application

T = TypeVar("T")

blueprint = func.Blueprint()


@operation(blueprint, RANK)
async def rank(app: Application, call: Call) -> Answer:
    """Decide which action to take."""
    decided, headers = await _decided(app.rank.rank(parse_rank(call.body)))
    return Answer(render_rank(decided, await app.rank.explain(decided)), headers)


@operation(blueprint, MULTI_SLOT_RANK)
async def multi_slot_rank(app: Application, call: Call) -> Answer:
    """Decide which action to put into each slot."""
    decided, headers = await _decided(app.rank.rank_slots(parse_slots_rank(call.body)))
    return Answer(render_slots_rank(decided), headers)


async def _decided(ranking: Awaitable[T]) -> tuple[T, dict[str, str]]:
    """Return a decision and the headers that say whether it is stored."""
    try:
        return await ranking, {}
    except NotLogged as exc:
        return exc.interaction, {UNLOGGED_HEADER: "true"}
