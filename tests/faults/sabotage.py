"""Ways to break the app on purpose: what the reconciliation must be able to notice.

They are patched into the processes of a test (``SABOTAGE`` in ``tests.faults.actor``); nothing in
the product knows of them.
"""

import asyncio

from shared.services.loop_state import Loops, encode, state_name
from shared.services.rank import RankService
from shared.services.train import TrainService


def acknowledge_before_write() -> None:
    """Answer a Rank at once and store its decision in the background."""
    store = RankService._store
    running = set()

    async def in_background(self, interaction):
        task = asyncio.create_task(store(self, interaction))
        running.add(task)
        task.add_done_callback(running.discard)
        return interaction

    RankService._store = in_background


def cursor_instead_of_closed_buckets() -> None:
    """Learn what is there now, and go on behind the last row seen, whoever is still writing."""

    def everything_so_far(self, state, settings):
        return state.space(self.loop).bucket(self._clock()) + state.bucket_seconds

    TrainService._step_end = everything_so_far


def commit_without_if_match() -> None:
    """Overwrite the state, whatever it has become in the meantime."""

    async def commit(self, loop, state, etag):
        await self._blobs.put(state_name(loop), encode(state))
        return ""

    Loops.commit_state = commit


SABOTAGES = {
    made.__name__: made
    for made in (
        acknowledge_before_write,
        cursor_instead_of_closed_buckets,
        commit_without_if_match,
    )
}
