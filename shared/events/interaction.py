"""The logged decision: what was known, what could be chosen, what was drawn with which chance."""

from dataclasses import dataclass
from datetime import datetime

from shared.events.learning_mode import LearningMode

BASELINE = 0
"""Position of the action that a caller without a model would take: the first one offered."""


@dataclass(frozen=True, slots=True)
class ExcludedAction:
    """An action that the caller withheld from the decision.

    Attributes:
        position: Index in the caller's list of actions; it keeps this place in the ranking.
        id: The caller's name of the action.
    """

    position: int
    id: str


@dataclass(frozen=True, slots=True)
class Interaction:
    """One Rank call and its decision, as stored when it was answered.

    Attributes:
        event_id: The caller's or a generated name of the decision.
        time: When the Rank call arrived; timezone-aware.
        context: The decision as Vowpal Wabbit JSON (UTF-8): ``FromUrl`` holds the context
            features, ``_multi`` one element per offered action. It is what the policy saw.
        actions: Ids of the offered (not excluded) actions, in the caller's order.
        ranking: Positions in ``actions``, best first after the drawn action was put in front.
        probabilities: Chance of each of ``actions`` under the policy that acted.
        model_version: The model that decided; empty while there was none.
        deferred: Whether the decision counts only after an activation.
        excluded: The actions that the caller withheld, by rising position.
        mode: The learning mode in which it was decided.
    """

    event_id: str
    time: datetime
    context: bytes
    actions: tuple[str, ...]
    ranking: tuple[int, ...]
    probabilities: tuple[float, ...]
    model_version: str = ""
    deferred: bool = False
    excluded: tuple[ExcludedAction, ...] = ()
    mode: LearningMode = LearningMode.ONLINE

    @property
    def chosen(self) -> int:
        """Position in ``actions`` of the action that was drawn."""
        return self.ranking[0]

    @property
    def shown(self) -> int:
        """Position in ``actions`` of the action that the caller was told to take."""
        return self.chosen if self.mode is LearningMode.ONLINE else BASELINE

    @property
    def matches_baseline(self) -> bool:
        """Whether the drawn action is the one that the caller would have taken by itself."""
        return self.chosen == BASELINE

    @property
    def explored(self) -> bool:
        """Whether the drawn action was not the most probable one, or there was no such action."""
        most = max(self.probabilities)
        return self.probabilities[self.chosen] < most or self.probabilities.count(most) > 1

    @property
    def propensity(self) -> float:
        """Chance of the drawn action under the policy that acted."""
        if self.mode is LearningMode.LOGGING_ONLY:
            return 1.0  # nothing was drawn: the baseline action is always taken
        return self.probabilities[self.chosen]


@dataclass(frozen=True, slots=True)
class SlotChoice:
    """What was decided for one slot.

    Attributes:
        id: The caller's name of the slot.
        baseline: Position, among the interaction's actions, of the one that the caller would take.
        ranking: Positions of the actions that the slot could have, the drawn one first; empty if
            earlier slots had taken all of them.
        probabilities: Chance of each, in the order of ``ranking``, under the policy that acted.
    """

    id: str
    baseline: int
    ranking: tuple[int, ...]
    probabilities: tuple[float, ...]

    @property
    def chosen(self) -> int | None:
        """Position of the drawn action, if there is one."""
        return self.ranking[0] if self.ranking else None

    @property
    def matches_baseline(self) -> bool:
        """Whether the drawn action is the one that the caller would have taken by itself."""
        return self.chosen == self.baseline

    @property
    def explored(self) -> bool:
        """Whether there was a drawn action, and it was not the one most probable action."""
        if not self.ranking:
            return False
        most = max(self.probabilities)
        return self.probabilities[0] < most or self.probabilities.count(most) > 1


@dataclass(frozen=True, slots=True)
class SlotsInteraction:
    """One multi-slot Rank call and its decision, as stored when it was answered.

    Attributes:
        event_id: See ``Interaction``; so are those that are not listed here.
        context: The decision as Vowpal Wabbit JSON (UTF-8), with the slots in ``_slots``.
        actions: Ids of all actions, in the caller's order.
        choices: One for each slot, in the caller's order, in which they were drawn.
    """

    event_id: str
    time: datetime
    context: bytes
    actions: tuple[str, ...]
    choices: tuple[SlotChoice, ...]
    model_version: str = ""
    deferred: bool = False
    mode: LearningMode = LearningMode.ONLINE

    @property
    def explored(self) -> bool:
        """Whether any slot explored."""
        return any(choice.explored for choice in self.choices)

    def shown(self, choice: SlotChoice) -> int | None:
        """Return the position of the action that the caller was told to put into a slot."""
        return choice.chosen if self.mode is LearningMode.ONLINE else choice.baseline


AnyInteraction = Interaction | SlotsInteraction
