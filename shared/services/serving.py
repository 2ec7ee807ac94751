"""What a Rank process holds in memory: the published model, kept fresh in the background."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.learner.checkpoint import CheckpointError, loads
from shared.learner.policy import Policy
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
    MissingBlob,
    StorageError,
    StorageUnavailable,
)

logger = logging.getLogger(__name__)


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
    ) -> None:
        """Poll every ``interval`` once started; tell ``meter`` of what is seen.

        A bucket may still be written to until ``grace`` after its end.
        """
        self.loop = loop
        self._blobs = blobs
        self._loops = loops
        self._clock = clock
        self._interval = interval
        self._grace = grace
        self._meter = meter
        self._served: ServedLoop | None = None
        self._tags = ("", "")
        self._unreadable = ""
        self._refreshed: datetime | None = None
        self._starting = asyncio.Lock()
        self._refreshing = asyncio.Lock()
        self._polling: asyncio.Task[None] | None = None

    @property
    def storage_reachable(self) -> bool:
        """Whether one of the last few polls has succeeded."""
        patience = 3 * self._interval + timedelta(seconds=10)
        return self._refreshed is not None and self._clock() - self._refreshed < patience

    async def served(self) -> ServedLoop:
        """Return the present picture; only a process's first call waits for it to be loaded.

        Raises:
            UnknownLoop: There is no such loop.
            StorageError: It has never been loaded, and cannot be now.
        """
        if self._served is None:
            async with self._starting:
                if self._served is None:
                    await self.refresh()
                    self._polling = asyncio.create_task(self._poll())
        if self._served is None:
            raise StorageUnavailable("the loop has not been loaded")
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
        async with self._refreshing:  # or an older picture could replace a newer one
            try:
                await self._refresh()
            except MissingBlob as exc:
                if self.loop == DEFAULT_LOOP:
                    raise
                self._served = None
                raise UnknownLoop(self.loop) from exc

    async def _refresh(self) -> None:
        if self._served is None:
            state, state_tag = await self._loops.state(self.loop)
            settings, settings_tag = await self._loops.settings(self.loop)
        else:
            state, state_tag = self._served.state, self._tags[0]
            settings, settings_tag = self._served.settings, self._tags[1]
            blob = await self._blobs.load_if_changed(state_name(self.loop), state_tag)
            if blob is not None:
                state, state_tag = decode_state(blob), blob.etag
            blob = await self._blobs.load_if_changed(settings_name(self.loop), settings_tag)
            if blob is not None:
                settings, settings_tag = decode_settings(blob), blob.etag
        policy, version = await self._policy(state)
        self._served = ServedLoop(state.space(self.loop), settings, state, policy, version)
        self._tags = (state_tag, settings_tag)
        self._refreshed = self._clock()
        wait = settings.rewards.wait
        due = training_due(state, wait, self._grace)
        record_standing(self._meter, self.loop, self._refreshed, due, wait, state.published_at)

    async def close(self) -> None:
        """Stop polling."""
        if self._polling is not None:
            self._polling.cancel()

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
            logger.error("model %s of loop %s cannot be read: %s", wanted, self.loop, exc)
            self._unreadable = wanted if isinstance(exc, CheckpointError) else ""
            if self._served is not None:
                return self._served.policy, self._served.model_version
            return None, ""
        return learner.policy(), wanted

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._interval.total_seconds())
            try:
                await self.refresh()
            except UnknownLoop:
                return
            except StorageError as exc:
                logger.warning("loop %s could not be refreshed: %s", self.loop, exc)
