"""What a Rank process holds in memory: the published model, kept fresh in the background."""

import asyncio
import logging
import random
from dataclasses import dataclass
from datetime import timedelta

from shared.learner.checkpoint import CheckpointError, loads
from shared.learner.policy import Policy
from shared.services.failures import trace
from shared.services.loop_settings import LoopSettings
from shared.services.loop_state import (
    DEFAULT_LOOP,
    Loops,
    LoopState,
    UnknownLoop,
    decode_settings,
    decode_state,
    model_name,
    settings_name,
    state_name,
    training_due,
)
from shared.services.meter import MODEL_LOAD_FAILURES, SILENT, Meter, record_standing
from shared.services.ports import (
    BlobStore,
    Clock,
    EventSpace,
    EventStore,
    MissingBlob,
    StorageError,
    StorageUnavailable,
)
from shared.services.storage_watch import StorageWatch

logger = logging.getLogger(__name__)

LOOK = 5.0
"""Seconds that reading a loop's documents may take."""

LONGEST_PAUSE = 15.0
"""Seconds between looks while storage is away, unless polls are rarer than that anyway."""

LONGEST_PAUSE_AT_START = 5.0
"""The same while nothing has been loaded, so that nothing can be served."""


@dataclass(frozen=True, slots=True)
class ServedLoop:
    """One immutable picture of a loop; a request uses the same one from its start to its end.

    Attributes:
        space: Where events go.
        settings: The owner's settings.
        state: The loop's state.
        policy: Decides; None while no model is published, or when it cannot be read.
        model_version: Of ``policy``; empty without one.
    """

    space: EventSpace
    settings: LoopSettings
    state: LoopState
    policy: Policy | None
    model_version: str

    def decider(self, *, slots: bool) -> tuple[Policy | None, str]:
        """Return who decides over slots, or without, and its version; nobody, without a model.

        The model of a loop that has just become one of the other kind does not count.
        """
        if self.policy is None or self.policy.settings.slots is not slots:
            return None, ""
        return self.policy, self.model_version


class WrongKindOfLoop(Exception):
    """A call with slots reached a loop without them, or the reverse.

    Attributes:
        has_slots: Whether the loop is one with slots.
    """

    def __init__(self, has_slots: bool) -> None:
        """Complain about a call to a loop that has slots, or has none."""
        super().__init__("the loop has slots" if has_slots else "the loop has no slots")
        self.has_slots = has_slots


class LoopReader:
    """Keeps one loop's picture fresh. Requests read it and never wait for a model."""

    def __init__(
        self,
        loop: str,
        blobs: BlobStore,
        loops: Loops,
        clock: Clock,
        interval: timedelta,
        grace: timedelta = timedelta(0),
        meter: Meter = SILENT,
        watch: StorageWatch | None = None,
        events: EventStore | None = None,
    ) -> None:
        """Poll every ``interval`` once started; tell ``meter`` and ``watch`` of what is seen.

        A bucket may still be written to until ``grace`` after its end. While ``events`` are
        away, polls look at them too.
        """
        self.loop = loop
        self.watch = watch or StorageWatch(clock)
        self._blobs = blobs
        self._loops = loops
        self._clock = clock
        self._interval = interval.total_seconds()
        self._grace = grace
        self._meter = meter
        self._events = events
        self._served: ServedLoop | None = None
        self._tags = ("", "")
        self._unreadable = ""
        self._complaint = ""
        self._failure: Exception | None = None
        self._looked = asyncio.Event()
        self._refreshing = asyncio.Lock()
        self._begun = self._succeeded = 0
        self._polling: asyncio.Task[None] | None = None

    async def served(self) -> ServedLoop:
        """Return the present picture; only a process's first calls wait for it to be loaded.

        They wait for a look that is under way. Between two looks that failed nobody waits.

        Raises:
            UnknownLoop: There is no such loop.
            StorageUnavailable: It has never been loaded, and cannot be now.
        """
        if self._served is None:
            if self._polling is None or self._polling.done():
                self._looked.clear()
                self._polling = asyncio.create_task(self._poll())
            await self._looked.wait()
        if self._served is None:
            if isinstance(self._failure, UnknownLoop):
                raise UnknownLoop(self.loop) from self._failure
            raise StorageUnavailable(f"loop {self.loop} has not been loaded") from self._failure
        return self._served

    async def served_for(self, *, slots: bool) -> ServedLoop:
        """Return the present picture for a call with slots, or without.

        Raises:
            WrongKindOfLoop: The loop is of the other kind, also after another look at it.
            UnknownLoop: As ``served``.
            StorageError: As ``served``.
        """
        served = await self.served()
        if served.settings.has_slots is not slots:
            await self.refresh()
            served = await self.served()
        if served.settings.has_slots is not slots:
            raise WrongKindOfLoop(served.settings.has_slots)
        return served

    async def refresh(self) -> None:
        """Load what has changed.

        Raises:
            UnknownLoop: The loop was deleted; polling ends until it is asked for again.
            StorageError: It cannot be loaded now; the old picture stays.
        """
        asked = self._begun
        async with self._refreshing:  # or an older picture could replace a newer one
            if self._succeeded > asked:
                return  # somebody's refresh has begun and ended since
            self._begun = begun = self._begun + 1
            try:
                await self._refresh()
            except MissingBlob as exc:
                self._served = None
                if self._polling is not asyncio.current_task():
                    await self.close()  # whoever asks next looks at once
                raise UnknownLoop(self.loop) from exc
            self._succeeded = begun

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(LOOK):
                state, settings, tags = await self._documents()
        except TimeoutError as exc:
            raise StorageUnavailable(f"loop {self.loop} could not be read in time") from exc
        self.watch.documents.succeeded()
        policy, version = await self._policy(state)
        self._served = ServedLoop(state.space(self.loop), settings, state, policy, version)
        self._tags = tags
        wait = settings.rewards.wait
        due = training_due(state, wait, self._grace)
        record_standing(self._meter, self.loop, self._clock(), due, wait, state.published_at)

    async def _documents(self) -> tuple[LoopState, LoopSettings, tuple[str, str]]:
        """Return state and settings, and their tags; what has not changed is not read."""
        if self._served is not None:
            try:
                return await self._changed(self._served)
            except MissingBlob:
                if self.loop != DEFAULT_LOOP and not await self._loops.has_copy(self.loop):
                    raise
        state, state_tag = await self._loops.state(self.loop)  # the default loop always exists
        settings, settings_tag = await self._loops.settings(self.loop)
        return state, settings, (state_tag, settings_tag)

    async def _changed(self, served: ServedLoop) -> tuple[LoopState, LoopSettings, tuple[str, str]]:
        state, settings, (state_tag, settings_tag) = served.state, served.settings, self._tags
        blob = await self._blobs.load_if_changed(state_name(self.loop), state_tag)
        if blob is not None:
            state, state_tag = decode_state(blob), blob.etag
        blob = await self._blobs.load_if_changed(settings_name(self.loop), settings_tag)
        if blob is not None:
            settings, settings_tag = decode_settings(blob), blob.etag
        return state, settings, (state_tag, settings_tag)

    async def close(self) -> None:
        """Stop polling."""
        if self._polling is not None:
            self._polling.cancel()
            self._polling = None

    async def _policy(self, state: LoopState) -> tuple[Policy | None, str]:
        """Return the published policy, from memory when it has not changed."""
        if state.published is None:
            return None, ""
        wanted = state.published.version
        if self._served is not None and wanted in (self._served.model_version, self._unreadable):
            return self._served.policy, self._served.model_version
        try:
            blob = await self._blobs.load(model_name(self.loop, wanted))
            if blob is None:
                raise StorageError("there is no such blob")
            learner = await asyncio.to_thread(loads, blob.data)
        except (StorageError, CheckpointError) as exc:
            # Decisions go on with the model before, or uniformly: never an error for the caller.
            self._meter.record(MODEL_LOAD_FAILURES, 1, loop=self.loop)
            self._complain(f"model {wanted} of loop {self.loop} cannot be read: {exc}")
            self._unreadable = wanted if isinstance(exc, CheckpointError) else ""
            if self._served is not None:
                return self._served.policy, self._served.model_version
            return None, ""
        return learner.policy(), wanted

    async def _poll(self) -> None:
        failures = 0
        while True:
            try:
                await self.refresh()
            except UnknownLoop as exc:
                self._failure = exc
                self._looked.set()
                return
            except Exception as exc:  # noqa: BLE001 (whatever it was, the next look may succeed)
                failures += 1
                self._failure = exc
                self._tell(exc)
            else:
                failures = 0
                self._failure = None
            self._looked.set()
            await self._look_at_events()
            await asyncio.sleep(self._pause(failures))
            if self._served is None:
                self._looked.clear()

    def _pause(self, failures: int) -> float:
        """Return the seconds until the next look: longer and longer while storage is away."""
        if not failures:
            return self._interval
        longest = min(self._interval * min(failures, 3), max(self._interval, LONGEST_PAUSE))
        if self._served is None:
            longest = min(longest, LONGEST_PAUSE_AT_START)
        return random.uniform(longest / 2, longest)  # noqa: S311 (no secret)

    async def _look_at_events(self) -> None:
        """Look whether tables answer again: a process without calls would never know."""
        if self._events is None or self._served is None or not self.watch.events.probe_due():
            return
        try:
            async with asyncio.timeout(LOOK):
                await self._events.prepare(self._served.space, self._clock())
        except (StorageError, TimeoutError):
            return
        self.watch.events.succeeded()

    def _tell(self, exc: Exception) -> None:
        """Tell of a look that failed, once for each reason."""
        if not isinstance(exc, StorageError):
            logger.error("loop %s could not be refreshed: %s", self.loop, trace(exc))
            return
        self.watch.documents.failed(exc)
        if not isinstance(exc, StorageUnavailable):
            self._complain(f"loop {self.loop} could not be refreshed: {exc}")

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            self._complaint = text
            logger.error("%s", text)
