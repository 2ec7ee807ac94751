"""HTTP: Reward and Activate, of events with one action or with slots."""

import azure.functions as func

from shared.contract.event_ids import event_id_from_url
from shared.contract.operations import ACTIVATE, MULTI_SLOT_ACTIVATE, MULTI_SLOT_REWARD, REWARD
from shared.contract.reward import parse_reward, parse_slot_rewards
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


@operation(blueprint, MULTI_SLOT_REWARD)
async def multi_slot_reward(app: Application, call: Call) -> bytes:
    """Record how well slots of a decision went; unknown event and slot ids are accepted too."""
    event_id = event_id_from_url(call.url)
    await app.reward.reward_slots(event_id, parse_slot_rewards(call.body))
    return b""


@operation(blueprint, MULTI_SLOT_ACTIVATE)
async def multi_slot_activate(app: Application, call: Call) -> bytes:
    """Record that a deferred decision was shown, in all its slots; the body is ignored."""
    await app.reward.activate(event_id_from_url(call.url), slots=True)
    return b""
