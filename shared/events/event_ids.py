"""Event ids: where they go, what is drawn from them, and how new ones are made."""

import base64
import hashlib
import os
import string
import uuid

KEY_BYTES = 256
"""Ids of up to this many UTF-8 bytes are stored readably; longer ones by their digest."""

_ALPHABET = string.ascii_letters + string.digits


def new_event_id() -> str:
    """Return a fresh id in the retired service's form: 32 hex digits, a dash, 5 characters."""
    drawn = os.urandom(21)  # one call of the system, which costs more than all else here
    letters = [_ALPHABET[each % len(_ALPHABET)] for each in drawn[16:]]
    return f"{uuid.UUID(bytes=drawn[:16], version=4).hex}-{''.join(letters)}"


def shard_of(event_id: str, shards: int) -> int:
    """Return the shard, 0 to ``shards - 1``, in which everything about an event is kept."""
    return _digest(event_id, b"shard") % shards


def draw(event_id: str, salt: str) -> float:
    """Return the event's random number in [0, 1): the same for the same id and salt.

    It is all the randomness of a decision, so that a repeated Rank call decides the same.
    """
    return (_digest(event_id, salt.encode()) >> 11) * 2.0**-53


def storage_key(event_id: str) -> str:
    """Return the id in characters that any table key and URL may contain."""
    raw = event_id.encode()
    if len(raw) > KEY_BYTES:
        return "~" + hashlib.sha256(raw).hexdigest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _digest(event_id: str, salt: bytes) -> int:
    hashed = hashlib.blake2b(event_id.encode(), digest_size=8, key=salt[:64])
    return int.from_bytes(hashed.digest(), "big")
