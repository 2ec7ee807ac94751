"""Take a loop's model away, bring one along, or forget it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from shared.learner import checkpoint, vw_model
from shared.learner.arguments import parse
from shared.services.loop_state import (
    Loops,
    LoopState,
    ModelInfo,
    effective_arguments,
    fingerprint,
    model_name,
    model_version,
    published,
)
from shared.services.ports import BlobStore, Clock, Conflict, StorageError


class UnknownModel(Exception):
    """A loop has no such model to go back to."""


class ModelService:
    """One loop's model as a file of Vowpal Wabbit."""

    def __init__(self, loop: str, loops: Loops, blobs: BlobStore, clock: Clock) -> None:
        """Keep models in ``blobs``."""
        self.loop = loop
        self._loops = loops
        self._blobs = blobs
        self._clock = clock

    async def export_model(self) -> tuple[bytes, datetime] | None:
        """Return the published model and when it was last changed; None if there is none."""
        state, _ = await self._loops.state(self.loop)
        if state.published is None:
            return None
        version = state.published.version
        blob = await self._blobs.load(model_name(self.loop, version))
        if blob is None:
            raise StorageError(f"model {version} is missing")
        return await asyncio.to_thread(_as_file, blob.data), state.published.modified

    async def import_model(self, file: bytes) -> None:
        """Serve a model, and go on learning from it, by the loop's own settings.

        Raises:
            ModelFileError: It cannot be used, or not under these settings.
        """
        while True:
            settings, _ = await self._loops.settings(self.loop)
            data, learned = await asyncio.to_thread(
                _as_checkpoint, file, effective_arguments(settings)
            )
            state, etag = await self._loops.state(self.loop)
            version = model_version(state.cursor, data)
            await self._blobs.put(model_name(self.loop, version), data)
            now = self._clock()
            changed = replace(
                state,
                fingerprint=fingerprint(settings),
                trained=ModelInfo(version, now, now, learned),
                replay=None,
            )
            if await self._committed(published(changed, now), etag):
                return

    async def publish_earlier(self, version: str) -> None:
        """Serve a model that was published before, and go on learning from it.

        What was learned since is forgotten, not learned again: it may be why one goes back.

        Raises:
            UnknownModel: It is none of the loop's earlier models, or was deleted.
            ModelFileError: It was learned under other learning settings than the present ones.
        """
        while True:
            settings, _ = await self._loops.settings(self.loop)
            state, etag = await self._loops.state(self.loop)
            if version not in state.history:
                raise UnknownModel(version)
            blob = await self._blobs.load(model_name(self.loop, version))
            if blob is None:
                raise UnknownModel(version)
            learned = await asyncio.to_thread(
                _learned_under, blob.data, effective_arguments(settings)
            )
            now = self._clock()
            since = state.trained.created if state.trained else now
            changed = replace(
                state,
                fingerprint=fingerprint(settings),
                trained=ModelInfo(version, since, now, learned),
                replay=None,
                history=tuple(earlier for earlier in state.history if earlier != version),
            )
            if await self._committed(published(changed, now), etag):
                return

    async def reset_model(self) -> None:
        """Forget what was learned; unlike after a change of settings, nothing is learned again."""
        while True:
            settings, _ = await self._loops.settings(self.loop)
            state, etag = await self._loops.state(self.loop)
            changed = replace(
                state,
                fingerprint=fingerprint(settings),
                trained=None,
                published=None,
                published_at=None,
                replay=None,
            )
            if await self._committed(changed, etag):
                return

    async def document(self, name: str, new: Callable[[], bytes]) -> bytes:
        """Return a document of the loop that is made once, when it is first asked for."""
        path = f"{self.loop}/config/{name}"
        blob = await self._blobs.load(path)
        if blob is None:
            try:
                await self._blobs.create(path, await asyncio.to_thread(new))
            except Conflict:
                pass  # another process was faster; its document counts
            blob = await self._blobs.load(path)
        if blob is None:
            raise StorageError(f"{path} was deleted while it was read")
        return blob.data

    async def _committed(self, state: LoopState, etag: str) -> bool:
        try:
            await self._loops.commit_state(self.loop, state, etag)
        except Conflict:
            return False
        return True


def _as_file(data: bytes) -> bytes:
    return vw_model.dumps(checkpoint.loads(data))


def _learned_under(data: bytes, arguments: str) -> int:
    """Return how many events a stored model has learned, if under these arguments."""
    learner = checkpoint.loads(data)
    if learner.settings != parse(arguments):
        raise vw_model.ModelFileError(
            f"it was learned under other learning settings; put these first: "
            f"{learner.settings.arguments}"
        )
    return learner.learned


def _as_checkpoint(file: bytes, arguments: str) -> tuple[bytes, int]:
    learner = vw_model.loads(file, parse(arguments))
    return checkpoint.dumps(learner), learner.learned
