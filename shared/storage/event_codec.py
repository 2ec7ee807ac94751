"""How events become table rows: keys, and payloads, compressed and cut to a property's size."""

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from shared.events.event_ids import shard_of, storage_key
from shared.events.interaction import AnyInteraction, Interaction, SlotsInteraction
from shared.events.observation import Observation
from shared.services.ports import EntityTooLarge, EventSpace, StorageError
from shared.services.stored import decoded

T = TypeVar("T")

PROPERTY_BYTES = 64 * 1024
PROPERTIES = 14
"""A row holds at most 1 MiB; 14 full properties and the keys stay below it."""

COMPRESS_FROM = 2048
"""Bytes of a payload from which compressing it costs less than sending and storing it as it is."""

_COMPRESSED = b"\x78"
"""First byte of a compressed payload; others begin as MessagePack's maps do, above 0x7f."""

SLOTS = "slots"
"""The ``kind`` of a row that holds a decision over slots; others have none."""

_ENCODER = msgspec.msgpack.Encoder()
_INTERACTION = msgspec.msgpack.Decoder(Interaction)
_SLOTS_INTERACTION = msgspec.msgpack.Decoder(SlotsInteraction)
_OBSERVATION = msgspec.msgpack.Decoder(Observation)


DAY = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class EventTable:
    """What a table's name says.

    Attributes:
        name: Of the table.
        epoch: Of its events.
        day: Of its events, in UTC, such as ``20261124``.
    """

    name: str
    epoch: int
    day: str


@lru_cache(maxsize=256)
def table_name(kind: str, space: EventSpace, bucket: int) -> str:
    """Return the table for a bucket's UTC day, such as ``interactionsdefaulte0000d20261124``."""
    day = datetime.fromtimestamp(bucket, UTC)
    return f"{kind}{space.loop}e{space.epoch:04d}d{day:%Y%m%d}"


def parse_table_name(kind: str, loop: str, name: str) -> EventTable | None:
    """Return what a name of ``table_name`` says; None if it is not one of this kind and loop."""
    match = re.fullmatch(rf"{kind}{loop}e(\d{{4,}})d(\d{{8}})", name, re.ASCII)
    return None if match is None else EventTable(name, int(match[1]), match[2])


def partition_key(shard: int, bucket: int) -> str:
    """Return the key of a shard's bucket: shard first, so that writes spread; then time."""
    return f"{shard:02d}-{bucket:010d}"


def interaction_row(space: EventSpace, bucket: int, interaction: AnyInteraction) -> dict[str, Any]:
    """Return the row of an interaction; ``id`` and ``time`` can be read without the payload."""
    kind = {"kind": SLOTS} if isinstance(interaction, SlotsInteraction) else {}
    return {
        "PartitionKey": partition_key(shard_of(interaction.event_id, space.shards), bucket),
        "RowKey": storage_key(interaction.event_id),
        "id": interaction.event_id,
        "time": interaction.time.isoformat(),
        **kind,
        **_split(_ENCODER.encode(interaction)),
    }


def observation_row(space: EventSpace, bucket: int, observation: Observation) -> dict[str, Any]:
    """Return the row of an observation; inserting the same one again meets the same key."""
    return {
        "PartitionKey": partition_key(shard_of(observation.event_id, space.shards), bucket),
        "RowKey": f"{storage_key(observation.event_id)}.{observation.id}",
        **_split(_ENCODER.encode(observation)),
    }


def interaction_keys(event_id: str) -> tuple[str, str]:
    """Return the half-open range of row keys of an event's interactions."""
    key = storage_key(event_id)
    return key, f"{key}!"  # no key continues with anything lower than a dash


def observation_keys(event_id: str) -> tuple[str, str]:
    """Return the half-open range of row keys of an event's observations."""
    key = storage_key(event_id)
    return f"{key}.", f"{key}/"  # a slash comes right after a dot


def row_interaction(row: Mapping[str, Any]) -> AnyInteraction:
    """Return the interaction of a row.

    Raises:
        StorageError: It is damaged.
    """
    if row.get("kind") == SLOTS:
        return _decoded(row, _SLOTS_INTERACTION.decode)
    return _decoded(row, _INTERACTION.decode)


def row_observation(row: Mapping[str, Any]) -> Observation:
    """Return the observation of a row.

    Raises:
        StorageError: It is damaged.
    """
    return _decoded(row, _OBSERVATION.decode)


def row_bucket(row: Mapping[str, Any]) -> int:
    """Return the bucket of a row."""
    return int(row["PartitionKey"].split("-")[1])


def _split(payload: bytes) -> dict[str, bytes]:
    if len(payload) > PROPERTIES * PROPERTY_BYTES:
        raise EntityTooLarge(
            f"an event of {len(payload):,} bytes is above the {PROPERTIES * PROPERTY_BYTES:,} "
            "that can be stored"
        )
    if len(payload) >= COMPRESS_FROM:
        payload = zlib.compress(payload, 1)
    return {
        f"data{index}": payload[start : start + PROPERTY_BYTES]
        for index, start in enumerate(range(0, len(payload), PROPERTY_BYTES))
    }


def _decoded(row: Mapping[str, Any], decode: Callable[[bytes], T]) -> T:
    try:
        payload = _join(row)
    except (KeyError, TypeError, zlib.error) as exc:
        raise StorageError(f"{_place(row)} has no payload that can be read") from exc
    return decoded(_place(row), decode, payload)


def _place(row: Mapping[str, Any]) -> str:
    """Say where a row is, as it may be logged: its key is an event id that a caller made up."""
    return f"a row of partition {row.get('PartitionKey')}"


def _join(row: Mapping[str, Any]) -> bytes:
    payload = bytes(row["data0"])
    if "data1" in row:
        payload = b"".join(row[f"data{i}"] for i in range(PROPERTIES) if f"data{i}" in row)
    if not payload.startswith(_COMPRESSED):
        return payload
    stream = zlib.decompressobj()
    plain = stream.decompress(payload, PROPERTIES * PROPERTY_BYTES + 1)
    if not stream.eof:
        raise zlib.error("longer than an event can be, or cut off")
    return plain
