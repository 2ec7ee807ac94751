"""Reading what was stored: whatever is damaged is a storage error that names it."""

import gzip
import zlib
from collections.abc import Callable
from typing import TypeVar

import msgspec

from shared.services.ports import StorageError

T = TypeVar("T")

_DAMAGE = (msgspec.DecodeError, UnicodeError, RecursionError, ValueError, OverflowError)
"""What decoders raise, of text that is no UTF-8 and of numbers and times beyond all bounds too."""

MOST_REASON = 200
"""Characters of why. It names members, and quotes nothing but a mode that is none."""


def decoded(what: str, decode: Callable[[bytes], T], data: bytes) -> T:
    """Return a stored document.

    Args:
        what: Names it, for the message.
        decode: Reads it.
        data: As stored.

    Raises:
        StorageError: It is damaged.
    """
    try:
        return decode(data)
    except _DAMAGE as exc:
        raise StorageError(f"{what} is damaged: {str(exc)[:MOST_REASON]}") from exc


def decompressed(what: str, data: bytes) -> bytes:
    """Return what was stored compressed.

    Raises:
        StorageError: It is damaged.
    """
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as exc:
        raise StorageError(f"{what} is damaged: {exc}") from exc
