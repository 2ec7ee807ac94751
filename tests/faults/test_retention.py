"""A full retention cycle on real storage: what is too old goes, what is not learned stays."""

from datetime import timedelta

from tests.faults.quiet_loop import quiet_loop

DAYS = 3
EVENTS = 40


async def kept(loop, state):
    """Return how many events and blobs of the log are still there."""
    start = state.cursor - 30 * 86_400
    events = await loop.stores.events.interactions(state.space(loop.name), start, state.cursor)
    logs = [name async for name in loop.stores.blobs.names(f"{loop.name}/log/")]
    return len(events), len(logs)


async def test_events_are_learned_kept_and_dropped_and_what_was_learned_stays(app_environ):
    async with quiet_loop(app_environ, log_retention_days=DAYS) as loop:
        await loop.live(EVENTS, "e")
        loop.ahead = timedelta(days=1)
        await loop.train()
        learned, model = await loop.state(), await loop.model()
        events, logs = await kept(loop, learned)

        loop.ahead = timedelta(days=DAYS + 3)
        await loop.train()
        dropped = await loop.state()

        assert (learned.counters.events, learned.counters.rewarded, events) == (EVENTS,) * 3
        assert logs > 0
        assert (dropped.counters, await loop.model()) == (learned.counters, model)
        assert await kept(loop, dropped) == (0, 0)

        await loop.live(EVENTS, "f")
        loop.ahead += timedelta(hours=1)
        await loop.train()
        counters = (await loop.state()).counters

        assert (counters.events, counters.rewarded, counters.late_events) == (80, 80, 0)


async def test_what_was_not_learned_is_learned_before_it_is_dropped(app_environ):
    async with quiet_loop(app_environ, log_retention_days=DAYS) as loop:
        await loop.live(EVENTS, "e")
        loop.ahead = timedelta(days=2 * DAYS)
        await loop.train()
        state = await loop.state()

        assert (state.counters.events, state.counters.rewarded) == (EVENTS, EVENTS)
        assert await kept(loop, state) == (0, 0)
