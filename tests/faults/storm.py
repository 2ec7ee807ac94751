"""The adversary: kills processes and takes storage away, in a seeded random order."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient

from shared.services.loop_state import DEFAULT_LOOP, model_name, state_name
from shared.wiring import CONTAINER
from tests.faults.proxy import RESET_AFTER, THROTTLED, TIMED_OUT_AFTER, Fault, Kind
from tests.faults.scene import Actor, Scene
from tests.faults.state_watch import StateWatch
from tests.support.simulation import call

WRITES_OF_TRAINING = (
    "PUT .*state.json",
    "PUT .*/models/",
    "PUT .*/log/",
    "PUT .*/metrics/",
    "PUT .*train.lock",
)
POLICIES = (
    "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::",
    "--cb_explore_adf --epsilon 0.3 --cb_type mtr -q ::",
    "--cb_explore_adf --epsilon 0.1 --cb_type ips -q ::",
)

Move = Callable[[], Awaitable[None]]


class Storm:
    """Does its worst to a scene, one move after the other.

    Attributes:
        kills: Processes killed.
        moves: What was done, by name.
        dropped_at: When tables were last dropped, in unix seconds.
    """

    def __init__(
        self,
        scene: Scene,
        watch: StateWatch,
        *,
        seed: int,
        longest_away: float,
        longest_wait: float = 30.0,
    ) -> None:
        """Prepare.

        Storage is away for ``longest_away`` seconds at most, and a write of training is waited for
        ``longest_wait`` seconds at most.
        """
        self.scene = scene
        self.kills = 0
        self.moves: Counter[str] = Counter()
        self.dropped_at = 0.0
        self._watch = watch
        self._random = random.Random(seed)
        self._longest_away = longest_away
        self._longest_wait = longest_wait
        self._policy = 0
        self._starting = asyncio.Lock()
        self._pending: list[asyncio.Task[None]] = []

    async def rage(
        self, moves: Sequence[str], pause: float, goes_on: Callable[[], bool] = lambda: True
    ) -> None:
        """Make ``moves`` in random order, with pauses of ``pause`` seconds on average."""
        shuffled = list(moves)
        self._random.shuffle(shuffled)
        for name in shuffled:
            if not goes_on():
                break
            await asyncio.sleep(pause * self._random.uniform(0.5, 1.5))
            self.moves[name] += 1
            await getattr(self, name)()
        await asyncio.gather(*self._pending)

    def calm(self) -> None:
        """End all faults; every process runs."""
        self.scene.proxy.clear()
        self.scene.proxy.back()

    async def kill_rank(self) -> None:
        """Kill a Rank process and start it again."""
        await self._kill(self._random.choice(self.scene.ranks))

    async def kill_trainer(self) -> None:
        """Kill a trainer at a random moment and start it again."""
        await self._kill(self._random.choice(self.scene.trainers))

    async def kill_trainers_at_a_write(self) -> None:
        """Kill all trainers when one of them writes: just before it, or just after it.

        The storm goes on meanwhile.
        """
        struck = threading.Event()

        def strike() -> None:
            for trainer in self.scene.trainers:
                self.kills += trainer.ended is None
                trainer.kill()
            struck.set()

        async def start_again() -> None:
            await asyncio.to_thread(struck.wait, self._longest_wait)
            self.scene.proxy.forget(strike)  # or it would kill what nobody starts again
            await asyncio.to_thread(struck.wait, 0.2)  # it may just have begun
            for trainer in self.scene.trainers:
                async with self._starting:
                    if trainer.ended is not None:
                        await asyncio.to_thread(trainer.start_again)

        write = self._random.choice(WRITES_OF_TRAINING)
        self.scene.proxy.once(write, strike, after=self._random.random() < 0.5)
        self._pending.append(asyncio.create_task(start_again()))

    async def refuse(self) -> None:
        """Let storage refuse connections for a while."""
        await self._away(hanging=False)

    async def hang(self) -> None:
        """Let storage accept requests and answer none for a while."""
        await self._away(hanging=True)

    async def drop_connections(self) -> None:
        """Reset every connection to storage."""
        await asyncio.to_thread(self.scene.proxy.drop_connections)

    async def throttle(self) -> None:
        """Let storage ask to be left alone, many times."""
        self.scene.proxy.inject(THROTTLED, times=self._random.randrange(10, 60))

    async def swallow_answers(self) -> None:
        """Let inserts take effect and their answers be lost, many times."""
        self.scene.proxy.inject(RESET_AFTER, "POST ", times=20)
        self.scene.proxy.inject(TIMED_OUT_AFTER, "POST ", times=20)

    async def change_policy(self) -> None:
        """Change the learning settings, which begins a new model."""
        self._policy = (self._policy + 1) % len(POLICIES)
        body = {"name": "faults", "arguments": POLICIES[self._policy]}
        for url in self.scene.urls * 10:
            try:
                status, _ = await asyncio.to_thread(
                    call,
                    _At(url, self.scene.key),
                    "PUT",
                    "personalizer/v1.0/configurations/policy",
                    body,
                )
            except OSError:
                status = 0
            if status == 200:
                return
            await asyncio.sleep(0.5)

    async def drop_tables(self) -> None:
        """Drop today's tables; as in Azure, their names stay taken for a while."""
        being_deleted = Fault(Kind.ERROR_BEFORE, status=409, code="TableBeingDeleted")
        for match in ("POST .*/Tables", "POST .*/(interactions|observations)"):
            self.scene.proxy.inject(being_deleted, match, times=10)
        await asyncio.to_thread(self._drop_tables)
        self.dropped_at = time.time()

    async def damage_model(self) -> None:
        """Overwrite the newest model with noise."""
        state = await asyncio.to_thread(self._watch.latest)
        if state is not None and state.trained is not None:
            await asyncio.to_thread(
                self._overwrite, model_name(DEFAULT_LOOP, state.trained.version), b"noise"
            )

    async def damage_state(self) -> None:
        """Overwrite the state with noise."""
        self._watch.expect_restore()
        await asyncio.to_thread(self._overwrite, state_name(DEFAULT_LOOP), b'{"epoch": 0, "sh')

    async def lose_state(self) -> None:
        """Delete the state."""
        self._watch.expect_restore()
        await asyncio.to_thread(self._overwrite, state_name(DEFAULT_LOOP), None)

    async def restart_storage(self) -> None:
        """End the emulator as an operator would, and start it on its data."""
        await asyncio.to_thread(self.scene.restart_storage)

    async def _kill(self, actor: Actor) -> None:
        async with self._starting:
            self.kills += actor.ended is None
            actor.kill()
            await asyncio.to_thread(actor.start_again)

    async def _away(self, *, hanging: bool) -> None:
        await asyncio.to_thread(self.scene.proxy.away, hanging=hanging)
        await asyncio.sleep(self._longest_away * self._random.uniform(0.5, 1.0))
        await asyncio.to_thread(self.scene.proxy.back)

    def _drop_tables(self) -> None:
        storage = self.scene.environ["DATA_STORAGE"]
        with TableServiceClient.from_connection_string(storage) as service:
            for table in list(service.list_tables()):
                service.delete_table(table.name)

    def _overwrite(self, name: str, data: bytes | None) -> None:
        storage = self.scene.environ["DATA_STORAGE"]
        with (
            BlobServiceClient.from_connection_string(storage) as service,
            service.get_blob_client(CONTAINER, name) as blob,
        ):
            try:
                if data is None:
                    blob.delete_blob()
                else:
                    blob.upload_blob(data, overwrite=True)
            except ResourceNotFoundError:
                pass


class _At:
    """What ``call`` needs of an app."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
