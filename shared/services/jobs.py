"""Offline jobs of a loop: evaluations of policies and importances of features.

Jobs are kept, listed and shown. None runs yet, and each one's status says so.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from shared.events.event_ids import storage_key
from shared.services.ports import Blob, BlobStore, Conflict
from shared.services.stored import decoded


class JobKind(StrEnum):
    """What a job finds out; the value names the folder of its blobs."""

    EVALUATION = "evaluations"
    FEATURE_IMPORTANCE = "featureimportances"


class JobStatus(StrEnum):
    """How far a job is."""

    NOT_SUBMITTED = "notSubmitted"


class JobExists(Exception):
    """There is a job of that id already."""


class UnknownJob(Exception):
    """There is no job of that id."""


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """Learning settings to be evaluated.

    Attributes:
        name: The caller's name of them.
        arguments: As given.
    """

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for, and what has become of it.

    Attributes:
        id: The caller's or a generated one.
        name: The caller's name of it.
        start: Of the events to look at.
        end: Of the events to look at.
        created: When it was asked for.
        policies: To be evaluated besides the one in force.
        optimize: Whether better settings are to be searched for.
        status: How far it is.
    """

    id: str
    name: str
    start: datetime
    end: datetime
    created: datetime
    policies: tuple[NamedPolicy, ...] = ()
    optimize: bool = False
    status: JobStatus = JobStatus.NOT_SUBMITTED


class JobService:
    """One loop's jobs."""

    def __init__(self, loop: str, blobs: BlobStore) -> None:
        """Keep them in ``blobs``."""
        self._loop = loop
        self._blobs = blobs

    async def create(self, kind: JobKind, job: Job) -> None:
        """Keep a new job.

        Raises:
            JobExists: Its id is taken.
        """
        data = msgspec.json.format(msgspec.json.encode(job), indent=1)
        try:
            await self._blobs.create(self._name(kind, job.id), data)
        except Conflict as exc:
            raise JobExists(job.id) from exc

    async def find(self, kind: JobKind, job_id: str) -> Job:
        """Return a job.

        Raises:
            UnknownJob: There is none of that id.
        """
        blob = await self._blobs.load(self._name(kind, job_id))
        if blob is None:
            raise UnknownJob(job_id)
        return _decode(blob)

    async def all(self, kind: JobKind) -> list[Job]:
        """Return all jobs of a kind, newest first."""
        prefix = f"{self._loop}/{kind}/"
        found = [await self._blobs.load(name) async for name in self._blobs.names(prefix)]
        jobs = [_decode(blob) for blob in found if blob is not None]
        return sorted(jobs, key=lambda job: (job.created, job.id), reverse=True)

    async def delete(self, kind: JobKind, job_id: str) -> None:
        """Forget a job.

        Raises:
            UnknownJob: There is none of that id.
        """
        await self.find(kind, job_id)
        await self._blobs.delete(self._name(kind, job_id))

    def _name(self, kind: JobKind, job_id: str) -> str:
        return f"{self._loop}/{kind}/{storage_key(job_id)}.json"


def _decode(blob: Blob) -> Job:
    return decoded("a job", msgspec.json.Decoder(Job).decode, blob.data)
