"""Every app setting: its name, its meaning and its default, in one table."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec


class SettingsError(Exception):
    """An app setting is missing or wrong; the app must not start."""

    written_for_logs = True


@dataclass(frozen=True, slots=True)
class AppSetting:
    """One app setting as documented; a test compares the table with docs and code."""

    name: str
    default: str | None
    about: str


APP_SETTINGS = (
    AppSetting("PERSONALIZER_KEY_1", None, "First API key; at least 16 characters."),
    AppSetting("PERSONALIZER_KEY_2", "", "Second API key, so that keys can be rotated."),
    AppSetting("DATA_STORAGE", "", "Connection string of the data storage account."),
    AppSetting(
        "DATA_STORAGE__blobServiceUri", "", "Blob endpoint, for managed identity instead of a key."
    ),
    AppSetting("DATA_STORAGE__tableServiceUri", "", "Table endpoint, likewise."),
    AppSetting("DATA_STORAGE__clientId", "", "Client id of a user-assigned identity."),
    AppSetting("TRAIN_SCHEDULE", "0 * * * * *", "When to train; six fields, seconds first."),
    AppSetting("TRAIN_LEASE_SECONDS", "30", "How long a dead trainer keeps others out; 15 to 60."),
    AppSetting("SHARDS", "8", "Parts that share the writing of events; fixed for a loop's life."),
    AppSetting("BUCKET_SECONDS", "60", "Time slot learned as a whole; fixed for a loop's life."),
    AppSetting("WRITE_DEADLINE_SECONDS", "8", "How long Rank and Reward try to store an event."),
    AppSetting(
        "SERVE_UNLOGGED_AFTER_SECONDS",
        "",
        "After how long Rank answers a decision that could not be stored; never, if not set.",
    ),
    AppSetting("CLOCK_SKEW_SECONDS", "5", "By how much clocks of instances may differ."),
    AppSetting("MODEL_POLL_SECONDS", "5", "How often an instance looks for a new model."),
    AppSetting("METRICS_SECONDS", "300", "Width of the narrowest row of metrics."),
    AppSetting(
        "RATE_LIMIT_PER_SECOND", "0", "Calls a second of one key or identity per instance; 0: any."
    ),
    AppSetting("RATE_LIMIT_BURST", "100", "Calls that one may make at once before that counts."),
    AppSetting(
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "",
        "Where measurements are sent; without it nothing is measured.",
    ),
    AppSetting(
        "ENTRA_TENANT_ID", "", "Tenant (a GUID) whose bearer tokens are accepted beside keys."
    ),
    AppSetting("ENTRA_AUDIENCE", "", "Audiences of these tokens, separated by commas."),
    AppSetting("ENTRA_JWKS_URI", "", "Where the tenant's signing keys are, in another cloud."),
    AppSetting("LOOPS", "", "Declared loops: a JSON object of names and their settings."),
)

MIN_KEY = 16
UNRESOLVED = "@Microsoft.KeyVault("
"""Begins what the platform leaves in a setting whose secret it could not read: known to
everybody, so never a key."""

_ENTRA = "login.microsoftonline.com"


@dataclass(frozen=True, slots=True)
class EntraSettings:
    """Which bearer tokens are accepted.

    Attributes:
        audiences: One of which a token must be for.
        issuers: One of which a token must be from: the tenant, as both versions of tokens say it.
        jwks_uri: Where the signing keys are.
    """

    audiences: tuple[str, ...]
    issuers: tuple[str, ...]
    jwks_uri: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process; ``APP_SETTINGS`` says what they mean."""

    keys: tuple[str, ...] = field(repr=False)
    connection_string: str = field(repr=False)
    blob_uri: str
    table_uri: str
    client_id: str
    train_lease_seconds: int
    shards: int
    bucket_seconds: int
    write_deadline: timedelta
    clock_skew: timedelta
    model_poll: timedelta
    metrics_seconds: int
    insights: str = field(repr=False)
    loops: Mapping[str, bytes]
    entra: EntraSettings | None = None
    unlogged_after: timedelta | None = None
    calls_per_second: float = 0
    burst: float = 100

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings.

        Raises:
            SettingsError: Without a key or storage the app would be open or forgetful.
        """
        defaults = {setting.name: setting.default or "" for setting in APP_SETTINGS}
        given = {name: environ.get(name) or default for name, default in defaults.items()}
        keys = tuple(given[name] for name in ("PERSONALIZER_KEY_1", "PERSONALIZER_KEY_2"))
        keys = tuple(key for key in keys if key and not key.startswith(UNRESOLVED))
        if not keys:
            raise SettingsError("set PERSONALIZER_KEY_1: the app never serves without a key")
        if any(len(key) < MIN_KEY or not key.isascii() for key in keys):
            raise SettingsError(f"API keys need at least {MIN_KEY} ASCII characters")
        uris = given["DATA_STORAGE__blobServiceUri"], given["DATA_STORAGE__tableServiceUri"]
        if not given["DATA_STORAGE"] and not all(uris):
            raise SettingsError(
                "set DATA_STORAGE, or DATA_STORAGE__blobServiceUri and "
                "DATA_STORAGE__tableServiceUri"
            )
        return cls(
            keys=keys,
            connection_string=given["DATA_STORAGE"],
            blob_uri=uris[0],
            table_uri=uris[1],
            client_id=given["DATA_STORAGE__clientId"],
            train_lease_seconds=int(_number(given, "TRAIN_LEASE_SECONDS", 15, 60)),
            shards=int(_number(given, "SHARDS", 1, 64)),
            bucket_seconds=int(_number(given, "BUCKET_SECONDS", 1, 3600)),
            write_deadline=timedelta(seconds=_number(given, "WRITE_DEADLINE_SECONDS", 0.1, 60)),
            clock_skew=timedelta(seconds=_number(given, "CLOCK_SKEW_SECONDS", 0, 300)),
            model_poll=timedelta(seconds=_number(given, "MODEL_POLL_SECONDS", 0.1, 3600)),
            metrics_seconds=_part_of_an_hour(given, "METRICS_SECONDS"),
            insights=given["APPLICATIONINSIGHTS_CONNECTION_STRING"],
            loops=_loops(given["LOOPS"]),
            entra=_entra(given),
            unlogged_after=_unlogged_after(given),
            calls_per_second=_number(given, "RATE_LIMIT_PER_SECOND", 0, 1e6),
            burst=_number(given, "RATE_LIMIT_BURST", 1, 1e6),
        )


def _part_of_an_hour(given: Mapping[str, str], name: str) -> int:
    seconds = int(_number(given, name, 1, 3600))
    if 3600 % seconds:
        raise SettingsError(f"{name} must divide an hour without rest, such as 5, 60 or 300")
    return seconds


def _unlogged_after(given: Mapping[str, str]) -> timedelta | None:
    name = "SERVE_UNLOGGED_AFTER_SECONDS"
    return timedelta(seconds=_number(given, name, 0.05, 60)) if given[name] else None


def _entra(given: Mapping[str, str]) -> EntraSettings | None:
    tenant, audience = given["ENTRA_TENANT_ID"], given["ENTRA_AUDIENCE"]
    if not tenant and not audience:
        return None
    try:
        tenant = str(uuid.UUID(tenant))  # "common" would let any tenant in
    except ValueError:
        raise SettingsError("ENTRA_TENANT_ID must be the GUID of a tenant") from None
    audiences = tuple(part for part in (part.strip() for part in audience.split(",")) if part)
    if not audiences:
        raise SettingsError("ENTRA_TENANT_ID needs ENTRA_AUDIENCE")
    uri = given["ENTRA_JWKS_URI"] or f"https://{_ENTRA}/{tenant}/discovery/v2.0/keys"
    where = urlsplit(uri)
    if where.scheme != "https" and where.hostname not in ("127.0.0.1", "localhost"):
        raise SettingsError("ENTRA_JWKS_URI must begin with https://")
    issuers = (
        f"https://sts.windows.net/{tenant}/",
        *(f"https://{host}/{tenant}/v2.0" for host in dict.fromkeys((_ENTRA, where.netloc))),
    )
    return EntraSettings(audiences, issuers, uri)


def _loops(text: str) -> dict[str, bytes]:
    try:
        found = msgspec.json.decode(text or "{}", type=dict[str, msgspec.Raw])
    except msgspec.DecodeError as exc:
        raise SettingsError("LOOPS must be a JSON object of loop names and settings") from exc
    return {name: bytes(document) for name, document in found.items()}


def _number(given: Mapping[str, str], name: str, low: float, high: float) -> float:
    try:
        value = float(given[name])
    except ValueError:
        raise SettingsError(f"{name} must be a number") from None
    if not low <= value <= high:
        raise SettingsError(f"{name} must be between {low:g} and {high:g}")
    return value
