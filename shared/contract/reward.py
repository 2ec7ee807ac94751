"""Reward on the wire: of an event, or of its slots."""

from typing import Any

from shared.contract.errors import ErrorCode
from shared.contract.fields import check_id, decode, kind, named, parse_object, refuser
from shared.events.observation import SlotReward

_refuse = refuser(ErrorCode.INVALID_REWARD_REQUEST)


def parse_reward(body: bytes) -> float:
    """Return a Reward call's value, between -1 and 1.

    Raises:
        ContractError: It is missing, no number, or out of range.
    """
    raw = named(parse_object(body), ("value",)).get("value")
    return _value(None if raw is None else decode(raw, "value", _refuse), "value")


def parse_slot_rewards(body: bytes) -> tuple[SlotReward, ...]:
    """Return a multi-slot Reward call's values, each between -1 and 1, in their order.

    Raises:
        ContractError: They are missing, or one of them is malformed; ``target`` names the field.
    """
    raw = named(parse_object(body), ("reward",)).get("reward")
    items = None if raw is None else decode(raw, "reward", _refuse)
    if items is None:
        raise _refuse("reward", "reward is required.")
    if type(items) is not list:
        raise _refuse("reward", f"reward must be an array, not {kind(items)}.")
    return tuple(_slot_reward(item, f"reward[{index}]") for index, item in enumerate(items))


def _slot_reward(item: Any, target: str) -> SlotReward:
    if type(item) is not dict:
        raise _refuse(target, f"A slot's reward must be an object, not {kind(item)}.")
    members = named(item, ("slotId", "value"))
    slot = members.get("slotId")
    if slot is None:
        raise _refuse(f"{target}.slotId", "slotId is required.")
    return SlotReward(
        check_id(slot, f"{target}.slotId", _refuse), _value(members.get("value"), f"{target}.value")
    )


def _value(value: Any, target: str) -> float:
    if value is None:
        raise _refuse(target, "value is required.")
    if type(value) not in (int, float):
        raise _refuse(target, f"value must be a number, not {kind(value)}.")
    if not -1 <= value <= 1:
        raise _refuse(target, "value must be between -1 and 1.")
    return float(value)
