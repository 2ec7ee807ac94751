"""Which loops there are, and the keys that open each."""

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from shared.events.joined_log import Moment
from shared.services.loop_settings import LoopSettings
from shared.services.loop_state import (
    DEFAULT_LOOP,
    Loops,
    UnknownLoop,
    copy_name,
    lock_name,
    state_name,
)
from shared.services.ports import (
    Blob,
    BlobStore,
    Clock,
    Conflict,
    EventStore,
    Lease,
    StorageError,
    StorageUnavailable,
)
from shared.services.stored import decoded

PREFIX = "_loops/"
"""Of the blobs that hold records; no loop's name begins with an underscore."""

KEYS = 2
"""Per loop, so that one can be changed while the other is in use."""

LOCK_SECONDS = 15
"""How long a loop stays locked by a process that died; a living one renews its hold."""

TRIES = 20
PAUSE = 0.25
"""Seconds between tries to declare a loop that another process is about to declare as well."""

LOOK = 5.0
"""Seconds that reading a record may take."""

PAUSE_AFTER_FAILURE = timedelta(seconds=1)
"""For how long records that are not known are not looked for after storage has failed."""

NAME = "[a-z][a-z0-9]{2,19}"
"""Regular expression of loop names."""

_NAME = re.compile(NAME, re.ASCII)


@dataclass(frozen=True, slots=True)
class LoopRecord:
    """That a loop exists, and what opens it.

    Attributes:
        name: Of the loop.
        created: When it was created.
        epoch: Its first; those below belonged to a deleted loop of the same name.
        key_digests: SHA-256 of its keys, in hexadecimal; the keys themselves are not kept.
        declared: Digest of the document that was last applied to it, empty without one.
        deleted: When it was deleted, or None.
    """

    name: str
    created: Moment
    epoch: Annotated[int, msgspec.Meta(ge=0)] = 0
    key_digests: tuple[Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")], ...] = ()
    declared: str = ""
    deleted: Moment | None = None


Change = Callable[[LoopSettings], LoopSettings]


def is_loop_name(name: str) -> bool:
    """Whether a name can be a loop's: a lower-case letter, then 2 to 19 letters or digits."""
    return _NAME.fullmatch(name) is not None


class LoopRegistry:
    """Creates, finds and deletes loops. The default loop always exists."""

    def __init__(
        self,
        loops: Loops,
        blobs: BlobStore,
        events: EventStore,
        clock: Clock,
        fresh_for: timedelta,
    ) -> None:
        """Remember records for ``fresh_for``; then they are read again, if asked for.

        That happens in the background, while the old one serves; only one that is three times as
        old is waited for.
        """
        self._loops = loops
        self._blobs = blobs
        self._events = events
        self._clock = clock
        self._fresh_for = fresh_for
        self._known: dict[str, tuple[datetime, LoopRecord]] = {}
        self._reading: dict[str, asyncio.Task[LoopRecord | None]] = {}
        self._failed: datetime | None = None

    async def find(self, loop: str) -> LoopRecord:
        """Return a loop's record.

        Raises:
            UnknownLoop: There is no such loop.
            StorageError: It is not known whether there is, or was just not.
        """
        record: LoopRecord | None
        if loop not in self._known:
            if self._failed and self._clock() - self._failed < PAUSE_AFTER_FAILURE:
                raise StorageUnavailable("the records of loops could not be read a moment ago")
            record = await asyncio.shield(self._read_once(loop))
        else:
            read_at, record = self._known[loop]
            age = self._clock() - read_at
            if age >= self._fresh_for:
                reading = self._read_once(loop)
                if age >= 3 * self._fresh_for:
                    record = await asyncio.shield(reading)
        if record is None or record.deleted is not None:
            raise UnknownLoop(loop)
        return record

    async def names(self) -> list[str]:
        """Return the names of all loops, the default one first."""
        found = [DEFAULT_LOOP]
        async for name in self._blobs.names(PREFIX):
            loop = name.removeprefix(PREFIX).removesuffix(".json")
            if name.endswith(".json") and loop != DEFAULT_LOOP:
                record = await self._read(loop)
                if record is not None and record.deleted is None:
                    found.append(loop)
        return found

    async def create(self, loop: str) -> tuple[str, ...]:
        """Create a loop with default settings and return its keys; nothing if it exists.

        Raises:
            Conflict: It is being created or deleted by somebody else.
        """
        if loop == DEFAULT_LOOP:
            return ()
        async with self._locked(loop):
            blob = await self._blobs.load(_blob_name(loop))
            old = None if blob is None else _decode(blob)
            if old is not None and old.deleted is None:
                return ()
            if old is not None:
                async with self._held(lock_name(loop)):
                    await self._purge(loop)  # a deletion may have died half-way
            keys = tuple(secrets.token_hex(16) for _ in range(KEYS))
            epoch = 0 if old is None else old.epoch
            record = LoopRecord(loop, self._clock(), epoch, tuple(digest(key) for key in keys))
            await self._loops.create(loop, epoch)
            await self._write(record, blob)
            return keys

    async def declare(self, loop: str, change: Change, declared: str) -> bool:
        """Create a loop if need be, and apply declared settings once; return whether they were new.

        Args:
            loop: Its name.
            change: From the present settings to those that were declared.
            declared: Digest of the declaration; what was applied last is not applied again, so
                that later changes by hand stay until the declaration itself changes.
        """
        await self._ensure(loop)
        blob = await self._blobs.load(_blob_name(loop))
        record = LoopRecord(loop, self._clock()) if blob is None else _decode(blob)
        if record.declared == declared:
            return False
        await self._loops.change_settings(loop, change)
        try:
            await self._write(replace(record, declared=declared), blob)
        except Conflict:
            return False  # another process declares the same
        return True

    async def regenerate_key(self, loop: str, number: int) -> str:
        """Replace a loop's key ``number`` (1 or 2) and return the new one."""
        while True:
            await self.find(loop)
            blob = await self._blobs.load(_blob_name(loop))
            if blob is None:
                raise UnknownLoop(loop)
            record = _decode(blob)
            if record.deleted is not None:
                raise UnknownLoop(loop)
            key = secrets.token_hex(16)
            digests = list(record.key_digests)
            digests[number - 1] = digest(key)
            try:
                await self._write(replace(record, key_digests=tuple(digests)), blob)
            except Conflict:
                continue
            return key

    async def delete(self, loop: str) -> None:
        """Delete a loop with everything that is stored for it.

        Deleting again finishes what a crash has left.

        Raises:
            UnknownLoop: It never existed.
            Conflict: It is being trained, created or deleted.
        """
        if await self._read(loop) is None:
            raise UnknownLoop(loop)
        async with self._locked(loop), self._held(lock_name(loop)):
            blob = await self._blobs.load(_blob_name(loop))
            if blob is None:
                raise UnknownLoop(loop)
            record = _decode(blob)
            if record.deleted is None:
                state, _ = await self._loops.state(loop)
                gone = replace(record, key_digests=(), declared="", deleted=self._clock())
                await self._write(replace(gone, epoch=state.epoch + 1), blob)
            await self._purge(loop)

    def opened_by(self, given: str) -> str | None:
        """Return the loop that a key opens, by its digest, of those with records in memory."""
        for loop, (_, record) in self._known.items():
            if record is not None and opens(record.key_digests, given):
                return loop
        return None

    async def _ensure(self, loop: str) -> None:
        """Make sure that a loop exists; every process of an app that starts does this at once."""
        for _ in range(TRIES):
            record = await self._read(loop)
            if record is not None and record.deleted is None:
                return
            try:
                await self.create(loop)
            except Conflict:
                await asyncio.sleep(PAUSE)
        raise StorageUnavailable(f"loop {loop} is being made or deleted elsewhere")

    async def _read(self, loop: str) -> LoopRecord | None:
        if not is_loop_name(loop):
            return None
        now = self._clock()
        before = self._known.get(loop)
        try:
            async with asyncio.timeout(LOOK):
                blob = await self._blobs.load(_blob_name(loop))
        except (StorageError, TimeoutError) as exc:
            known = self._known.get(loop)
            if known is None:
                self._failed = self._clock()
                raise StorageUnavailable(f"the record of loop {loop} could not be read") from exc
            self._known[loop] = (now, known[1])
            return known[1]  # storage is away: what was known goes on
        self._failed = None
        newer = self._known.get(loop)
        if newer is not before:  # written or read meanwhile: what was read may be older
            return None if newer is None else newer[1]
        record = None if blob is None else _decode(blob)
        if record is None and loop == DEFAULT_LOOP:
            record = LoopRecord(loop, now)
        if record is not None:  # names that callers make up must not fill the memory
            self._known[loop] = (now, record)
        else:
            self._known.pop(loop, None)
        return record

    def _read_once(self, loop: str) -> asyncio.Task[LoopRecord | None]:
        """Return the reading of a record that is under way, begun if need be."""
        reading = self._reading.get(loop)
        if reading is None:
            reading = self._reading[loop] = asyncio.create_task(self._read(loop))
            reading.add_done_callback(lambda done: self._read_ended(loop, done))
        return reading

    def _read_ended(self, loop: str, reading: asyncio.Task[LoopRecord | None]) -> None:
        del self._reading[loop]
        if not reading.cancelled():
            reading.exception()  # who waited for it has it, and perhaps nobody waits any more

    async def _write(self, record: LoopRecord, over: Blob | None) -> None:
        data = msgspec.json.format(msgspec.json.encode(record), indent=1)
        if over is None:
            await self._blobs.create(_blob_name(record.name), data)
        else:
            await self._blobs.replace(_blob_name(record.name), data, over.etag)
        self._known[record.name] = (self._clock(), record)

    async def _purge(self, loop: str) -> None:
        """Remove all that is stored for a loop; no trainer may work on it.

        The state goes first, so that a writer that meets a missing table makes no new one.
        """
        await self._blobs.delete(copy_name(loop))  # or the loop would seem to have lost its state
        await self._blobs.delete(state_name(loop))
        await self._events.drop_epochs(loop)
        async for name in self._blobs.names(f"{loop}/"):
            if name != lock_name(loop):
                await self._blobs.delete(name)

    def _locked(self, loop: str) -> AbstractAsyncContextManager[None]:
        return self._held(f"{PREFIX}{loop}.lock")

    @asynccontextmanager
    async def _held(self, name: str) -> AsyncIterator[None]:
        """Hold a blob for as long as the block takes."""
        async with self._blobs.lease(name, LOCK_SECONDS) as lease:
            renewing = asyncio.create_task(_renew(lease))
            try:
                yield
            finally:
                renewing.cancel()


def opens(key_digests: Iterable[str], given: str) -> bool:
    """Whether a key's digest is one of these. The time taken tells nothing about the keys."""
    return any([hmac.compare_digest(given, known) for known in key_digests])


def digest(key: str) -> str:
    """Return the SHA-256 of a key, in hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


async def _renew(lease: Lease) -> None:
    while True:
        await asyncio.sleep(LOCK_SECONDS / 3)
        await lease.renew()


def _blob_name(loop: str) -> str:
    return f"{PREFIX}{loop}.json"


def _decode(blob: Blob) -> LoopRecord:
    return decoded("a loop's record", msgspec.json.Decoder(LoopRecord).decode, blob.data)
