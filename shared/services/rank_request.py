"""What a caller asks when it ranks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that may be chosen.

    Attributes:
        id: The caller's name of it.
        features: JSON text (UTF-8) of its array of features.
    """

    id: str
    features: bytes


@dataclass(frozen=True, slots=True)
class RankRequest:
    """A valid Rank call.

    Attributes:
        event_id: The caller's name of the decision; None asks for a new one.
        context_features: JSON text (UTF-8) of the array of context features.
        actions: At least one, not all of them excluded, ids unique.
        excluded: Ids that must not be chosen.
        defer_activation: Whether the decision counts only after an activation.
    """

    event_id: str | None
    context_features: bytes
    actions: tuple[Action, ...]
    excluded: frozenset[str] = frozenset()
    defer_activation: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """One place that an action is chosen for.

    Attributes:
        id: The caller's name of it.
        features: JSON text (UTF-8) of its array of features.
        baseline: Id of the action that the caller would put there by itself.
        excluded: Ids of actions that must not be put there; the baseline action is none of them.
    """

    id: str
    features: bytes
    baseline: str
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SlotsRankRequest:
    """A valid multi-slot Rank call.

    Attributes:
        event_id: As in ``RankRequest``; so are those that are not listed here.
        slots: At least one and at most as many as actions; ids and baseline actions are unique.
    """

    event_id: str | None
    context_features: bytes
    actions: tuple[Action, ...]
    slots: tuple[Slot, ...]
    defer_activation: bool = False
