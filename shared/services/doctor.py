"""The doctor: looks at a loop's settings, metrics and latest decisions, and says what is wrong."""

import asyncio
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from shared.events.joined_log import AnyLogLine
from shared.learner.arguments import LearningSettings, parse
from shared.learner.explanation import terms
from shared.learner.features import split_decision
from shared.learner.named_features import NamedFeature, named_features
from shared.services.append import Writing
from shared.services.findings import examine
from shared.services.findings.checkup import Checkup, Dangling, FeatureProfile, Finding, Sample
from shared.services.findings.rewards import MANY, TOLERATED
from shared.services.log_store import LogStore
from shared.services.loop_state import Loops, LoopState, effective_arguments
from shared.services.metrics import Range, behind, range_of
from shared.services.metrics_row import Row, action_features, merged
from shared.services.metrics_store import MetricsStore
from shared.services.ports import BlobStore, Clock, EventSpace, EventStore

PERIOD = timedelta(days=1)
"""Of the metrics that are looked at."""

LOOK_BACK = timedelta(days=2)
"""How long before a reward without an event the event is looked for."""

SAMPLED_EVENTS = 500
SAMPLED_BLOBS = 40
_COMBINED = 20  # decisions whose terms are counted

_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?", re.ASCII)
_UNIX_SECONDS = (1e9, 2.2e9)  # from 2001 to 2039

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor says.

    Attributes:
        range: Of the metrics that were looked at.
        checked_at: When.
        events: In the range.
        findings: The worst first.
    """

    range: Range
    checked_at: datetime
    events: int
    findings: tuple[Finding, ...]


class DoctorService:
    """Examines one loop."""

    def __init__(
        self,
        loop: str,
        loops: Loops,
        store: MetricsStore,
        blobs: BlobStore,
        events: EventStore,
        clock: Clock,
        writing: Writing,
    ) -> None:
        """Look at metrics in ``store``, the log in ``blobs``, and ``events``."""
        self.loop = loop
        self._loops = loops
        self._store = store
        self._log = LogStore(loop, blobs)
        self._events = events
        self._clock = clock
        self._writing = writing

    async def diagnose(self) -> Diagnosis:
        """Return what is wrong.

        Besides metrics it reads at most ``SAMPLED_BLOBS`` blobs of the log, and looks for the
        events of some rewards without one if there are many of these.
        """
        state, _ = await self._loops.state(self.loop)
        settings, _ = await self._loops.settings(self.loop)
        now, space = self._clock(), state.space(self.loop)
        wanted = range_of(self._store.levels, now - PERIOD, now, timedelta(hours=1))
        rows = await self._store.rows(space, wanted.level, wanted.start, wanted.end)
        row = merged(row for _, row in rows)
        learning = parse(effective_arguments(settings))
        lines = await self._latest(state)
        checkup = Checkup(
            settings=settings,
            learning=learning,
            state=state,
            row=row,
            sample=await asyncio.to_thread(sample_of, lines, learning),
            dangling=await self._looked_for(space, row),
            lag=behind(state, settings, self._writing, now),
            now=now,
        )
        return Diagnosis(wanted, now, row.events, tuple(examine(checkup)))

    async def _latest(self, state: LoopState) -> list[AnyLogLine]:
        """Return the latest lines of the log, some hundred."""
        start = state.cursor - int(LOOK_BACK.total_seconds())
        newest: deque[str] = deque(maxlen=SAMPLED_BLOBS)
        ranges = {r.name: r async for r in self._log.ranges(state.epoch, start, state.cursor)}
        newest.extend(ranges)
        lines: list[AnyLogLine] = []
        while newest and len(lines) < SAMPLED_EVENTS:
            lines += await self._log.lines(ranges[newest.pop()])
        return lines[:SAMPLED_EVENTS]

    async def _looked_for(self, space: EventSpace, row: Row) -> Dangling:
        """Look for the events of rewards without one, if there are many of these."""
        if row.dangling < max(MANY, TOLERATED * (row.rewarded + row.late + row.dangling)):
            return Dangling()
        found = await asyncio.gather(*(self._delay(space, *each) for each in row.dangling_sample))
        pairs = list(zip(row.dangling_sample, found, strict=True))
        return Dangling(
            delays=tuple(delay for _, delay in pairs if delay is not None),
            unknown=tuple(event_id for (event_id, _), delay in pairs if delay is None),
        )

    async def _delay(self, space: EventSpace, event_id: str, time: datetime) -> float | None:
        """Return how many seconds after its Rank a reward came; None if there was no Rank."""
        start, end = space.bucket(time - LOOK_BACK), space.bucket(time) + space.bucket_seconds
        interactions, _ = await self._events.event(space, event_id, start, end)
        before = [each.time for each in interactions if each.time <= time]
        return (time - max(before)).total_seconds() if before else None


def sample_of(lines: Iterable[AnyLogLine], learning: LearningSettings) -> Sample:
    """Return what features the decisions of some lines have."""
    contexts = _Profiles()
    actions = _Profiles()
    known: set[bytes] = set()
    events = most_terms = most_mixed = 0
    for line in lines:
        shared, offered = split_decision(bytes(line.c))
        members = {name: _decode(text) for name, text in shared.items()}
        events += 1
        contexts.add(named_features(members, zeros=True).features)
        new = {bytes(action) for action in offered} - known
        known |= new
        for text in new:
            actions.add(action_features(text).features)
        if events <= _COMBINED:
            context = named_features(members)
            for text in offered:
                size, mixed = terms(learning, named_features(_decode(text)), context)
                most_terms, most_mixed = max(most_terms, size), max(most_mixed, mixed)
    return Sample(events, contexts.profiles(), actions.profiles(), most_terms, most_mixed)


class _Profiles:
    """Collects values of features by name."""

    def __init__(self) -> None:
        self._of = 0
        self._counts: dict[str, int] = {}
        self._texts: dict[str, set[str]] = {}

    def add(self, features: Iterable[NamedFeature]) -> None:
        """Take note of the features of a context, or of an action."""
        self._of += 1
        by_name: dict[str, str] = {}
        for feature in features:
            by_name[feature.name] = feature.text
        for name, text in by_name.items():
            self._counts[name] = self._counts.get(name, 0) + 1
            self._texts.setdefault(name, set()).add(text)

    def profiles(self) -> Mapping[str, FeatureProfile]:
        """Return what is known of each name."""
        return {name: self._profile(name) for name in self._counts}

    def _profile(self, name: str) -> FeatureProfile:
        texts = self._texts[name]
        numbers = [number for number in map(_number, texts) if number is not None]
        return FeatureProfile(
            count=self._counts[name],
            of=self._of,
            texts=len(texts),
            numbers=len(numbers),
            times=sum(_is_time(text) for text in texts),
            largest=max(map(abs, numbers), default=0.0),
        )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_time(text: str) -> bool:
    number = _number(text)
    if number is None:
        return _DATE.fullmatch(text) is not None
    low, high = _UNIX_SECONDS
    return low <= number < high or 1000 * low <= number < 1000 * high
