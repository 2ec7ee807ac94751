"""Blobs in Azure Blob Storage."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobLeaseClient, BlobServiceClient, ContainerClient

from shared.services.jobs import JobKind
from shared.services.ports import (
    Blob,
    Conflict,
    Lease,
    MissingBlob,
    StorageError,
    StorageUnavailable,
)
from shared.storage import errors
from shared.storage.errors import error_code, translated

SLOWEST = 1 << 20
"""Bytes a second that a transfer must reach, after ``PATIENCE``."""

RELEASE_WITHIN = 2.0
"""Seconds that giving a lease back may take; it ends by itself."""

_NAMED_BY_CALLERS = frozenset(JobKind)


class AzureBlobStore:
    """One container; every name in it is ours."""

    def __init__(self, service: BlobServiceClient, container: str) -> None:
        """Keep blobs in ``container``, which is created when first needed."""
        self._client: ContainerClient = service.get_container_client(container)
        self._exists = False

    async def load(self, name: str) -> Blob | None:
        """See ``BlobStore``."""
        try:
            return await self._download(name)
        except MissingBlob:
            return None

    async def load_if_changed(self, name: str, etag: str) -> Blob | None:
        """See ``BlobStore``."""
        try:
            return await self._download(name, etag=etag, match_condition=MatchConditions.IfModified)
        except _NotModified:
            return None

    async def create(self, name: str, data: bytes) -> str:
        """See ``BlobStore``."""
        return await self._upload(name, data, overwrite=False)

    async def replace(self, name: str, data: bytes, etag: str) -> str:
        """See ``BlobStore``."""
        return await self._upload(
            name,
            data,
            overwrite=True,
            etag=etag,
            match_condition=MatchConditions.IfNotModified,
        )

    async def put(self, name: str, data: bytes) -> None:
        """See ``BlobStore``."""
        await self._upload(name, data, overwrite=True)

    async def delete(self, name: str) -> None:
        """See ``BlobStore``."""
        async with translated(f"delete {_shown(name)}"):
            try:
                await self._client.delete_blob(name)
            except ResourceNotFoundError:
                return

    async def names(self, prefix: str) -> AsyncIterator[str]:
        """See ``BlobStore``."""
        pages = self._client.list_blob_names(name_starts_with=prefix).by_page()
        while True:
            async with translated(f"list {prefix}"):
                try:
                    found = [name async for name in await anext(pages)]
                except (ResourceNotFoundError, StopAsyncIteration):
                    return
            for name in found:
                yield name

    @asynccontextmanager
    async def lease(self, name: str, seconds: int) -> AsyncIterator[Lease]:
        """See ``BlobStore``; Azure allows 15 to 60 seconds."""
        try:
            await self.create(name, b"")
        except Conflict:
            pass  # it is there already, perhaps leased
        lease = BlobLeaseClient(self._client.get_blob_client(name))
        async with translated(f"lease {_shown(name)}"):
            await lease.acquire(lease_duration=seconds)
        try:
            yield _AzureLease(lease, name)
        finally:
            try:
                async with translated(f"release {_shown(name)}", RELEASE_WITHIN):
                    await lease.release()
            except StorageError:
                pass  # it ends by itself

    async def _download(self, name: str, **options: Any) -> Blob:
        async with translated(f"read {_shown(name)}"):
            try:
                stream = await self._client.download_blob(name, **options)
            except ResourceNotFoundError as exc:
                if not error_code(exc):
                    raise StorageUnavailable(
                        f"could not read {_shown(name)}: not storage's 404"
                    ) from exc
                raise MissingBlob(f"{_shown(name)} is missing") from exc
            except HttpResponseError as exc:
                if exc.status_code == 304:
                    raise _NotModified from exc
                raise
        async with translated(f"read {_shown(name)}", transfer_time(stream.size)):
            return Blob(await stream.readall(), stream.properties.etag)

    async def _upload(self, name: str, data: bytes, **options: Any) -> str:
        blob = self._client.get_blob_client(name)
        await self._ensure_container()
        for last in (False, True):
            async with translated(f"write {_shown(name)}", transfer_time(len(data))):
                try:
                    answer = await blob.upload_blob(data, **options)
                except ResourceNotFoundError:
                    if last or "etag" in options:
                        raise
                else:
                    return str(answer["etag"])
            self._exists = False  # somebody deleted the container
            await self._ensure_container()
        raise AssertionError("the last attempt returns or raises")

    async def _ensure_container(self) -> None:
        if self._exists:
            return
        async with translated("create the container"):
            try:
                await self._client.create_container()
            except ResourceExistsError as exc:
                if "Being" in error_code(exc):  # deleted
                    raise
        self._exists = True


class _NotModified(Exception):
    pass


def transfer_time(size: int) -> float:
    """Return the seconds that a blob of so many bytes may take."""
    return errors.PATIENCE + size / SLOWEST


def _shown(name: str) -> str:
    """Return a blob's name as it may be logged: ids that callers make up are left out."""
    loop, _, rest = name.partition("/")
    kind = rest.partition("/")[0]
    return f"{loop}/{kind}/..." if kind in _NAMED_BY_CALLERS else name


class _AzureLease:
    def __init__(self, lease: BlobLeaseClient, name: str) -> None:
        self._lease = lease
        self._name = name

    async def renew(self) -> None:
        async with translated(f"renew the lease of {_shown(self._name)}"):
            await self._lease.renew()
