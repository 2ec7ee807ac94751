"""What may be logged of an exception: its type and where it happened.

Messages of libraries quote what they could not handle: a feature, a key, an address with its
signature. Only those of errors that say so (``written_for_logs``) are kept.
"""

import traceback
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def trace(exc: BaseException) -> str:
    """Return the types of an exception and of its causes, each with the calls that led to it."""
    lines = []
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        message = f": {current}" if getattr(current, "written_for_logs", False) else ""
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
