"""The composition root: settings -> stores -> services. The only place that names adapters."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient

from shared.services.append import Writing
from shared.services.loop_state import LoopDefaults, Loops
from shared.services.metrics import MetricsService
from shared.services.metrics_store import MetricsStore
from shared.services.model import ModelService
from shared.services.ports import BlobStore, EventStore
from shared.services.rank import RankService
from shared.services.reward import RewardService
from shared.services.serving import LoopReader
from shared.services.train import Training, TrainService
from shared.settings import Settings
from shared.storage.azure_blobs import AzureBlobStore
from shared.storage.azure_tables import AzureEventStore

DEFAULT_LOOP = "default"
CONTAINER = "personalizer"
"""Blob container; with the tables it makes a storage account the home of one app."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where everything lives."""

    blobs: BlobStore
    events: EventStore


@dataclass(frozen=True, slots=True)
class Application:
    """The services of one loop in one process."""

    loop: str
    loops: Loops
    reader: LoopReader
    rank: RankService
    reward: RewardService
    train: TrainService
    models: ModelService
    metrics: MetricsService


def now() -> datetime:
    """Return the present time in UTC: the clock of every process."""
    return datetime.now(UTC)


def build(settings: Settings, stores: Stores, loop: str = DEFAULT_LOOP) -> Application:
    """Return the services over given stores."""
    writing = Writing(settings.write_deadline, settings.clock_skew)
    defaults = LoopDefaults(settings.shards, settings.bucket_seconds)
    loops = Loops(stores.blobs, now, lambda: uuid.uuid4().hex, defaults)
    reader = LoopReader(loop, stores.blobs, loops, now, settings.model_poll)
    metrics = MetricsStore(stores.blobs, settings.metrics_seconds)
    training = Training(lease_seconds=settings.train_lease_seconds)
    return Application(
        loop=loop,
        loops=loops,
        reader=reader,
        rank=RankService(reader, stores.events, now, writing),
        reward=RewardService(reader, stores.events, now, writing),
        models=ModelService(loop, loops, stores.blobs, now),
        train=TrainService(
            loop, loops, stores.blobs, stores.events, now, writing, training, metrics
        ),
        metrics=MetricsService(loop, loops, metrics, now, writing),
    )


@asynccontextmanager
async def azure_stores(settings: Settings) -> AsyncIterator[Stores]:
    """Open Azure's stores, with the connection string if there is one, else by identity."""
    blob_options: dict[str, Any] = {"retry_total": 3, "initial_backoff": 0.2, "increment_base": 2}
    blob_options |= {"connection_timeout": 5, "read_timeout": 20}
    # Inserts are retried by the services, which choose the bucket anew each time.
    table_options: dict[str, Any] = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 20}
    if settings.connection_string:
        blobs = BlobServiceClient.from_connection_string(settings.connection_string, **blob_options)
        tables = TableServiceClient.from_connection_string(
            settings.connection_string, **table_options
        )
        async with blobs, tables:
            yield Stores(AzureBlobStore(blobs, CONTAINER), AzureEventStore(tables))
    else:
        async with _identity(settings) as credential:
            blobs = BlobServiceClient(settings.blob_uri, credential, **blob_options)
            tables = TableServiceClient(settings.table_uri, credential=credential, **table_options)
            async with blobs, tables:
                yield Stores(AzureBlobStore(blobs, CONTAINER), AzureEventStore(tables))


def _identity(settings: Settings) -> AsyncTokenCredential:
    from azure.identity.aio import DefaultAzureCredential  # 0.1 s to import, needed only here

    if settings.client_id:
        return DefaultAzureCredential(managed_identity_client_id=settings.client_id)
    return DefaultAzureCredential()


class _Process:
    """The one application of this process's serving event loop, built when first needed."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.application: Application | None = None
        self.event_loop: asyncio.AbstractEventLoop | None = None
        self.stores: AbstractAsyncContextManager[Stores] | None = None


_process = _Process()


def settings() -> Settings:
    """Return this process's settings.

    Raises:
        SettingsError: The app must not start with them.
    """
    if _process.settings is None:
        _process.settings = Settings.from_environ(os.environ)
    return _process.settings


async def application() -> Application:
    """Return this process's services; they live as long as the process.

    Azure's asynchronous clients belong to the event loop in which they are made, so this must
    not happen at import.
    """
    event_loop = asyncio.get_running_loop()
    if _process.application is None or _process.event_loop is not event_loop:
        # There is no shutdown hook in Azure Functions: the stores close with the process.
        _process.stores = azure_stores(settings())
        _process.application = build(settings(), await _process.stores.__aenter__())
        _process.event_loop = event_loop
    return _process.application
