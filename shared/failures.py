"""What may be logged of an exception: its type and where it happened.

Messages of libraries quote what they could not handle: a feature, a key, an address with its
signature. Only those of errors that are written for the person on call are kept.
"""

import traceback
from pathlib import Path

from shared.contract.errors import ContractError
from shared.services.ports import StorageError
from shared.settings import SettingsError

_WRITTEN_FOR_LOGS = (ContractError, StorageError, SettingsError)
_ROOT = Path(__file__).resolve().parent.parent


def trace(exc: BaseException) -> str:
    """Return the types of an exception and of its causes, each with the calls that led to it."""
    lines = []
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        message = f": {current}" if isinstance(current, _WRITTEN_FOR_LOGS) else ""
        lines.append(f"{type(current).__module__}.{type(current).__qualname__}{message}")
        lines += [
            f"  {_place(frame.filename)}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(current.__traceback__)
        ]
        hidden = current.__suppress_context__
        current = current.__cause__ or (None if hidden else current.__context__)
    return "\n".join(lines)


def _place(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(_ROOT)) if path.is_relative_to(_ROOT) else path.name
