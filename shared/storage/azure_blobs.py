"""Blobs in Azure Blob Storage."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobLeaseClient, BlobServiceClient, ContainerClient

from shared.services.ports import Blob, Conflict, Lease, MissingBlob, StorageError
from shared.storage.errors import translated


class AzureBlobStore:
    """One container; every name in it is ours."""

    def __init__(self, service: BlobServiceClient, container: str) -> None:
        """Keep blobs in ``container``, which is created when first needed."""
        self._client: ContainerClient = service.get_container_client(container)
        self._exists = False

    async def load(self, name: str) -> Blob | None:
        """See ``BlobStore``."""
        with translated(f"read {name}"):
            try:
                stream = await self._client.download_blob(name)
                return Blob(await stream.readall(), stream.properties.etag)
            except ResourceNotFoundError:
                return None

    async def load_if_changed(self, name: str, etag: str) -> Blob | None:
        """See ``BlobStore``."""
        with translated(f"read {name}"):
            try:
                stream = await self._client.download_blob(
                    name, etag=etag, match_condition=MatchConditions.IfModified
                )
                return Blob(await stream.readall(), stream.properties.etag)
            except ResourceNotFoundError as exc:
                raise MissingBlob(f"{name} is missing") from exc
            except Exception as exc:
                if getattr(exc, "status_code", None) == 304:
                    return None
                raise

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
        with translated(f"delete {name}"):
            try:
                await self._client.delete_blob(name)
            except ResourceNotFoundError:
                return

    async def names(self, prefix: str) -> AsyncIterator[str]:
        """See ``BlobStore``."""
        with translated(f"list {prefix}"):
            try:
                async for name in self._client.list_blob_names(name_starts_with=prefix):
                    yield name
            except ResourceNotFoundError:
                return

    @asynccontextmanager
    async def lease(self, name: str, seconds: int) -> AsyncIterator[Lease]:
        """See ``BlobStore``; Azure allows 15 to 60 seconds."""
        try:
            await self.create(name, b"")
        except Conflict:
            pass  # it is there already, perhaps leased
        lease = BlobLeaseClient(self._client.get_blob_client(name))
        with translated(f"lease {name}"):
            await lease.acquire(lease_duration=seconds)
        try:
            yield _AzureLease(lease, name)
        finally:
            try:
                with translated(f"release {name}"):
                    await lease.release()
            except StorageError:
                pass  # it ends by itself

    async def _upload(self, name: str, data: bytes, **options: Any) -> str:
        await self._ensure_container()
        with translated(f"write {name}"):
            answer = await self._client.get_blob_client(name).upload_blob(data, **options)
            return str(answer["etag"])

    async def _ensure_container(self) -> None:
        if self._exists:
            return
        with translated("create the container"):
            try:
                await self._client.create_container()
            except ResourceExistsError:
                pass
        self._exists = True


class _AzureLease:
    def __init__(self, lease: BlobLeaseClient, name: str) -> None:
        self._lease = lease
        self._name = name

    async def renew(self) -> None:
        with translated(f"renew the lease of {self._name}"):
            await self._lease.renew()
