"""Where the joined log is kept."""

from datetime import UTC, datetime

from shared.services.log_store import LogStore, log_name
from shared.storage.memory import InMemoryBlobStore

MIDNIGHT = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
HOUR = 3600


async def names(log, epoch, start, end):
    return [found.name async for found in log.ranges(epoch, start, end)]


async def test_ranges_are_those_of_an_epoch_that_overlap():
    log = LogStore("default", InMemoryBlobStore())
    for epoch in (1, 2):
        for hour in (-2, 0, 1, 24, 25):
            start = MIDNIGHT + hour * HOUR
            await log.write(epoch, start, start + HOUR, b"")
    day = [log_name("default", 2, MIDNIGHT + h * HOUR, MIDNIGHT + (h + 1) * HOUR) for h in (0, 1)]

    assert await names(log, 2, MIDNIGHT, MIDNIGHT + 24 * HOUR) == day
    assert await names(log, 2, MIDNIGHT + HOUR - 1, MIDNIGHT + HOUR) == day[:1]
    assert await names(log, 2, MIDNIGHT + HOUR, MIDNIGHT + HOUR + 1) == day[1:]


async def test_what_began_the_day_before_is_found():
    log = LogStore("default", InMemoryBlobStore())
    await log.write(0, MIDNIGHT - HOUR, MIDNIGHT + HOUR, b"")

    assert await names(log, 0, MIDNIGHT, MIDNIGHT + 1) == [
        log_name("default", 0, MIDNIGHT - HOUR, MIDNIGHT + HOUR)
    ]
