"""HTTP: Reward and Activate."""

import azure.functions as func

from shared.contract.event_ids import event_id_from_url
from shared.contract.operations import ACTIVATE, REWARD
from shared.contract.reward import parse_reward
from shared.endpoint import Call, operation
from shared.wiring import Application

blueprint = func.Blueprint()


@operation(blueprint, REWARD)
async def reward(app: Application, call: Call) -> bytes:
    """Record how well a decision went; unknown event ids are accepted too."""
    event_id = event_id_from_url(call.url)
    await app.reward.reward(event_id, parse_reward(call.body))
    return b""


@operation(blueprint, ACTIVATE)
async def activate(app: Application, call: Call) -> bytes:
    """Record that a deferred decision was shown; the body is ignored."""
    await app.reward.activate(event_id_from_url(call.url))
    return b""
