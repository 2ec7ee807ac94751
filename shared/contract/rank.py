"""Rank on the wire: the request with its features, and the ranking in the answer."""

from collections.abc import Sequence
from typing import Any

import msgspec

from shared.contract.errors import ErrorCode
from shared.contract.features import FieldError, features_json
from shared.contract.fields import check_id, decode, kind, named, parse_object, refuser
from shared.events.interaction import Interaction
from shared.events.learning_mode import LearningMode
from shared.learner.explanation import Explanation
from shared.learner.recently_used import RecentlyUsed
from shared.services.rank_request import Action, RankRequest

MAX_ACTIONS = 50
KNOWN_BUDGET = 32 << 20
"""Bytes for actions that are not read again when they come again, and as many for lists of them."""

refuse = refuser(ErrorCode.INVALID_RANK_REQUEST)
"""Makes the error for a field of a Rank call, with slots or without."""

_known_actions: RecentlyUsed[bytes, Action] = RecentlyUsed(KNOWN_BUDGET)
_known_lists: RecentlyUsed[bytes, tuple[Action, ...]] = RecentlyUsed(KNOWN_BUDGET)
_encode = msgspec.json.Encoder().encode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NAMES = ("actions", "contextFeatures", "excludedActions", "eventId", "deferActivation")
_ACTION_NAMES = ("id", "features")
_NO_FEATURE = "Every action should have at least one non-null action feature."


def parse_rank(body: bytes) -> RankRequest:
    """Return a Rank call's request.

    Raises:
        ContractError: It is malformed; ``target`` names the field.
    """
    members = named(parse_object(body), _NAMES)
    actions = parse_actions(members)
    excluded = _excluded(members)
    if all(action.id in excluded for action in actions):
        raise refuse("excludedActions", "At least one action must not be excluded.")
    return RankRequest(
        event_id=parse_event_id(members),
        context_features=parse_context(members),
        actions=actions,
        excluded=excluded,
        defer_activation=parse_deferral(members),
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
    ranking = [
        {"id": interaction.actions[action], "probability": interaction.probabilities[action]}
        for action in order
    ]
    for excluded in interaction.excluded:
        ranking.insert(excluded.position, {"id": excluded.id, "probability": 0.0})
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


def parse_actions(members: dict[str, msgspec.Raw]) -> tuple[Action, ...]:
    """Return the actions: 1 to 50, ids unique."""
    raw = members.get("actions")
    if raw is None:
        raise refuse("actions", "actions is required.")
    text = bytes(raw)
    actions = _known_lists.get(text)
    if actions is None:
        actions = _parse_actions(text)
        _known_lists.put(text, actions, len(text) + sum(map(_size, actions)))
    return actions


def _parse_actions(text: bytes) -> tuple[Action, ...]:
    try:
        items = _decode_list(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise refuse("actions", "actions must be an array.") from exc
    if not 1 <= len(items) <= MAX_ACTIONS:
        raise refuse("actions", f"Action count should be between 1 and {MAX_ACTIONS}.")
    actions = tuple(_action(bytes(item), index) for index, item in enumerate(items))
    if len({action.id for action in actions}) < len(actions):
        raise refuse("actions", "Action ids must be unique.")
    return actions


def _action(text: bytes, index: int) -> Action:
    action = _known_actions.get(text)
    if action is None:
        try:
            action = _parse_action(text)
        except FieldError as exc:
            raise refuse(f"actions[{index}]{exc.path}", exc.message) from exc
        _known_actions.put(text, action, len(text) + _size(action))
    return action


def _size(action: Action) -> int:
    """Return about how many bytes an action takes."""
    return len(action.features) + 400


def _parse_action(text: bytes) -> Action:
    def refuse_id(target: str, message: str) -> Any:
        return FieldError(f".{target}", message)

    def refuse_all(target: str, message: str) -> Any:
        return FieldError("", message)

    value = decode(text, "An action", refuse_all)
    if value is None:
        raise FieldError("", "Actions contains null value.")
    if type(value) is not dict:
        raise FieldError("", f"An action must be an object, not {kind(value)}.")
    members = named(value, _ACTION_NAMES)
    name = members.get("id")
    if name is None or name == "":
        raise FieldError(".id", "Action ids must not be empty.")
    features = members.get("features")
    if features is None:
        raise FieldError(".features", _NO_FEATURE)
    if type(features) is not list:
        raise FieldError(".features", f"features must be an array, not {kind(features)}.")
    if all(item is None for item in features):
        raise FieldError(".features", _NO_FEATURE)
    text = features_json(features, ".features")
    return Action(check_id(name, "id", refuse_id), text)


def parse_context(members: dict[str, msgspec.Raw]) -> bytes:
    """Return the JSON text (UTF-8) of the array of context features, empty if there is none."""
    raw = members.get("contextFeatures")
    if raw is None or bytes(raw) == b"null":
        return b"[]"
    items = decode(raw, "contextFeatures", refuse)
    if type(items) is not list:
        raise refuse("contextFeatures", f"contextFeatures must be an array, not {kind(items)}.")
    if None in items:
        where = f"contextFeatures[{items.index(None)}]"
        raise refuse(where, "Context features contains null value.")
    try:
        return features_json(items, "contextFeatures")
    except FieldError as exc:
        raise refuse(exc.path, exc.message) from exc


def _excluded(members: dict[str, msgspec.Raw]) -> frozenset[str]:
    raw = members.get("excludedActions")
    value = None if raw is None else decode(raw, "excludedActions", refuse)
    return frozenset(action_ids(value, "excludedActions"))


def action_ids(value: Any, target: str) -> list[str]:
    """Return a list of ids of actions, empty if there is none."""
    if value is None:
        return []
    if type(value) is not list:
        raise refuse(target, f"excludedActions must be an array, not {kind(value)}.")
    for index, name in enumerate(value):
        if type(name) is not str:
            raise refuse(f"{target}[{index}]", f"An id must be a string, not {kind(name)}.")
    return value


def parse_event_id(members: dict[str, msgspec.Raw]) -> str | None:
    """Return the caller's event id, if there is one."""
    raw = members.get("eventId")
    value = None if raw is None else decode(raw, "eventId", refuse)
    if value is None:
        return None
    if value == "":
        raise refuse("eventId", "EventId should be non-empty or null.")
    return check_id(value, "eventId", refuse)


def parse_deferral(members: dict[str, msgspec.Raw]) -> bool:
    """Return whether the event counts only after an activation."""
    raw = members.get("deferActivation")
    value = None if raw is None else decode(raw, "deferActivation", refuse)
    if value is None:
        return False
    if type(value) is not bool:
        raise refuse("deferActivation", f"deferActivation must be a boolean, not {kind(value)}.")
    return value
