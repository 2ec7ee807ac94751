"""What the app says of itself while it runs: every metric in one table, and who takes them.

Names are those of the metrics that the retired service had in Azure Monitor, where it had them.
The stored metrics of a loop (``metrics.py``) count every event exactly once; these are for
watching and alerts, and may lose what was not yet sent when a process ends.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from shared.services.metrics_row import Row


class Kind(StrEnum):
    """How values of one metric are put together."""

    COUNTER = "counter"
    """They are added up; never negative."""

    HISTOGRAM = "histogram"
    """They are added up and counted."""

    GAUGE = "gauge"
    """The last one counts."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its name, unit (as in UCUM), kind, meaning and the attributes that it has."""

    name: str
    unit: str
    kind: Kind
    about: str
    attributes: tuple[str, ...] = ()


LOOP = ("loop",)

TOTAL_CALLS = Metric(
    "TotalCalls",
    "{call}",
    Kind.COUNTER,
    "Answered calls; `upTo` is the edge in ms, or above, of the band their duration lies in.",
    ("operation", "status", "upTo"),
)
LATENCY = Metric("Latency", "ms", Kind.HISTOGRAM, "Duration of calls.", ("operation",))
STORAGE_RETRIES = Metric(
    "StorageRetries",
    "{attempt}",
    Kind.COUNTER,
    "Attempts to store an event that storage refused or did not answer.",
    LOOP,
)
RANKED_EVENTS = Metric(
    "RankedEvents",
    "{event}",
    Kind.COUNTER,
    "Decisions; `explored` if for another action than the most probable one, or with none such.",
    ("loop", "explored"),
)
UNLOGGED_DECISIONS = Metric(
    "UnloggedDecisions",
    "{event}",
    Kind.COUNTER,
    "Decisions that were answered although they could not be stored; they are never learned.",
    LOOP,
)
MODEL_LOAD_FAILURES = Metric(
    "ModelLoadFailures",
    "{failure}",
    Kind.COUNTER,
    "Published models that an instance could not read.",
    LOOP,
)
MODEL_AGE = Metric("ModelAge", "s", Kind.GAUGE, "Since the served model was published.", LOOP)
TRAINING_LAG = Metric("TrainingLag", "s", Kind.GAUGE, "For how long training has been due.", LOOP)
REWARD_WAIT_TIME = Metric("RewardWaitTime", "s", Kind.GAUGE, "As set.", LOOP)

TOTAL_EVENTS = Metric("TotalEvents", "{event}", Kind.COUNTER, "Events whose wait is over.", LOOP)
LEARNED_EVENTS = Metric("LearnedEvents", "{event}", Kind.COUNTER, "Of these, active.", LOOP)
NON_ACTIVATED_EVENTS = Metric(
    "NonActivatedEvents", "{event}", Kind.COUNTER, "Of these, deferred and never activated.", LOOP
)
OBSERVED_REWARDS = Metric(
    "ObservedRewards", "{event}", Kind.COUNTER, "Active events with a reward in time.", LOOP
)
DUPLICATE_EVENTS = Metric(
    "DuplicateEvents", "{event}", Kind.COUNTER, "Decisions that repeated an event id.", LOOP
)
LATE_REWARDS = Metric(
    "LateRewards", "{reward}", Kind.COUNTER, "Rewards after the reward wait time.", LOOP
)
DANGLING_REWARDS = Metric(
    "DanglingRewards", "{reward}", Kind.COUNTER, "Rewards without a decision.", LOOP
)
LATE_EVENTS = Metric(
    "LateEvents", "{event}", Kind.COUNTER, "Stored after their bucket was learned; must be 0.", LOOP
)
ONLINE_REWARD = Metric(
    "OnlineReward", "1", Kind.HISTOGRAM, "Rewards of active events, summed.", LOOP
)
USER_BASELINE_REWARD = Metric(
    "UserBaselineReward",
    "1",
    Kind.HISTOGRAM,
    "The same, had the first action always been taken; an estimate.",
    LOOP,
)
BASELINE_RANDOM_REWARD = Metric(
    "BaselineRandomReward",
    "1",
    Kind.HISTOGRAM,
    "The same, had every action been equally likely; an estimate.",
    LOOP,
)

METRICS = (
    TOTAL_CALLS,
    LATENCY,
    STORAGE_RETRIES,
    RANKED_EVENTS,
    UNLOGGED_DECISIONS,
    MODEL_LOAD_FAILURES,
    MODEL_AGE,
    TRAINING_LAG,
    REWARD_WAIT_TIME,
    TOTAL_EVENTS,
    LEARNED_EVENTS,
    NON_ACTIVATED_EVENTS,
    OBSERVED_REWARDS,
    DUPLICATE_EVENTS,
    LATE_REWARDS,
    DANGLING_REWARDS,
    LATE_EVENTS,
    ONLINE_REWARD,
    USER_BASELINE_REWARD,
    BASELINE_RANDOM_REWARD,
)

BANDS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000)
"""Upper edges in ms. What is sent to Azure Monitor has no percentiles, so calls are counted by
band; the last one holds everything above the last but one."""


class Meter(Protocol):
    """Takes measurements; where they go is not the services' business."""

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """Take a value; its attributes are those that the metric has."""

    def flush(self) -> None:
        """Send what was taken. It may wait for the network: never in the serving event loop."""


class SilentMeter:
    """Takes nothing."""

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """See ``Meter``."""

    def flush(self) -> None:
        """See ``Meter``."""


SILENT = SilentMeter()


def record_standing(
    meter: Meter,
    loop: str,
    now: datetime,
    training_due: datetime,
    reward_wait: timedelta,
    published_at: datetime | None,
) -> None:
    """Record where a loop stands."""
    lag = max(timedelta(0), now - training_due)
    meter.record(TRAINING_LAG, lag.total_seconds(), loop=loop)
    meter.record(REWARD_WAIT_TIME, reward_wait.total_seconds(), loop=loop)
    if published_at is not None:
        meter.record(MODEL_AGE, (now - published_at).total_seconds(), loop=loop)


def record_step(meter: Meter, loop: str, rows: Iterable[Row], late_events: int) -> None:
    """Record what a step of training has closed."""
    meter.record(LATE_EVENTS, late_events, loop=loop)
    for row in rows:
        for metric, value in (
            (TOTAL_EVENTS, row.events),
            (LEARNED_EVENTS, row.learned),
            (NON_ACTIVATED_EVENTS, row.inactive),
            (OBSERVED_REWARDS, row.rewarded),
            (DUPLICATE_EVENTS, row.duplicates),
            (LATE_REWARDS, row.late),
            (DANGLING_REWARDS, row.dangling),
            (ONLINE_REWARD, row.online.rewards),
            (USER_BASELINE_REWARD, row.baseline.rewards),
            (BASELINE_RANDOM_REWARD, row.uniform.rewards),
        ):
            meter.record(metric, value, loop=loop)


def record_call(meter: Meter, operation: str, status: int, seconds: float) -> None:
    """Record an answered call."""
    milliseconds = 1_000 * seconds
    band = BANDS[min(bisect_left(BANDS, milliseconds), len(BANDS) - 1)]
    meter.record(TOTAL_CALLS, 1, operation=operation, status=str(status), upTo=str(band))
    meter.record(LATENCY, milliseconds, operation=operation)
