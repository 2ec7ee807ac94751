"""What the system has acknowledged, kept outside of it: an append-only file, a line for each."""

from dataclasses import dataclass
from pathlib import Path

import msgspec


@dataclass(frozen=True, slots=True)
class Entry:
    """One call that was answered with success.

    Attributes:
        call: ``rank``, ``reward`` or ``activate``.
        event: Its event id.
        asked: When it was first sent, in unix seconds of the caller's clock.
        answered: When success came.
        tries: How often it was sent.
        action: That was chosen, by a rank.
        probability: Of that action.
        deferred: Whether a rank asked for an activation.
        value: Of a reward.
    """

    call: str
    event: str
    asked: float
    answered: float
    tries: int
    action: str = ""
    probability: float = 0.0
    deferred: bool = False
    value: float | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


class Ledger:
    """An open ledger."""

    def __init__(self, path: Path) -> None:
        """Append to ``path``."""
        self.path = path
        self._file = path.open("ab")

    def add(self, entry: Entry) -> None:
        """Write an entry before anything else happens."""
        self._file.write(_encode(entry) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Close it."""
        self._file.close()


def read(path: Path) -> list[Entry]:
    """Return all entries of a file."""
    return [_decode(line) for line in path.read_bytes().splitlines()]
