"""Train: close buckets, join them, learn them, log them and publish, in short resumable steps.

Every step starts from the stored state and ends with one conditional write of it. A step that
dies, or is overtaken, leaves only blobs that no state names; whoever comes next repeats it.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from shared.events.join import EARLY_REWARD, JoinedExample, JoinedSlots, join
from shared.events.joined_log import encode_lines, is_learned
from shared.events.learning_mode import LearningMode
from shared.learner.arguments import parse
from shared.learner.checkpoint import CheckpointError, dumps, loads
from shared.learner.learner import Example, Learner, SlotsExample
from shared.services.append import Writing
from shared.services.examples import example_of, example_of_line
from shared.services.log_store import LogStore
from shared.services.loop_settings import LoopSettings
from shared.services.loop_state import (
    LONGEST_STEP,
    RETRAIN_FROM,
    Counters,
    DamagedState,
    LastRead,
    Loops,
    LoopState,
    ModelInfo,
    Replay,
    effective_arguments,
    fingerprint,
    least_step,
    lock_name,
    model_name,
    model_version,
    published,
    training_due,
)
from shared.services.meter import SILENT, Meter, record_standing, record_step
from shared.services.metrics import Step, count
from shared.services.metrics_row import Row
from shared.services.metrics_store import MetricsStore
from shared.services.ports import (
    BlobStore,
    Clock,
    Conflict,
    EventStore,
    Lease,
    RankedEvent,
)

logger = logging.getLogger(__name__)

MOST_RETENTION_DAYS = 36_500
"""More is for ever: dates end somewhere."""

REPEAT_WAITS = 2
"""An event id that comes again within so many waits and ``EARLY_REWARD`` is the same event."""


@dataclass(frozen=True, slots=True)
class Training:
    """How training is cut into steps; the model does not depend on it.

    Attributes:
        lease_seconds: How long a trainer that died keeps others out.
        run_for: How long one run goes on when there is more to learn.
        events_per_step: Events that one step aims at; a single bucket may hold more.
    """

    lease_seconds: int = 30
    run_for: timedelta = timedelta(seconds=40)
    events_per_step: int = 5_000


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What one run did.

    Attributes:
        outcome: ``trained``, ``idle`` (nothing was closed), or ``busy`` (another trainer runs).
        steps: Committed steps.
        learned: Events learned, replayed ones included.
        model_version: The newest model's, published or not.
    """

    outcome: str
    steps: int = 0
    learned: int = 0
    model_version: str = ""


@dataclass(frozen=True, slots=True)
class _Done:
    """What a step comes to once it is committed.

    Attributes:
        state: The loop's, as it will be.
        learned: Events learned.
        rows: What the closed events amount to.
        late_events: Rows that appeared in buckets which an earlier step had read.
    """

    state: LoopState
    learned: int = 0
    rows: tuple[Row, ...] = ()
    late_events: int = 0


class _LostModel(Exception):
    """The model with which learning should go on is not there any more."""


class TrainService:
    """Trains one loop. Any number may run; a lease keeps them from working twice."""

    def __init__(
        self,
        loop: str,
        loops: Loops,
        blobs: BlobStore,
        events: EventStore,
        clock: Clock,
        writing: Writing,
        training: Training = Training(),
        metrics: MetricsStore | None = None,
        meter: Meter = SILENT,
    ) -> None:
        """Read ``events``, keep everything else in ``blobs``; tell ``meter`` what was done."""
        self.loop = loop
        self._loops = loops
        self._blobs = blobs
        self._log = LogStore(loop, blobs)
        self._events = events
        self._clock = clock
        self._writing = writing
        self._training = training
        self._metrics = metrics or MetricsStore(blobs)
        self._meter = meter
        self._learner: tuple[str, Learner] | None = None  # of the version that it equals
        self._buckets = 1  # how many the next step takes; adapts to the traffic

    async def train(self) -> TrainingReport:
        """Take steps until nothing is left to learn or the run's time is over."""
        report = TrainingReport("idle")
        ends = self._clock() + self._training.run_for
        seconds = self._training.lease_seconds
        try:
            async with self._blobs.lease(lock_name(self.loop), seconds) as lease:
                while self._clock() < ends:
                    learned = await self._step()
                    if learned is None:
                        break
                    report = TrainingReport("trained", report.steps + 1, report.learned + learned)
                    await lease.renew()
                await self._keep_house(lease)
        except Conflict as exc:
            logger.info("loop %s is trained elsewhere: %s", self.loop, exc)
            return replace(report, outcome="busy")
        version = self._learner[0] if self._learner else ""
        return replace(report, model_version=version)

    async def _step(self) -> int | None:
        """Commit one step; return how many events it learned, or None if there was no work."""
        state, etag = await self._state()
        settings, _ = await self._loops.settings(self.loop)
        if state.fingerprint != fingerprint(settings):
            await self._loops.commit_state(self.loop, reset(state, settings), etag)
            return 0
        try:
            if state.replay is not None:
                done = await self._replay_step(state, state.replay, settings)
            else:
                done = await self._join_step(state, settings)
        except _LostModel as exc:
            # It was learned from the log before, and can be again, as after a change of settings.
            logger.error("loop %s learns its log again: %s", self.loop, exc)
            await self._loops.commit_state(self.loop, reset(state, settings), etag)
            return 0
        changed = self._publish(done.state, settings)
        if changed == state:
            self._record_standing(state, settings)
            return None
        await self._loops.commit_state(
            self.loop, replace(changed, last_training=self._clock()), etag
        )
        record_step(self._meter, self.loop, done.rows, done.late_events)  # now it has happened
        return done.learned

    async def _state(self) -> tuple[LoopState, str]:
        try:
            return await self._loops.state(self.loop)
        except DamagedState:
            return await self._loops.restore_state(self.loop)

    def _record_standing(self, state: LoopState, settings: LoopSettings) -> None:
        wait = settings.rewards.wait
        due = training_due(state, wait, self._writing.grace)
        record_standing(self._meter, self.loop, self._clock(), due, wait, state.published_at)

    # -- joining and learning what has closed ------------------------------------------------

    async def _join_step(self, state: LoopState, settings: LoopSettings) -> _Done:
        end = self._step_end(state, settings)
        if end <= state.cursor:
            return _Done(state)
        space = state.space(self.loop)
        started = self._clock()
        rows = await self._events.interactions(space, state.cursor, end)
        wait = settings.rewards.wait
        repeat_within = REPEAT_WAITS * wait + EARLY_REWARD
        start_at, end_at = _time(state.cursor), _time(end)
        known = await self._events.ranked_events(
            space, space.bucket(start_at - repeat_within - EARLY_REWARD), state.cursor
        )
        # Stored no earlier than they arrived; and the first interaction came within the grace.
        observations = await self._events.observations(
            space,
            space.bucket(start_at - EARLY_REWARD - self._writing.grace),
            space.bucket(end_at + wait + self._writing.grace) + space.bucket_seconds,
        )
        examples, found = join(
            [interaction for _, interaction in rows],
            observations,
            settings.rewards,
            earlier=[(event.event_id, event.time) for event in known],
            repeat_within=repeat_within,
            counted=(start_at - EARLY_REWARD, end_at - EARLY_REWARD),
        )
        buckets = {id(interaction): bucket for bucket, interaction in rows}
        lines = [(buckets[id(example.interaction)], example) for example in examples]
        mode, slots = settings.learning_mode, settings.has_slots
        if lines:
            text = encode_lines(lines, mode, slots)
            await self._log.write(state.epoch, state.cursor, end, text)
        active = [example_of(each) for each in examples if each.is_learned(mode, slots)]
        model = await self._learn(state, settings, active, end)
        appeared_late = _appeared_late(state.last_read, known)
        counters = replace(
            _counted(state.counters, examples, settings),
            duplicates=state.counters.duplicates + len(found.duplicates),
            late=state.counters.late + len(found.late),
            dangling=state.counters.dangling + len(found.dangling),
            late_events=state.counters.late_events + appeared_late,
        )
        behind = started - wait - self._writing.grace - end_at
        step = Step(
            start=state.cursor,
            seconds=(self._clock() - started).total_seconds(),
            lag=max(0.0, behind.total_seconds()),
            late_events=appeared_late,
        )
        repeated = [buckets[id(interaction)] for interaction in found.duplicates]
        counted = await asyncio.to_thread(count, space, lines, repeated, found, step, mode, slots)
        await self._metrics.add(space, counted, end)
        changed = replace(
            state,
            cursor=end,
            trained=model,
            counters=counters,
            last_read=LastRead(state.cursor, end, len(rows)),
        )
        self._adapt(len(rows), self._clock() - started)
        return _Done(changed, len(active), tuple(counted.values()), appeared_late)

    def _step_end(self, state: LoopState, settings: LoopSettings) -> int:
        """Return the first bucket that this step leaves alone; the cursor if none is closed."""
        wait = settings.rewards.wait
        seconds = state.bucket_seconds
        least = least_step(state, wait)
        most = int(LONGEST_STEP.total_seconds()) // seconds
        closed = int((self._clock() - wait - self._writing.grace).timestamp())
        available = (closed - state.cursor) // seconds
        if available < least:
            return state.cursor
        return state.cursor + seconds * min(available, max(least, min(self._buckets, most)))

    def _adapt(self, rows: int, took: timedelta) -> None:
        """Aim at steps of some thousand events that end well before the lease does."""
        long = took > timedelta(seconds=self._training.lease_seconds) / 3
        if rows > self._training.events_per_step or long:
            self._buckets = max(1, self._buckets // 2)
        elif rows < self._training.events_per_step // 2:
            self._buckets = min(2 * self._buckets, 1 << 20)

    # -- learning the joined log again after a reset ------------------------------------------

    async def _replay_step(self, state: LoopState, replay: Replay, settings: LoopSettings) -> _Done:
        examples: list[Example | SlotsExample] = []
        mode, slots = settings.learning_mode, settings.has_slots
        position = replay.position
        ranges = self._log.ranges(state.epoch, replay.position, replay.until)
        async for found in ranges:
            if found.end <= position:
                continue
            if len(examples) >= self._training.events_per_step:
                break
            for line in await self._log.lines(found):
                inside = position <= line.Bucket < replay.until
                if inside and is_learned(line, settings.rewards, mode, slots):
                    examples.append(example_of_line(line, settings.rewards))
            position = max(position, found.end)
        else:
            position = replay.until
        left = None if position >= replay.until else Replay(position, replay.until)
        model = await self._learn(state, settings, examples, min(position, replay.until))
        changed = replace(state, trained=model, replay=left)
        return _Done(changed, len(examples))

    # -- the model ------------------------------------------------------------------------------

    async def _learn(
        self,
        state: LoopState,
        settings: LoopSettings,
        examples: Sequence[Example | SlotsExample],
        end: int,
    ) -> ModelInfo | None:
        """Learn and store; return the model that results, the old one if nothing was learned."""
        if not examples:
            return state.trained
        learner = await self._load(state, settings)
        self._learner = None  # not the stored one any more until it is stored
        # Not in the event loop: the same process may be answering Rank.
        await asyncio.to_thread(learner.learn_many, examples)
        data = await asyncio.to_thread(dumps, learner)
        version = model_version(end, data)
        await self._blobs.put(model_name(self.loop, version), data)
        self._learner = (version, learner)
        now = self._clock()
        created = state.trained.created if state.trained else now
        return ModelInfo(version, created, now, learner.learned)

    async def _load(self, state: LoopState, settings: LoopSettings) -> Learner:
        if state.trained is None:
            return Learner(parse(effective_arguments(settings)))
        version = state.trained.version
        if self._learner is not None and self._learner[0] == version:
            return self._learner[1]
        blob = await self._blobs.load(model_name(self.loop, version))
        if blob is None:
            raise _LostModel(f"model {version} is missing")
        try:
            return loads(blob.data)
        except CheckpointError as exc:
            raise _LostModel(f"model {version} cannot be read: {exc}") from exc

    def _publish(self, state: LoopState, settings: LoopSettings) -> LoopState:
        """Publish the newest model when it is time, and at once after a reset was replayed."""
        if state.replay is not None:
            return state
        if state.trained is None:
            return replace(state, published=None, published_at=None)
        now = self._clock()
        since_reset = state.published is None or state.published.created != state.trained.created
        due = state.published_at is None or (
            now - state.published_at >= settings.model_export_frequency
        )
        return published(state, now) if due or since_reset else state

    # -- retention ------------------------------------------------------------------------------

    async def _keep_house(self, lease: Lease) -> None:
        """Prepare tomorrow's tables, drop what is older than the retention, prune models."""
        state, _ = await self._loops.state(self.loop)
        settings, _ = await self._loops.settings(self.loop)
        now = self._clock()
        space = state.space(self.loop)
        await self._events.prepare(space, now + timedelta(days=1))
        await self._prune_models(state)
        await self._drop_old_epochs(state)
        if settings.log_retention_days < 0:
            return
        retention = timedelta(days=min(settings.log_retention_days, MOST_RETENTION_DAYS))
        oldest = min(now - retention, _time(state.cursor))
        await lease.renew()
        await self._events.drop_before(space, oldest - REPEAT_WAITS * settings.rewards.wait)
        await self._metrics.drop_before(self.loop, oldest)
        await self._log.drop(state.epoch, int(oldest.timestamp()))

    async def _drop_old_epochs(self, state: LoopState) -> None:
        """Remove what a step wrote while logs were deleted, and what a deletion left that died."""
        if state.epoch > 0:
            await self._events.drop_epochs(self.loop, state.epoch)
            await self._metrics.drop_epochs(self.loop, state.epoch)
            await self._log.drop(state.epoch, before=0)

    async def _prune_models(self, state: LoopState) -> None:
        """Delete models older than those that the state names."""
        kept = set(state.history)
        kept.update(model.version for model in (state.trained, state.published) if model)
        if state.trained is None:
            return
        newest = state.trained.version[:16]
        async for name in self._blobs.names(model_name(self.loop, "")):
            version = name.rsplit("/", 1)[1]
            if version not in kept and version[:16] < newest:
                await self._blobs.delete(name)


def reset(state: LoopState, settings: LoopSettings) -> LoopState:
    """Return the state that learns anew, from the last days of the joined log.

    Rank goes on with the old model until the new one has caught up.
    """
    start = state.cursor - int(RETRAIN_FROM.total_seconds())
    something = state.trained is not None or state.counters.events > 0
    return replace(
        state,
        fingerprint=fingerprint(settings),
        trained=None,
        replay=Replay(start, state.cursor) if something else None,
    )


def _counted(
    counters: Counters, examples: Sequence[JoinedExample | JoinedSlots], settings: LoopSettings
) -> Counters:
    mode, slots = settings.learning_mode, settings.has_slots
    imitated = [
        matched
        for example in examples
        if mode is LearningMode.APPRENTICE and example.is_learned(mode, slots)
        for matched in example.baseline_matches
    ]
    return replace(
        counters,
        events=counters.events + len(examples),
        rewarded=counters.rewarded + sum(e.is_rewarded for e in examples),
        inactive=counters.inactive + sum(not e.is_active for e in examples),
        other_mode=counters.other_mode + sum(e.interaction.mode is not mode for e in examples),
        other_kind=counters.other_kind + sum(e.has_slots is not slots for e in examples),
        imitated=counters.imitated + len(imitated),
        imitations_matched=counters.imitations_matched + sum(imitated),
    )


def _appeared_late(last: LastRead | None, known: Sequence[RankedEvent]) -> int:
    """Count rows in the last step's buckets that were not there when it read them."""
    if last is None:
        return 0
    now = sum(last.start <= event.bucket < last.end for event in known)
    return max(0, now - last.rows)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
