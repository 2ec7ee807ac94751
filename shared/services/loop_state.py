"""A loop's state: the one document that says what has been learned and what is served.

Model and cursor change together in one conditional write of it, which is what makes every event
count exactly once: whatever a crash leaves behind without that write never happened.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from shared.events.joined_log import Moment
from shared.learner.arguments import with_epsilon
from shared.services.loop_settings import AutoOptimization, LoopSettings
from shared.services.ports import Blob, BlobStore, Clock, Conflict, EventSpace, StorageError
from shared.services.stored import decoded

logger = logging.getLogger(__name__)

DEFAULT_LOOP = "default"
"""The loop that is served at the root; it always exists."""

HISTORY = 20
"""How many published models are kept for going back."""

RETRAIN_FROM = timedelta(days=2)
"""How much of the joined log a reset loop learns again, as in the retired service."""

MOST_SHARDS = 1024
LONGEST_BUCKET = 3600
"""Seconds."""

WAITS_PER_STEP = 16
"""A step spans at least a 16th of the reward wait, so that no row is read much more often."""

LONGEST_STEP = timedelta(hours=12)
"""What a step of training spans at most; a reader of the log looks back one day for its start."""


Bucket = Annotated[int, msgspec.Meta(ge=0, le=10**11)]
"""The start of a bucket in unix seconds; what is read from a damaged document is within bounds."""


class UnknownLoop(Exception):
    """There is no loop of that name."""


class DamagedState(StorageError):
    """A loop's state is missing or cannot be read; training restores it from its copy."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What the joins of a loop have found since its epoch began; every event is in it once.

    Attributes:
        events: Closed events, duplicates left out.
        rewarded: Of these, with at least one reward in time.
        inactive: Of these, deferred and never activated, therefore not learned.
        other_mode: Of these, ranked in a learning mode that is no longer set, not learned.
        other_kind: Of these, over slots where the loop no longer has any, or the reverse, not
            learned.
        imitated: Choices (one an event, or one a slot) made as apprentice and learned.
        imitations_matched: Of these, with the model drawing the baseline action.
        duplicates: Interactions that repeated an event id.
        late: Observations after the wait time.
        dangling: Observations without an interaction.
        late_events: Rows that appeared in a bucket after it had been read; must stay 0.
    """

    events: int = 0
    rewarded: int = 0
    inactive: int = 0
    other_mode: int = 0
    other_kind: int = 0
    imitated: int = 0
    imitations_matched: int = 0
    duplicates: int = 0
    late: int = 0
    dangling: int = 0
    late_events: int = 0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A stored model.

    Attributes:
        version: Its name: the time up to which it has learned, and a digest of its bytes.
        created: When this line of models began, that is, since the last reset.
        modified: When this one was stored.
        learned: Events that it has learned.
    """

    version: str
    created: Moment
    modified: Moment
    learned: int


@dataclass(frozen=True, slots=True)
class Replay:
    """A reset loop learns its joined log again, from ``position`` until ``until`` (buckets)."""

    position: Bucket
    until: Bucket


@dataclass(frozen=True, slots=True)
class LastRead:
    """The buckets of the last step and the rows found in them, for the audit of the next."""

    start: Bucket
    end: Bucket
    rows: int


@dataclass(frozen=True, slots=True)
class LoopState:
    """See the module's description; times of buckets are unix seconds.

    Attributes:
        epoch: Raised when all logs are deleted.
        shards: Into how many parts events are spread.
        bucket_seconds: Length of a bucket.
        cursor: The first bucket that is not learned yet.
        fingerprint: Of the settings that the trained model follows; a change means a reset.
        trained: The newest model, where learning goes on.
        published: The model that Rank serves.
        published_at: When it began to be served.
        replay: What a reset loop still has to learn again.
        counters: What the joins have found.
        last_read: For the audit of late rows.
        last_training: When a step was last committed.
        history: Versions published before, newest first.
    """

    epoch: Annotated[int, msgspec.Meta(ge=0)]
    shards: Annotated[int, msgspec.Meta(ge=1, le=MOST_SHARDS)]
    bucket_seconds: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_BUCKET)]
    cursor: Bucket
    fingerprint: str = ""
    trained: ModelInfo | None = None
    published: ModelInfo | None = None
    published_at: Moment | None = None
    replay: Replay | None = None
    counters: Counters = Counters()
    last_read: LastRead | None = None
    last_training: Moment | None = None
    history: tuple[str, ...] = ()

    def space(self, loop: str) -> EventSpace:
        """Return where the loop's events are kept."""
        return EventSpace(loop, self.epoch, self.shards, self.bucket_seconds)


def least_step(state: LoopState, wait: timedelta) -> int:
    """Return how many buckets a step of training spans at least."""
    span = min(wait / WAITS_PER_STEP, LONGEST_STEP)
    return max(1, int(span.total_seconds() / state.bucket_seconds))


def training_due(state: LoopState, wait: timedelta, grace: timedelta) -> datetime:
    """Return when the next step of training becomes, or became, possible.

    Args:
        state: The loop's.
        wait: Its reward wait time.
        grace: How long after its end a bucket may still be written to.
    """
    end = state.cursor + least_step(state, wait) * state.bucket_seconds
    return datetime.fromtimestamp(end, UTC) + wait + grace


def effective_arguments(settings: LoopSettings) -> str:
    """Return the learning settings in force: the owner's, with the exploration that is set."""
    return with_epsilon(settings.arguments, settings.exploration)


def fingerprint(settings: LoopSettings) -> str:
    """Return a digest of all settings whose change resets the model."""
    rewards = settings.rewards
    parts = (
        effective_arguments(settings),
        rewards.wait.total_seconds(),
        rewards.aggregation,
        rewards.default,
    )
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


def published(state: LoopState, now: datetime) -> LoopState:
    """Return the state in which the newest model is served."""
    if state.trained is None or state.trained == state.published:
        return state
    history = state.history if state.published is None else (
        state.published.version, *state.history
    )  # fmt: skip
    return replace(state, published=state.trained, published_at=now, history=history[:HISTORY])


def settings_name(loop: str) -> str:
    """Return the blob that holds a loop's settings."""
    return f"{loop}/config/settings.json"


def state_name(loop: str) -> str:
    """Return the blob that holds a loop's state."""
    return f"{loop}/state.json"


def copy_name(loop: str) -> str:
    """Return the blob that holds a copy of a loop's state as it was last committed."""
    return f"{loop}/state.copy.json"


def lock_name(loop: str) -> str:
    """Return the blob whose lease its one trainer holds."""
    return f"{loop}/train.lock"


def model_name(loop: str, version: str) -> str:
    """Return the blob that holds a model."""
    return f"{loop}/models/{version}"


def model_version(until: int, data: bytes) -> str:
    """Return the name of a model that has learned the buckets before ``until``."""
    end = datetime.fromtimestamp(until, UTC)
    return f"{end:%Y%m%dT%H%M%SZ}-{hashlib.sha256(data).hexdigest()[:16]}"


def encode(document: LoopState | LoopSettings) -> bytes:
    """Return a document's JSON text, for people to read as well."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1)


_decode_state = msgspec.json.Decoder(LoopState).decode
_decode_settings = msgspec.json.Decoder(LoopSettings).decode


def decode_state(blob: Blob) -> LoopState:
    """Parse a stored state."""
    try:
        return decoded("the loop's state", _decode_state, blob.data)
    except StorageError as exc:
        raise DamagedState(str(exc)) from exc


def decode_settings(blob: Blob) -> LoopSettings:
    """Parse stored settings."""
    return decoded("the loop's settings document", _decode_settings, blob.data)


@dataclass(frozen=True, slots=True)
class LoopDefaults:
    """With what a new loop begins.

    Attributes:
        shards: See ``LoopState``.
        bucket_seconds: See ``LoopState``.
        start_before: How long before its creation a new loop looks for events, so that writers
            whose clocks are behind are not missed.
    """

    shards: int = 8
    bucket_seconds: int = 60
    start_before: timedelta = timedelta(minutes=10)


class Loops:
    """The documents of all loops. The default loop's are created when first asked for."""

    def __init__(
        self,
        blobs: BlobStore,
        clock: Clock,
        new_name: Callable[[], str],
        defaults: LoopDefaults = LoopDefaults(),
    ) -> None:
        """Work on ``blobs``; ``new_name`` makes a new loop's internal name."""
        self._blobs = blobs
        self._clock = clock
        self._new_name = new_name
        self._defaults = defaults

    async def state(self, loop: str) -> tuple[LoopState, str]:
        """Return a loop's state and its tag.

        Raises:
            UnknownLoop: There is no such loop.
            DamagedState: There was one, but it is gone, or it cannot be read.
        """
        blob = await self._blobs.load(state_name(loop))
        if blob is None and await self.has_copy(loop):
            raise DamagedState("the loop's state is missing")
        if blob is None:
            blob = await self._load_or_create(loop, state_name(loop), self._new_state)
            await self._copy_new_state(loop, blob.data)
        return decode_state(blob), blob.etag

    async def settings(self, loop: str) -> tuple[LoopSettings, str]:
        """Return a loop's settings and their tag.

        Raises:
            UnknownLoop: There is no such loop.
        """
        blob = await self._load_or_create(loop, settings_name(loop), self._new_settings)
        return decode_settings(blob), blob.etag

    async def create(self, loop: str, epoch: int) -> None:
        """Write the documents of a new loop whose first epoch is ``epoch``."""
        await self._blobs.put(settings_name(loop), encode(self._new_settings()))
        state = encode(self._new_state(epoch))
        await self._blobs.put(state_name(loop), state)
        await self._blobs.put(copy_name(loop), state)

    async def change_settings(
        self, loop: str, change: Callable[[LoopSettings], LoopSettings]
    ) -> LoopSettings:
        """Apply ``change`` to the newest settings, again if somebody else was faster."""
        while True:
            current, etag = await self.settings(loop)
            changed = change(current)
            try:
                await self._blobs.replace(settings_name(loop), encode(changed), etag)
            except Conflict:
                continue
            return changed

    async def commit_state(self, loop: str, state: LoopState, etag: str) -> str:
        """Replace the state that was read as ``etag``; ``Conflict`` if it has moved on."""
        data = encode(state)
        committed = await self._blobs.replace(state_name(loop), data, etag)
        try:
            await self._blobs.put(copy_name(loop), data)
        except StorageError as exc:  # the one before serves as well: training is repeatable
            logger.warning("the state of loop %s could not be copied: %s", loop, exc)
        return committed

    async def has_copy(self, loop: str) -> bool:
        """Whether there is a copy of the loop's state: it exists, even if its state is gone."""
        return await self._blobs.load(copy_name(loop)) is not None

    async def restore_state(self, loop: str) -> tuple[LoopState, str]:
        """Put the copy of a loop's state in the place of one that is missing or damaged.

        The copy may be older by a commit; what came after it is learned again, to the same model.

        Returns:
            The state and its tag, as ``state`` does; the present one if it can be read again.

        Raises:
            DamagedState: There is no copy that can be read.
        """
        copy = await self._blobs.load(copy_name(loop))
        if copy is None:
            raise DamagedState("the loop's state is damaged, and there is no copy of it")
        state = decode_state(copy)
        blob = await self._blobs.load(state_name(loop))
        if blob is None:
            etag = await self._blobs.create(state_name(loop), copy.data)
        else:
            try:
                return decode_state(blob), blob.etag
            except DamagedState:
                etag = await self._blobs.replace(state_name(loop), copy.data, blob.etag)
        logger.error(
            "the state of loop %s was missing or damaged: its copy, learned until %s, is restored",
            loop,
            datetime.fromtimestamp(state.cursor, UTC),
        )
        return state, etag

    async def _copy_new_state(self, loop: str, data: bytes) -> None:
        try:
            await self._blobs.create(copy_name(loop), data)
        except Conflict:
            pass  # a commit was faster
        except StorageError as exc:  # the first commit makes up for it
            logger.warning("the state of loop %s could not be copied: %s", loop, exc)

    async def _load_or_create(
        self, loop: str, name: str, new: Callable[[], LoopState | LoopSettings]
    ) -> Blob:
        blob = await self._blobs.load(name)
        if blob is not None:
            return blob
        if loop != DEFAULT_LOOP:
            raise UnknownLoop(loop)
        data = encode(new())
        try:
            return Blob(data, await self._blobs.create(name, data))
        except Conflict:
            blob = await self._blobs.load(name)
        if blob is None:
            raise StorageError(f"{name} was deleted while it was read")
        return blob

    def _new_state(self, epoch: int = 0) -> LoopState:
        seconds = self._defaults.bucket_seconds
        start = int((self._clock() - self._defaults.start_before).timestamp())
        return LoopState(
            epoch=epoch,
            shards=self._defaults.shards,
            bucket_seconds=seconds,
            cursor=start - start % seconds,
        )

    def _new_settings(self) -> LoopSettings:
        now = self._clock()
        return LoopSettings(
            policy_name=self._new_name(),
            last_edit=now,
            auto_optimization=AutoOptimization(start=now + timedelta(days=15)),
        )
