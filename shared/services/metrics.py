"""What the metrics of a loop are: how a step is counted, and what is read for a range of time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.events.join import EARLY_REWARD, JoinedExample, JoinedSlots, Leftovers
from shared.events.learning_mode import LearningMode
from shared.events.observation import Observation
from shared.services.append import Writing
from shared.services.loop_settings import LoopSettings
from shared.services.loop_state import Loops, LoopState, training_due
from shared.services.metrics_row import Row, Tally
from shared.services.metrics_store import Level, MetricsStore
from shared.services.ports import Clock, EventSpace

MOST_ROWS = 750
"""In one answer; at the finest width they are in 64 pages at most."""

_COMFORTABLE_ROWS = 300


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of training tells about itself.

    Attributes:
        start: Its first bucket.
        seconds: How long it took.
        lag: By how many seconds it was behind the earliest possible time.
        late_events: Rows that appeared in buckets which an earlier step had read.
    """

    start: int
    seconds: float
    lag: float
    late_events: int


def count(
    space: EventSpace,
    closed: Iterable[tuple[int, JoinedExample | JoinedSlots]],
    duplicates: Iterable[int],
    left: Leftovers,
    step: Step,
    mode: LearningMode,
    slots: bool = False,
) -> dict[int, Row]:
    """Return the rows of a step's buckets.

    Args:
        space: How events are spread.
        closed: Buckets and examples.
        duplicates: Buckets of interactions that were dropped.
        left: What else was found. An observation counts in the bucket that was current
            ``EARLY_REWARD`` after it arrived; so each one falls into exactly one step.
        step: Its work is put into the first bucket that has anything; without one, only what
            must not be overlooked.
        mode: The loop's learning mode.
        slots: Whether the loop is one with slots.
    """
    tallies: dict[int, Tally] = {}

    def of(bucket: int) -> Tally:
        return tallies.setdefault(bucket, Tally())

    for bucket, example in closed:
        of(bucket).event(example, space.shards, mode, slots)
    for bucket in duplicates:
        of(bucket).duplicate()
    for late in left.late:
        if not late.observation.is_activation:
            of(_arrival(space, late.observation)).late(late.delay.total_seconds())
    for observation in left.dangling:
        if not observation.is_activation:
            of(_arrival(space, observation)).dangling(observation)
    if tallies or step.late_events:
        of(min(tallies, default=step.start)).work(step.seconds, step.lag, step.late_events)
    return {bucket: tally.row() for bucket, tally in tallies.items()}


def _arrival(space: EventSpace, observation: Observation) -> int:
    return space.bucket(observation.time + EARLY_REWARD)


@dataclass(frozen=True, slots=True)
class Range:
    """A range of time, cut into slots.

    Attributes:
        start: Of the first slot, in unix seconds.
        end: Of the last slot.
        level: How wide slots are.
    """

    start: int
    end: int
    level: Level


def range_of(
    known: Sequence[Level], start: datetime, end: datetime, width: timedelta | None
) -> Range:
    """Return a range widened to whole slots.

    Args:
        known: The widths that are kept.
        start: Where it begins.
        end: Where it ends.
        width: Of the slots; None takes the finest that gives no more than some hundred.

    Raises:
        ValueError: There are no rows of that width, or there would be too many.
    """
    seconds = (end - start).total_seconds()
    if width is None:
        fits = [level for level in known if seconds <= _COMFORTABLE_ROWS * level.width]
        level = fits[0] if fits else known[-1]
    else:
        matching = [level for level in known if level.width == width.total_seconds()]
        if not matching:
            raise ValueError("there are no rows of that interval")
        level = matching[0]
    first = int(start.timestamp()) // level.width * level.width
    last = -(-end.timestamp() // level.width) * level.width
    if last - first > MOST_ROWS * level.width:
        raise ValueError(f"the range has more than {MOST_ROWS} rows of that interval")
    return Range(first, int(last), level)


def behind(state: LoopState, settings: LoopSettings, writing: Writing, now: datetime) -> timedelta:
    """Return for how long the next step of training has been possible, or no time."""
    return max(timedelta(0), now - training_due(state, settings.rewards.wait, writing.grace))


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """A range of metrics, and where the loop stands.

    Attributes:
        range: What was read.
        rows: Slots that have any event, with their rows.
        state: The loop's.
        lag: How far training is behind.
    """

    range: Range
    rows: Sequence[tuple[int, Row]]
    state: LoopState
    lag: timedelta


class MetricsService:
    """Reads one loop's metrics."""

    def __init__(
        self, loop: str, loops: Loops, store: MetricsStore, clock: Clock, writing: Writing
    ) -> None:
        """Read what the trainer keeps in ``store``."""
        self.loop = loop
        self.levels = store.levels
        self._loops = loops
        self._store = store
        self._clock = clock
        self._writing = writing

    async def report(self, wanted: Range) -> MetricsReport:
        """Return what is known of a range.

        It reads the loop's two documents and one blob for each page that the range touches.
        """
        state, _ = await self._loops.state(self.loop)
        settings, _ = await self._loops.settings(self.loop)
        space = state.space(self.loop)
        rows = await self._store.rows(space, wanted.level, wanted.start, wanted.end)
        lag = behind(state, settings, self._writing, self._clock())
        return MetricsReport(wanted, rows, state, lag)
