"""Multi-slot Rank on the wire: several slots, and an action for each of them."""

from collections.abc import Collection
from typing import Any

import msgspec

from shared.contract.features import FieldError, features_json
from shared.contract.fields import check_id, decode, kind, named, parse_object
from shared.contract.rank import (
    action_ids,
    parse_actions,
    parse_context,
    parse_deferral,
    parse_event_id,
    refuse,
)
from shared.events.interaction import SlotsInteraction
from shared.services.rank_request import Slot, SlotsRankRequest

_NAMES = ("actions", "slots", "contextFeatures", "eventId", "deferActivation")
_SLOT_NAMES = ("id", "features", "baselineAction", "excludedActions")
_ID = "All slot's must contain unique, non empty ID."
_BASELINE = (
    "Each slot must contain a unique BaselineAction with an ID corresponding to an element of "
    "Actions."
)
_EXCLUDED_BASELINE = "BaselineAction cannot be part of ExcludedActions."
_UNKNOWN = "All excluded action ID's must have corresponding action ID."


def parse_slots_rank(body: bytes) -> SlotsRankRequest:
    """Return a multi-slot Rank call's request.

    Raises:
        ContractError: It is malformed; ``target`` names the field.
    """
    members = named(parse_object(body), _NAMES)
    actions = parse_actions(members)
    return SlotsRankRequest(
        event_id=parse_event_id(members),
        context_features=parse_context(members),
        actions=actions,
        slots=_slots(members.get("slots"), {action.id for action in actions}),
        defer_activation=parse_deferral(members),
    )


def render_slots_rank(interaction: SlotsInteraction) -> bytes:
    """Return the answer's body; a slot for which no action was left names none."""
    slots = []
    for choice in interaction.choices:
        slot = {"id": choice.id}
        shown = interaction.shown(choice)
        if shown is not None:
            slot["rewardActionId"] = interaction.actions[shown]
        slots.append(slot)
    return msgspec.json.encode({"slots": slots, "eventId": interaction.event_id})


def _slots(raw: msgspec.Raw | None, actions: Collection[str]) -> tuple[Slot, ...]:
    items = None if raw is None else decode(raw, "slots", refuse)
    if items is None:
        raise refuse("slots", "slots is required.")
    if type(items) is not list:
        raise refuse("slots", f"slots must be an array, not {kind(items)}.")
    if not 1 <= len(items) <= len(actions):
        raise refuse("slots", "Slots count should be between 1 and the number of actions.")
    slots = tuple(_slot(item, f"slots[{index}]", actions) for index, item in enumerate(items))
    _check_unique([slot.id for slot in slots], "id", _ID)
    _check_unique([slot.baseline for slot in slots], "baselineAction", _BASELINE)
    return slots


def _slot(value: Any, target: str, actions: Collection[str]) -> Slot:
    if value is None:
        raise refuse(target, "Slots contain null value.")
    if type(value) is not dict:
        raise refuse(target, f"A slot must be an object, not {kind(value)}.")
    members = named(value, _SLOT_NAMES)
    name = members.get("id")
    if name is None or name == "":
        raise refuse(f"{target}.id", _ID)
    excluded = action_ids(members.get("excludedActions"), f"{target}.excludedActions")
    for index, action in enumerate(excluded):
        if action not in actions:
            raise refuse(f"{target}.excludedActions[{index}]", _UNKNOWN)
    return Slot(
        id=check_id(name, f"{target}.id", refuse),
        features=_features(members.get("features"), f"{target}.features"),
        baseline=_baseline(members, target, actions, excluded),
        excluded=frozenset(excluded),
    )


def _features(value: Any, target: str) -> bytes:
    if value is None:
        return b"[]"
    if type(value) is not list:
        raise refuse(target, f"features must be an array, not {kind(value)}.")
    try:
        return features_json(value, target)
    except FieldError as exc:
        raise refuse(exc.path, exc.message) from exc


def _baseline(
    members: dict[str, Any], target: str, actions: Collection[str], excluded: Collection[str]
) -> str:
    value = members.get("baselineAction")
    if type(value) is not str or value not in actions:
        raise refuse(f"{target}.baselineAction", _BASELINE)
    if value in excluded:
        raise refuse(f"{target}.baselineAction", _EXCLUDED_BASELINE)
    return value


def _check_unique(values: list[str], field: str, message: str) -> None:
    """Refuse the first value that has been there before."""
    for index, value in enumerate(values):
        if value in values[:index]:
            raise refuse(f"slots[{index}].{field}", message)
