"""Rank on the wire: the request with its features, and the ranking in the answer."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from shared.contract.errors import ErrorCode
from shared.contract.fields import (
    check_id,
    decode,
    fits_float32,
    kind,
    named,
    parse_object,
    refuser,
)
from shared.events.interaction import Interaction
from shared.events.learning_mode import LearningMode
from shared.learner.explanation import Explanation
from shared.services.rank_request import Action, RankRequest

MAX_ACTIONS = 50
MAX_DEPTH = 16
"""Of objects inside features."""
MAX_KNOWN_BYTES = 4096
"""Of an action that is remembered; it bounds the memory that callers can fill."""

_refuse = refuser(ErrorCode.INVALID_RANK_REQUEST)
_encode = msgspec.json.Encoder().encode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NAMES = ("actions", "contextFeatures", "excludedActions", "eventId", "deferActivation")
_ACTION_NAMES = ("id", "features")


def parse_rank(body: bytes) -> RankRequest:
    """Return a Rank call's request.

    Raises:
        ContractError: It is malformed; ``target`` names the field.
    """
    members = named(parse_object(body), _NAMES)
    actions = _actions(members.get("actions"))
    excluded = _excluded(members)
    if all(action.id in excluded for action in actions):
        raise _refuse("excludedActions", "At least one action must not be excluded.")
    return RankRequest(
        event_id=_event_id(members),
        context_features=_context(members),
        actions=actions,
        excluded=excluded,
        defer_activation=_defer(members),
    )


def render_rank(
    interaction: Interaction, explanations: Sequence[Explanation] | None = None
) -> bytes:
    """Return the answer's body.

    Excluded actions keep their place with probability 0; the others fill the free places in the
    order of the ranking, or in their own where the baseline action is shown. The action to take
    is named apart: it need not be the first.

    Args:
        interaction: The decision.
        explanations: Of the offered actions, in their order; None where they are not asked for.
    """
    order: Sequence[int] = interaction.ranking
    if interaction.mode is not LearningMode.ONLINE:
        order = range(len(interaction.actions))
    ranking: list[dict[str, Any] | None] = [None] * (
        len(interaction.actions) + len(interaction.excluded)
    )
    for excluded in interaction.excluded:
        ranking[excluded.position] = {"id": excluded.id, "probability": 0.0}
    ranked = iter(order)
    for place, taken in enumerate(ranking):
        if taken is None:
            action = next(ranked)
            ranking[place] = {
                "id": interaction.actions[action],
                "probability": interaction.probabilities[action],
            }
    answer: dict[str, Any] = {
        "ranking": ranking,
        "eventId": interaction.event_id,
        "rewardActionId": interaction.actions[interaction.shown],
    }
    if explanations is not None:
        answer["inferenceExplanation"] = [
            {
                "id": action,
                "features": [{"name": c.name, "score": c.score} for c in each.contributions],
            }
            for action, each in zip(interaction.actions, explanations, strict=True)
        ]
    return _encode(answer)


def _actions(raw: msgspec.Raw | None) -> tuple[Action, ...]:
    if raw is None:
        raise _refuse("actions", "actions is required.")
    items = _list(raw, "actions")
    if not 1 <= len(items) <= MAX_ACTIONS:
        raise _refuse("actions", f"Action count should be between 1 and {MAX_ACTIONS}.")
    actions = tuple(_action(bytes(item), index) for index, item in enumerate(items))
    if len({action.id for action in actions}) < len(actions):
        raise _refuse("actions", "Action ids must be unique.")
    return actions


def _action(text: bytes, index: int) -> Action:
    """Parse an action; one that was seen before is not decoded again, unless it is large."""
    parse = _known_action if len(text) <= MAX_KNOWN_BYTES else _parse_action
    try:
        return parse(text)
    except _FieldError as exc:
        raise _refuse(f"actions[{index}]{exc.path}", exc.message) from exc


class _FieldError(Exception):
    """A field below an action is wrong; the action's index is not known yet."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def _parse_action(text: bytes) -> Action:
    def refuse_id(target: str, message: str) -> Any:
        return _FieldError(f".{target}", message)

    def refuse_all(target: str, message: str) -> Any:
        return _FieldError("", message)

    value = decode(text, "An action", refuse_all)
    if value is None:
        raise _FieldError("", "Actions contains null value.")
    if type(value) is not dict:
        raise _FieldError("", f"An action must be an object, not {kind(value)}.")
    members = named(value, _ACTION_NAMES)
    name = members.get("id")
    if name is None or name == "":
        raise _FieldError(".id", "Action ids must not be empty.")
    features = members.get("features")
    if features is None:
        raise _FieldError(
            ".features", "Every action should have at least one non-null action feature."
        )
    if type(features) is not list:
        raise _FieldError(".features", f"features must be an array, not {kind(features)}.")
    present = [(i, item) for i, item in enumerate(features) if item is not None]
    if not present:
        raise _FieldError(
            ".features", "Every action should have at least one non-null action feature."
        )
    clean = [_object(item, f".features[{i}]", 1) for i, item in present]
    return Action(check_id(name, "id", refuse_id), _text(clean, ".features"))


_known_action = lru_cache(maxsize=8192)(_parse_action)


def _context(members: dict[str, msgspec.Raw]) -> bytes:
    raw = members.get("contextFeatures")
    if raw is None or bytes(raw) == b"null":
        return b"[]"
    items = decode(raw, "contextFeatures", _refuse)
    if type(items) is not list:
        raise _refuse("contextFeatures", f"contextFeatures must be an array, not {kind(items)}.")
    clean = []
    try:
        for index, item in enumerate(items):
            if item is None:
                raise _FieldError(f"[{index}]", "Context features contains null value.")
            clean.append(_object(item, f"[{index}]", 1))
        return _text(clean, "")
    except _FieldError as exc:
        raise _refuse(f"contextFeatures{exc.path}", exc.message) from exc


def _object(value: Any, path: str, depth: int) -> dict[str, Any]:
    """Return an object of features as the learner gets it."""
    if type(value) is not dict:
        raise _FieldError(path, f"A feature item must be an object, not {kind(value)}.")
    if depth > MAX_DEPTH:
        raise _FieldError(path, f"Features may be nested {MAX_DEPTH} levels deep.")
    clean: dict[str, Any] = {}
    for name, member in value.items():
        if name == "":
            raise _FieldError(path, "Features may not have an empty name.")
        if name[0] == "_":
            continue  # the retired service ignored such names
        clean[name] = _value(member, path, name, depth)
    return clean


def _value(value: Any, path: str, name: str, depth: int) -> Any:
    of = type(value)
    if of is str or of is bool:
        return value
    if of is int or of is float:
        return _feature_number(value, f"{path}.{name}")
    if value is None:
        return "null"
    if of is dict:
        return _object(value, f"{path}.{name}", depth + 1)
    for item in value:
        if type(item) not in (int, float):
            raise _FieldError(
                f"{path}.{name}", "Features should not contain array with non-number items."
            )
        _feature_number(item, f"{path}.{name}")
    return value


def _feature_number(value: float, path: str) -> float:
    if not fits_float32(value):
        raise _FieldError(path, "A feature's number must be finite as a 32-bit float.")
    return value


def _text(clean: list[dict[str, Any]], path: str) -> bytes:
    try:
        return _encode(clean)
    except (UnicodeEncodeError, OverflowError, RecursionError, msgspec.EncodeError) as exc:
        raise _FieldError(path, "Features hold text that is not valid Unicode.") from exc


def _excluded(members: dict[str, msgspec.Raw]) -> frozenset[str]:
    raw = members.get("excludedActions")
    names = None if raw is None else decode(raw, "excludedActions", _refuse)
    if names is None:
        return frozenset()
    if type(names) is not list:
        raise _refuse("excludedActions", f"excludedActions must be an array, not {kind(names)}.")
    for index, name in enumerate(names):
        if type(name) is not str:
            raise _refuse(f"excludedActions[{index}]", f"An id must be a string, not {kind(name)}.")
    return frozenset(names)


def _event_id(members: dict[str, msgspec.Raw]) -> str | None:
    raw = members.get("eventId")
    value = None if raw is None else decode(raw, "eventId", _refuse)
    if value is None:
        return None
    if value == "":
        raise _refuse("eventId", "EventId should be non-empty or null.")
    return check_id(value, "eventId", _refuse)


def _defer(members: dict[str, msgspec.Raw]) -> bool:
    raw = members.get("deferActivation")
    value = None if raw is None else decode(raw, "deferActivation", _refuse)
    if value is None:
        return False
    if type(value) is not bool:
        raise _refuse("deferActivation", f"deferActivation must be a boolean, not {kind(value)}.")
    return value


def _list(raw: msgspec.Raw, target: str) -> list[msgspec.Raw]:
    try:
        return _decode_list(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise _refuse(target, f"{target} must be an array.") from exc
