"""A loop's logs: since when there are any, to read them, to delete them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shared.events.joined_log import AnyLogLine
from shared.services.log_store import LogStore
from shared.services.loop_state import Counters, Loops
from shared.services.metrics_store import MetricsStore
from shared.services.ports import BlobStore, Clock, Conflict, EventStore
from shared.services.serving import LoopReader


class LogService:
    """One loop's logs."""

    def __init__(
        self, reader: LoopReader, loops: Loops, blobs: BlobStore, events: EventStore, clock: Clock
    ) -> None:
        """Read the log in ``blobs``, and delete from it and from ``events``."""
        self._reader = reader
        self._loops = loops
        self._log = LogStore(reader.loop, blobs)
        self._metrics = MetricsStore(blobs)
        self._events = events
        self._clock = clock

    async def date_range(self) -> tuple[datetime, datetime] | None:
        """Return from when to when events are logged; None where there are none."""
        state, _ = await self._loops.state(self._reader.loop)
        first = await self._log.first(state.epoch)
        if first is None:
            return None
        return _time(first.start), _time(max(state.cursor, first.end))

    async def read(self, start: datetime, end: datetime) -> AsyncIterator[AnyLogLine]:
        """Yield the logged events whose buckets lie from start to end, each once, in order."""
        state, _ = await self._loops.state(self._reader.loop)
        first = await self._log.first(state.epoch)
        if first is None:
            return
        low = max(int(start.timestamp()), first.start)
        high = min(int(end.timestamp()), state.cursor)
        read_to = low
        async for found in self._log.ranges(state.epoch, low, high):
            for line in await self._log.lines(found):
                if read_to <= line.Bucket < high:
                    yield line
            read_to = max(read_to, found.end)

    async def delete(self) -> None:
        """Delete all events, the log and the metrics. What was learned from them stays.

        The epoch rises, so that events from now on go to new tables. A writer that does not know
        yet meets a missing table and looks again. Calls that are answered before this returns may
        count as earlier than the deletion.
        """
        loop = self._reader.loop
        while True:
            state, etag = await self._loops.state(loop)
            changed = replace(
                state, epoch=state.epoch + 1, replay=None, last_read=None, counters=Counters()
            )
            for days in (0, 1):
                await self._events.prepare(
                    changed.space(loop), self._clock() + timedelta(days=days)
                )
            try:
                await self._loops.commit_state(loop, changed, etag)
            except Conflict:
                continue  # the trainer was faster
            break
        await self._events.drop_epochs(loop, changed.epoch)
        await self._log.drop(changed.epoch, before=0)
        await self._metrics.drop_epochs(loop, changed.epoch)
        await self._reader.refresh()


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
