"""A loop's settings: what Personalizer called its service configuration and learning policy."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from shared.events.learning_mode import LearningMode
from shared.events.rewards import RewardSettings
from shared.learner.arguments import ArgumentsError, parse

DEFAULT_ARGUMENTS = "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"
DEFAULT_SLOTS_ARGUMENTS = DEFAULT_ARGUMENTS.replace("--cb_explore_adf", "--ccb_explore_adf")


@dataclass(frozen=True, slots=True)
class AutoOptimization:
    """Settings of the original's periodic policy search; kept for its clients, not acted upon.

    It was not for loops with slots: where there are any, it is not enabled.
    """

    enabled: bool = True
    frequency: timedelta = timedelta(days=28)
    start: datetime = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogMirror:
    """Where the original copied its logs to; kept for its clients, not acted upon."""

    enabled: bool | None = None
    sas_uri: str | None = field(default=None, repr=False)  # a secret: never in a log line


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """Everything that an owner sets for one loop; one document, replaced as a whole.

    Attributes:
        policy_name: The loop's internal name (32 hex digits), returned as the policy's name.
        arguments: Learning settings as Vowpal Wabbit arguments, as the owner gave them.
        exploration: Share of decisions spent exploring, 0 to 1. It always equals the
            ``--epsilon`` that is in force: the later of the two to be set rewrites the other.
        rewards: How events wait for rewards and what they amount to.
        model_export_frequency: How often a newly trained model is published to Rank.
        log_retention_days: Days that events are kept; -1 for ever.
        learning_mode: Who decides, and what is learned from it.
        model_retrain_days: Kept for clients of 2022-09-01-preview, not acted upon.
        explain_inference: Whether Rank says what each feature adds to the scores.
        last_edit: When the settings were last changed.
    """

    policy_name: str
    last_edit: datetime
    arguments: str = DEFAULT_ARGUMENTS
    exploration: float = 0.2
    rewards: RewardSettings = RewardSettings()  # noqa: RUF009 (frozen)
    model_export_frequency: timedelta = timedelta(minutes=5)
    log_retention_days: int = 90
    learning_mode: LearningMode = LearningMode.ONLINE
    auto_optimization: AutoOptimization = AutoOptimization()
    log_mirror: LogMirror = LogMirror()
    model_retrain_days: int = 2
    explain_inference: bool = False

    @property
    def has_slots(self) -> bool:
        """Whether the loop decides over slots (multi-slot) rather than one list of actions."""
        return _have_slots(self.arguments)


@lru_cache(maxsize=256)
def _have_slots(arguments: str) -> bool:
    try:
        return parse(arguments).slots
    except ArgumentsError:  # stored by a version that took them; Rank goes on without a model
        return "--ccb_explore_adf" in arguments
