"""Reward on the wire."""

from shared.contract.errors import ErrorCode
from shared.contract.fields import decode, kind, named, parse_object, refuser

_refuse = refuser(ErrorCode.INVALID_REWARD_REQUEST)


def parse_reward(body: bytes) -> float:
    """Return a Reward call's value, between -1 and 1.

    Raises:
        ContractError: It is missing, no number, or out of range.
    """
    raw = named(parse_object(body), ("value",)).get("value")
    if raw is None:
        raise _refuse("value", "value is required.")
    value = decode(raw, "value", _refuse)
    if type(value) not in (int, float):
        raise _refuse("value", f"value must be a number, not {kind(value)}.")
    if not -1 <= value <= 1:
        raise _refuse("value", "value must be between -1 and 1.")
    return float(value)
