"""Loops on the wire: our own operations."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from shared.contract.errors import ContractError, ErrorCode
from shared.contract.policy import render_policy
from shared.contract.service_configuration import render_service_configuration
from shared.contract.versions import ApiVersion
from shared.services.loop_registry import KEYS, LoopRecord
from shared.services.loop_settings import LoopSettings
from shared.services.loop_state import LoopState


def render_loop(
    record: LoopRecord, settings: LoopSettings, state: LoopState, keys: Sequence[str] = ()
) -> bytes:
    """Return what there is to know about a loop; its keys only when they were just made."""
    body: dict[str, Any] = {
        "name": record.name,
        "created": record.created,
        "serviceConfiguration": msgspec.Raw(
            render_service_configuration(settings, ApiVersion.V2022_09_01_PREVIEW)
        ),
        "policy": msgspec.Raw(render_policy(settings)),
        "state": {
            "epoch": state.epoch,
            "learnedUntil": datetime.fromtimestamp(state.cursor, UTC),
            "settingsFingerprint": state.fingerprint,
            "relearning": state.replay,
            "trainedModel": state.trained,
            "publishedModel": state.published,
            "publishedAt": state.published_at,
            "lastTraining": state.last_training,
            "earlierModels": state.history,
        },
        "counters": {_camel(name): n for name, n in msgspec.to_builtins(state.counters).items()},
    }
    if keys:
        body["keys"] = keys
    return msgspec.json.encode(body)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def render_loops(names: Sequence[str]) -> bytes:
    """Return the names of all loops."""
    return msgspec.json.encode({"loops": [{"name": name} for name in names]})


def render_key(number: int, key: str) -> bytes:
    """Return a key that was just made."""
    return msgspec.json.encode({"number": number, "key": key})


def parse_key_number(text: str) -> int:
    """Return which of a loop's keys is meant.

    Raises:
        ContractError: There is no such key.
    """
    if text not in [str(number) for number in range(1, KEYS + 1)]:
        raise ContractError(ErrorCode.BAD_REQUEST, f"Keys have numbers 1 to {KEYS}.", "number")
    return int(text)


def no_loop_name(name: str) -> ContractError:
    """Return the error for a name that no loop can have."""
    return ContractError(
        ErrorCode.BAD_REQUEST,
        f"{name!r} cannot be a loop's name: a lower-case letter, then 2 to 19 letters or digits.",
        "loop",
    )
