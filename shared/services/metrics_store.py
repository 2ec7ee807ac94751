"""Where metrics live: rows per slot of time, kept at several widths and read for any range.

Rows live in *pages*, a blob for some rows of one width. A page says up to which bucket it has
counted (``until``), and the trainer adds to it, before it commits, only what lies behind that. What
a bucket amounts to follows from its events alone, so it does not matter which attempt of a step
has counted it: none is lost and none is counted twice, whatever dies when.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from shared.services.metrics_row import Row
from shared.services.ports import BlobStore, EventSpace
from shared.services.stored import decoded

SLOT = 300
HOUR = 3600
DAY = 24 * HOUR
ROWS_PER_PAGE = {HOUR: 24, DAY: 30}
FINE_ROWS_PER_PAGE = 12


@dataclass(frozen=True, slots=True)
class Level:
    """A width of rows.

    Attributes:
        width: Seconds of a row.
        page: Seconds of a page.
    """

    width: int
    page: int


def levels(finest: int = SLOT) -> tuple[Level, ...]:
    """Return the widths that are kept, the finest first.

    Args:
        finest: Seconds of the narrowest row; it must divide an hour.
    """
    widths = sorted({finest, max(finest, SLOT), HOUR, DAY})
    return tuple(Level(w, w * ROWS_PER_PAGE.get(w, FINE_ROWS_PER_PAGE)) for w in widths)


@dataclass(slots=True)
class Page:
    """Neighbouring rows of one width.

    Attributes:
        until: The first bucket that is not counted yet.
        rows: By the start of their slot, in unix seconds; empty slots are left out.
    """

    until: int = 0
    rows: dict[int, Row] = field(default_factory=dict)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Page).decode


class MetricsStore:
    """Pages of metrics in blobs."""

    def __init__(self, blobs: BlobStore, finest: int = SLOT) -> None:
        """Keep rows of ``finest`` seconds and wider ones."""
        self.levels = levels(finest)
        self._blobs = blobs
        self._loaded: dict[str, tuple[Page, str]] = {}

    async def add(self, space: EventSpace, buckets: Mapping[int, Row], end: int) -> None:
        """Count buckets that are not counted yet.

        Args:
            space: The loop and its epoch.
            buckets: Rows by bucket; all buckets from the loop's cursor to ``end`` that have any.
            end: The first bucket that is not among them.

        Raises:
            Conflict: Somebody else counts at the same time.
        """
        for level in self.levels:
            starts = {bucket - bucket % level.page for bucket in buckets}
            for start in sorted(starts):
                stop = min(end, start + level.page)
                part = {b: row for b, row in buckets.items() if start <= b < stop}
                await self._add_to_page(page_name(space, level, start), level, part, stop)

    async def rows(
        self, space: EventSpace, level: Level, start: int, end: int
    ) -> list[tuple[int, Row]]:
        """Return the slots from ``start`` to ``end`` that have any event, with their rows.

        It takes one call of storage for each page that the range touches.
        """
        first = start - start % level.page
        names = [page_name(space, level, page) for page in range(first, end, level.page)]
        blobs = await asyncio.gather(*map(self._blobs.load, names))
        pages = {name: b.data for name, b in zip(names, blobs, strict=True) if b}
        # Not in the event loop: the same process may be answering Rank.
        found = await asyncio.to_thread(_rows, pages)
        return sorted((slot, row) for slot, row in found if start <= slot < end)

    async def drop_before(self, loop: str, oldest: datetime) -> None:
        """Delete pages that end before a time."""
        widths = {level.width: level.page for level in self.levels}
        async for name in self._blobs.names(f"{loop}/metrics/"):
            width, start = map(int, name.rsplit("/", 2)[1:])
            page = widths.get(width, width * FINE_ROWS_PER_PAGE)
            if start + page <= oldest.timestamp():
                await self._blobs.delete(name)

    async def drop_epochs(self, loop: str, below: int) -> None:
        """Delete the pages of epochs below a given one."""
        prefix = f"{loop}/metrics/"
        async for name in self._blobs.names(prefix):
            if int(name.removeprefix(prefix).split("/")[0]) >= below:
                break  # names sort by epoch
            await self._blobs.delete(name)

    async def _add_to_page(
        self, name: str, level: Level, buckets: Mapping[int, Row], stop: int
    ) -> None:
        page, etag = self._loaded.pop(name) if name in self._loaded else await self._load(name)
        new = {bucket: row for bucket, row in buckets.items() if bucket >= page.until}
        if new:
            for bucket in sorted(new):
                slot = bucket - bucket % level.width
                page.rows.setdefault(slot, Row()).merge(new[bucket])
            page.until = stop
            data = _encode(page)
            etag = await (
                self._blobs.replace(name, data, etag) if etag else self._blobs.create(name, data)
            )
        self._keep(name, page, etag)

    async def _load(self, name: str) -> tuple[Page, str]:
        blob = await self._blobs.load(name)
        return (_page(name, blob.data), blob.etag) if blob else (Page(), "")

    def _keep(self, name: str, page: Page, etag: str) -> None:
        """Remember the pages written last, so that the next step need not read them."""
        self._loaded[name] = (page, etag)
        while len(self._loaded) > 2 * len(self.levels):
            del self._loaded[next(iter(self._loaded))]


def page_name(space: EventSpace, level: Level, start: int) -> str:
    """Return the blob of a page."""
    return f"{space.loop}/metrics/{space.epoch:04d}/{level.width:05d}/{start:010d}"


def _rows(pages: Mapping[str, bytes]) -> list[tuple[int, Row]]:
    return [row for name, data in pages.items() for row in _page(name, data).rows.items()]


def _page(name: str, data: bytes) -> Page:
    return decoded(name, _decode, data)
