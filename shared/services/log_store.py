"""Where the joined log is kept: a blob of compressed lines per step of the trainer."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from shared.events.joined_log import AnyLogLine, decode_lines
from shared.services.ports import BlobStore, StorageError
from shared.services.stored import decoded, decompressed


@dataclass(frozen=True, slots=True, order=True)
class LogRange:
    """A blob of the log and the buckets (unix seconds, half-open) whose events it holds.

    Ranges of different blobs may overlap, where a step was repeated with more buckets; lines of
    the same bucket are then the same, and a reader takes them once.
    """

    start: int
    end: int
    epoch: int
    name: str


class LogStore:
    """One loop's joined log."""

    def __init__(self, loop: str, blobs: BlobStore) -> None:
        """Keep the log in ``blobs``."""
        self._loop = loop
        self._blobs = blobs

    async def write(self, epoch: int, start: int, end: int, lines: bytes) -> None:
        """Store the lines of a step; storing them again changes nothing."""
        name = log_name(self._loop, epoch, start, end)
        data = await asyncio.to_thread(gzip.compress, lines, 6, mtime=0)
        await self._blobs.put(name, data)

    async def ranges(self, epoch: int, start: int, end: int) -> AsyncIterator[LogRange]:
        """Yield an epoch's blobs that overlap the buckets from start to end, by their start."""
        day = _day(start) - timedelta(days=1)  # a step may span midnight
        while day <= _day(end):
            async for name in self._blobs.names(f"{self._loop}/log/{day:%Y/%m/%d}/"):
                found = parse_log_name(name)
                if found.epoch == epoch and found.start < end and found.end > start:
                    yield found
            day += timedelta(days=1)

    async def first(self, epoch: int) -> LogRange | None:
        """Return an epoch's oldest blob, or None where nothing is logged."""
        async for name in self._blobs.names(f"{self._loop}/log/"):
            found = parse_log_name(name)
            if found.epoch == epoch:
                return found
        return None

    async def lines(self, found: LogRange) -> list[AnyLogLine]:
        """Return the lines of a blob, in learning order."""
        blob = await self._blobs.load(found.name)
        if blob is None:
            raise StorageError(f"{found.name} was deleted while it was read")
        # Not in the event loop: the same process may be answering Rank.
        return await asyncio.to_thread(decode_blob, found.name, blob.data)

    async def drop(self, epoch: int, before: int) -> None:
        """Delete what is of earlier epochs, and what ended before a bucket."""
        async for name in self._blobs.names(f"{self._loop}/log/"):
            found = parse_log_name(name)
            if found.epoch == epoch and found.start >= before:
                break  # names sort by day, epoch and time: the rest is newer
            if found.epoch < epoch or found.end < before:
                await self._blobs.delete(name)


def decode_blob(name: str, data: bytes) -> list[AnyLogLine]:
    """Return the lines of a blob's bytes.

    Raises:
        StorageError: It is damaged.
    """
    return decoded(name, lambda text: list(decode_lines(text)), decompressed(name, data))


def log_name(loop: str, epoch: int, start: int, end: int) -> str:
    """Return the blob for a range of buckets."""
    return f"{loop}/log/{_day(start):%Y/%m/%d}/{epoch:04d}-{start:010d}-{end:010d}.dsjson.gz"


def parse_log_name(name: str) -> LogRange:
    """Return what a name of ``log_name`` says."""
    epoch, start, end = name.rsplit("/", 1)[1].split(".", 1)[0].split("-")
    return LogRange(int(start), int(end), int(epoch), name)


def _day(seconds: int) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()
