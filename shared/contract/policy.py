"""Learning settings (the retired service's "policy") on the wire."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from shared.contract.errors import ContractError, ErrorCode, sentence
from shared.contract.fields import (
    as_float32,
    check_id,
    decode,
    kind,
    named,
    parse_object,
    refuser,
)
from shared.learner.arguments import (
    MAX_LENGTH,
    ArgumentsError,
    InvalidArgument,
    explicit_epsilon,
    parse,
    with_epsilon,
)
from shared.services.loop_settings import (
    DEFAULT_ARGUMENTS,
    DEFAULT_SLOTS_ARGUMENTS,
    LoopSettings,
)

_malformed = refuser(ErrorCode.INVALID_POLICY_CONTRACT)
_unusable = refuser(ErrorCode.INVALID_POLICY_CONFIGURATION)


def parse_policy(body: bytes, current: LoopSettings, now: datetime) -> LoopSettings:
    """Return the settings after a PUT of a policy.

    An ``--epsilon`` in the arguments becomes the exploration, to float32 as the service
    configuration has it; without one it stays as it is.

    Raises:
        ContractError: Name or arguments are missing, an argument cannot be used, or the policy has
            slots and auto-optimization is enabled.
    """
    changed = declared_policy(body, current, now)
    if changed.has_slots and current.auto_optimization.enabled:
        raise ContractError(
            ErrorCode.AUTO_OPTIMIZATION_WITH_SLOTS,
            "Auto-optimization is not compatible with slots; set isAutoOptimizationEnabled to "
            "false first.",
            "arguments",
        )
    return changed


def declared_policy(body: bytes, current: LoopSettings, now: datetime) -> LoopSettings:
    """Return the settings with another policy, and without auto-optimization if it has slots.

    Raises:
        ContractError: Name or arguments are missing, or an argument cannot be used.
    """
    members: dict[str, Any] = {
        name: decode(raw, name, _malformed)
        for name, raw in named(parse_object(body), ("name", "arguments")).items()
    }
    for name in ("name", "arguments"):
        if members.get(name) is None:
            raise _malformed(name, f"{name} is required.")
    check_id(members["name"], "name", _malformed)
    arguments = members["arguments"]
    if type(arguments) is not str:
        raise _malformed("arguments", f"arguments must be a string, not {kind(arguments)}.")
    if len(arguments) > MAX_LENGTH:
        raise _malformed("arguments", f"arguments must have at most {MAX_LENGTH} characters.")
    if not any(flag in arguments for flag in ("--cb_explore_adf", "--ccb_explore_adf")):
        raise _unusable("arguments", "The learning policy must contain --cb_explore_adf or --cats.")
    try:
        parse(arguments)
        epsilon = explicit_epsilon(arguments)
        exploration = current.exploration if epsilon is None else as_float32(epsilon)
        explored(arguments, exploration)
    except ArgumentsError as exc:
        raise _unusable("arguments", sentence(exc)) from exc
    changed = replace(current, arguments=arguments, exploration=exploration, last_edit=now)
    if not changed.has_slots:
        return changed
    return replace(changed, auto_optimization=replace(current.auto_optimization, enabled=False))


def explored(arguments: str, exploration: float) -> str:
    """Return arguments with an exploration written into them, sure to be usable for learning.

    The exploration is written as text, and again whenever the settings are used: it may not
    fit, a quote may get in its way, or it may land in the value of another argument.

    Raises:
        ArgumentsError: The result would not be usable.
    """
    written = with_epsilon(arguments, exploration)
    try:
        usable = parse(written).epsilon == exploration
        usable = usable and with_epsilon(written, exploration) == written
    except ArgumentsError as exc:
        raise InvalidArgument(
            "--epsilon", f"the arguments cannot take --epsilon {exploration!r}: {exc}"
        ) from exc
    if not usable:
        raise InvalidArgument(
            "--epsilon", "--epsilon must be an argument of its own, without quotes"
        )
    return written


def reset_policy(current: LoopSettings, now: datetime) -> LoopSettings:
    """Return the settings with the default policy, with slots if the present one has them."""
    return replace(
        current,
        arguments=DEFAULT_SLOTS_ARGUMENTS if current.has_slots else DEFAULT_ARGUMENTS,
        exploration=explicit_epsilon(DEFAULT_ARGUMENTS) or 0.0,
        last_edit=now,
    )


def render_policy(settings: LoopSettings) -> bytes:
    """Return the body of the answer; the name is the loop's own, not the one that was sent."""
    return msgspec.json.encode({"name": settings.policy_name, "arguments": settings.arguments})
