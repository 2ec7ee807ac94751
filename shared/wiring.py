"""The composition root: settings -> stores -> services. The only place that names adapters."""

import asyncio
import gc
import logging
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient

from shared import telemetry
from shared.contract.errors import ContractError
from shared.contract.loop_document import LoopDocument, parse_loop_document
from shared.services.append import Writing
from shared.services.decisions import DecisionService
from shared.services.doctor import DoctorService
from shared.services.jobs import JobService
from shared.services.logs import LogService
from shared.services.loop_registry import LoopRegistry, digest, is_loop_name
from shared.services.loop_state import DEFAULT_LOOP, LoopDefaults, Loops
from shared.services.meter import SILENT, Meter
from shared.services.metrics import MetricsService
from shared.services.metrics_store import MetricsStore
from shared.services.model import ModelService
from shared.services.ports import BlobStore, EventStore, StorageError, StorageUnavailable
from shared.services.rank import RankService
from shared.services.rate_limit import RateLimit
from shared.services.reward import RewardService
from shared.services.serving import LoopReader
from shared.services.storage_watch import StorageWatch
from shared.services.train import Training, TrainService
from shared.settings import Settings, SettingsError
from shared.storage.azure_blobs import AzureBlobStore
from shared.storage.azure_tables import AzureEventStore
from shared.storage.table_account import (
    Authorization,
    BearerToken,
    SharedKey,
    TableAccount,
    open_session,
)
from shared.storage.table_inserts import TableInserts
from shared.storage.table_queries import TableQueries

if TYPE_CHECKING:
    from shared.entra import TokenChecker

logger = logging.getLogger(__name__)
# They log the address of every request to storage, and with it the ids of events.
logging.getLogger("azure").setLevel(logging.WARNING)
# It warns of every error's answer without storage's own text; our log tells once (the watch).
logging.getLogger("azure.storage.blob._shared.response_handlers").setLevel(logging.ERROR)

CONTAINER = "personalizer"
"""Blob container; with the tables it makes a storage account the home of one app."""

PAUSE_AFTER_FAILURE = 2.0
"""Seconds between attempts to apply declared loops."""

FIRST_PART = 4 << 20
"""Bytes of a blob that its first request reads; it has the least time."""


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
    logs: LogService
    jobs: JobService
    decisions: DecisionService
    doctor: DoctorService


def now() -> datetime:
    """Return the present time in UTC: the clock of every process."""
    return datetime.now(UTC)


def build(
    settings: Settings,
    stores: Stores,
    loop: str = DEFAULT_LOOP,
    meter: Meter = SILENT,
    watch: StorageWatch | None = None,
) -> Application:
    """Return the services of one loop over given stores; ``watch`` is that of the process."""
    writing = Writing(settings.write_deadline, settings.clock_skew)
    loops = _loops(settings, stores)
    reader = LoopReader(
        loop,
        stores.blobs,
        loops,
        now,
        settings.model_poll,
        writing.grace,
        meter,
        watch,
        stores.events,
    )
    metrics = MetricsStore(stores.blobs, settings.metrics_seconds)
    training = Training(lease_seconds=settings.train_lease_seconds)
    return Application(
        loop=loop,
        loops=loops,
        reader=reader,
        rank=RankService(reader, stores.events, now, writing, meter, settings.unlogged_after),
        reward=RewardService(reader, stores.events, now, writing, meter),
        models=ModelService(loop, loops, stores.blobs, now),
        train=TrainService(
            loop, loops, stores.blobs, stores.events, now, writing, training, metrics, meter
        ),
        metrics=MetricsService(loop, loops, metrics, now, writing),
        logs=LogService(reader, loops, stores.blobs, stores.events, now),
        jobs=JobService(loop, stores.blobs),
        decisions=DecisionService(reader, stores.events, stores.blobs, now, writing),
        doctor=DoctorService(loop, loops, metrics, stores.blobs, stores.events, now, writing),
    )


def _loops(settings: Settings, stores: Stores) -> Loops:
    defaults = LoopDefaults(settings.shards, settings.bucket_seconds)
    return Loops(stores.blobs, now, lambda: uuid.uuid4().hex, defaults)


class Process:
    """All loops of one process.

    Attributes:
        settings: The app's.
        key_digests: Of the app's keys.
        registry: Which loops there are.
        declared: Whether the loops that the settings declare have been applied.
        watch: Whether storage answers.
        limit: How often each caller may call; None unless the settings limit it.
        tokens: Checks bearer tokens; None unless the settings accept them.
    """

    def __init__(self, settings: Settings, stores: Stores, meter: Meter = SILENT) -> None:
        """Serve what is in ``stores``, and tell ``meter``."""
        self.settings = settings
        self.key_digests = tuple(map(digest, settings.keys))
        self.registry = LoopRegistry(
            _loops(settings, stores), stores.blobs, stores.events, now, settings.model_poll
        )
        self._stores = stores
        self._meter = meter
        self._applications: dict[str, Application] = {}
        self.declared = not settings.loops
        self._declaring: asyncio.Task[None] | None = None
        self._declare_from = 0.0
        self.watch = StorageWatch(now)
        self.limit = (
            RateLimit(settings.calls_per_second, settings.burst)
            if settings.calls_per_second
            else None
        )
        self.tokens = _token_checker(settings)

    async def application(self, loop: str = DEFAULT_LOOP) -> Application:
        """Return the services of a loop, built when first needed.

        Raises:
            UnknownLoop: There is no such loop.
        """
        if loop != DEFAULT_LOOP:
            await self.registry.find(loop)
        found = self._applications.get(loop)
        if found is None:
            found = build(self.settings, self._stores, loop, self._meter, self.watch)
            self._applications[loop] = found
        return found

    async def ready(self) -> None:
        """Wait until the declared loops have been applied; calls share an attempt.

        Raises:
            StorageUnavailable: They could not be, or could not a moment ago.
        """
        if self.declared:
            return
        time = asyncio.get_running_loop().time
        if self._declaring is None or self._declaring.done():
            if time() < self._declare_from:
                raise StorageUnavailable("declared loops could not be applied a moment ago")
            self._declaring = asyncio.create_task(self.declare())
        try:
            await asyncio.shield(self._declaring)
        except StorageError as exc:
            self._declare_from = time() + PAUSE_AFTER_FAILURE
            self.watch.documents.failed(exc)
            raise StorageUnavailable("declared loops could not be applied") from exc

    async def declare(self) -> None:
        """Apply the loops that the app's settings declare."""
        for loop, document in declared_loops(self.settings).items():
            try:
                await self.registry.declare(loop, document.change, document.digest)
            except ContractError as exc:
                # It fits a new loop, but not this one's present settings; others must go on.
                logger.error("loop %s is not as declared: %s: %s", loop, exc.target, exc.message)
        self.declared = True

    async def close(self) -> None:
        """Stop what runs in the background."""
        for application in self._applications.values():
            await application.reader.close()


def _token_checker(settings: Settings) -> "TokenChecker | None":
    if settings.entra is None:
        return None
    from shared.entra import TokenChecker  # its library is needed only here

    return TokenChecker(settings.entra)


def declared_loops(settings: Settings) -> dict[str, LoopDocument]:
    """Return the documents of the loops that the setting ``LOOPS`` declares.

    Raises:
        SettingsError: A document is wrong.
    """
    found = {}
    for loop, text in settings.loops.items():
        if not is_loop_name(loop):
            raise SettingsError(f"LOOPS: {loop!r} cannot be the name of a loop")
        try:
            found[loop] = parse_loop_document(text, now)
        except ContractError as exc:
            raise SettingsError(f"LOOPS: {loop}: {exc.target}: {exc.message}") from exc
    return found


@asynccontextmanager
async def azure_stores(settings: Settings) -> AsyncIterator[Stores]:
    """Open Azure's stores, with the connection string if there is one, else by identity."""
    table_options: dict[str, Any] = {"retry_total": 2, "connection_timeout": 4, "read_timeout": 8}
    blob_options = table_options | {"max_single_get_size": FIRST_PART}
    blob_options |= {"initial_backoff": 0.2, "increment_base": 2, "random_jitter_range": 1}
    if settings.connection_string:
        blobs = BlobServiceClient.from_connection_string(settings.connection_string, **blob_options)
        tables = TableServiceClient.from_connection_string(
            settings.connection_string, **table_options
        )
        async with blobs, tables, open_session() as session:
            key = _shared_key(tables)
            yield _stores(blobs, tables, session, tables.url, key)
    else:
        async with _identity(settings) as credential, open_session() as session:
            blobs = BlobServiceClient(settings.blob_uri, credential, **blob_options)
            tables = TableServiceClient(settings.table_uri, credential=credential, **table_options)
            async with blobs, tables:
                token = BearerToken(credential)
                yield _stores(blobs, tables, session, settings.table_uri, token)


def _stores(
    blobs: BlobServiceClient,
    tables: TableServiceClient,
    session: aiohttp.ClientSession,
    table_uri: str,
    authorization: Authorization,
) -> Stores:
    account = TableAccount(session, table_uri, authorization)
    events = AzureEventStore(tables, TableInserts(account), TableQueries(account))
    return Stores(AzureBlobStore(blobs, CONTAINER), events)


def _shared_key(tables: TableServiceClient) -> SharedKey:
    credential = tables.credential
    if not isinstance(credential, AzureNamedKeyCredential):
        raise SettingsError("DATA_STORAGE must hold an account key; without one, use an identity")
    return SharedKey(credential.named_key.name, credential.named_key.key)


def _identity(settings: Settings) -> AsyncTokenCredential:
    from azure.identity.aio import DefaultAzureCredential  # 0.1 s to import, needed only here

    if settings.client_id:
        return DefaultAzureCredential(managed_identity_client_id=settings.client_id)
    return DefaultAzureCredential()


class _Here:
    """What this operating system process has opened."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.meter: Meter | None = None
        self.process: Process | None = None
        self.event_loop: asyncio.AbstractEventLoop | None = None
        self.opening = asyncio.Lock()
        self.stores: AbstractAsyncContextManager[Stores] | None = None


_here = _Here()


def settings() -> Settings:
    """Return this process's settings.

    Raises:
        SettingsError: The app must not start with them.
    """
    if _here.settings is None:
        found = Settings.from_environ(os.environ)
        declared_loops(found)
        _here.settings = found
    return _here.settings


def meter() -> Meter:
    """Return what takes this process's measurements."""
    if _here.meter is None:
        _here.meter = telemetry.meter(settings().insights)
    return _here.meter


async def opened() -> Process:
    """Return this process's loops as they are; they live as long as it does.

    Azure's asynchronous clients belong to the event loop in which they are made, so this must
    not happen at import. It asks storage nothing.
    """
    event_loop = asyncio.get_running_loop()
    found = _here.process
    if found is not None and _here.event_loop is event_loop:
        return found
    if _here.event_loop is not event_loop:
        _here.event_loop, _here.opening, _here.process = event_loop, asyncio.Lock(), None
    async with _here.opening:
        found = _here.process
        if found is None:
            # There is no shutdown hook in Azure Functions: the stores close with the process.
            _here.stores = azure_stores(settings())
            found = _here.process = Process(settings(), await _here.stores.__aenter__(), meter())
            # What was loaded so far stays: a full collection that walks it holds all calls up.
            gc.freeze()
        return found


async def process() -> Process:
    """Return this process's loops, as the settings declare them.

    Raises:
        StorageUnavailable: Declared loops could not be applied; a later call tries again.
    """
    found = await opened()
    await found.ready()
    return found
