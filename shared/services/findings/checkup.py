"""What the doctor looks at, and how a finding is put down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from shared.learner.arguments import LearningSettings
from shared.services.loop_settings import LoopSettings
from shared.services.loop_state import LoopState
from shared.services.metrics_row import Row

FEW = 50
"""Events below which nothing is said about what they have in common."""

ENOUGH = 500
"""Events from which a loop with sound settings has learned something."""


class Severity(StrEnum):
    """How bad it is.

    Attributes:
        ERROR: The loop cannot learn, or does not.
        WARNING: It learns badly.
        INFO: Something that its owner may want to know or do.
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or could be better; texts are for the loop's owner.

    Attributes:
        severity: How bad it is.
        code: Names the kind of finding.
        title: It in some words.
        evidence: What was seen, in numbers.
        cause: What is likely behind it.
        remedy: What to do.
    """

    severity: Severity
    code: str
    title: str
    evidence: str
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class FeatureProfile:
    """One feature as it was seen in a sample of decisions.

    Attributes:
        count: Contexts, or different actions, that have it.
        of: Contexts, or different actions, in the sample.
        texts: Different values.
        numbers: Of these, numbers.
        times: Of these, times of day and date: ISO 8601, or unix seconds or milliseconds.
        largest: The largest magnitude of a number.
    """

    count: int
    of: int
    texts: int
    numbers: int = 0
    times: int = 0
    largest: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The latest decisions of the log, looked at closely.

    Attributes:
        events: How many.
        context: Features of contexts, by name.
        actions: Features of actions, by name.
        terms: Features of one action after combination, at most.
        mixed_terms: Of these, with features of both context and action, at most.
    """

    events: int = 0
    context: Mapping[str, FeatureProfile] = field(default_factory=dict)
    actions: Mapping[str, FeatureProfile] = field(default_factory=dict)
    terms: int = 0
    mixed_terms: int = 0


@dataclass(frozen=True, slots=True)
class Dangling:
    """Rewards without an interaction, of which some were looked for in the last days.

    Attributes:
        delays: Seconds after their Rank, of those whose interaction was found: they were so late
            that the trainer did not know it any more.
        unknown: Event ids of those that nobody has ranked.
    """

    delays: tuple[float, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def unknown_share(self) -> float:
        """Share that nobody has ranked; without a sample, all of them."""
        looked_for = len(self.delays) + len(self.unknown)
        return len(self.unknown) / looked_for if looked_for else 1.0


@dataclass(frozen=True, slots=True)
class Checkup:
    """All that the doctor looks at.

    Attributes:
        settings: The loop's.
        learning: Its arguments, understood.
        state: The loop's.
        row: Metrics of the last day.
        sample: Its latest decisions.
        dangling: Rewards without an interaction.
        lag: How far training is behind.
        now: The present time.
    """

    settings: LoopSettings
    learning: LearningSettings
    state: LoopState
    row: Row
    sample: Sample
    dangling: Dangling
    lag: timedelta
    now: datetime

    @property
    def modelled(self) -> int:
        """Decisions of a model."""
        return self.row.decisions - self.row.without_model

    @property
    def preferring(self) -> int:
        """Decisions of a model that preferred something."""
        return self.modelled - self.row.equal


def span(seconds: float) -> str:
    """Return a duration in words, rounded up."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds > 2 * size:
            return f"{-(-seconds // size):.0f} {unit}s"
    return f"{max(1, -(-seconds // 1)):.0f} seconds"


def share(part: float, whole: float) -> str:
    """Return a share in per cent."""
    return f"{100 * part / whole:.3g} %"
