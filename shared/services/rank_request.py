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
