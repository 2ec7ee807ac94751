"""Model properties on the wire."""

from datetime import UTC, datetime

import msgspec

NEVER = "0001-01-01T00:00:00+00:00"


def render_model_properties(created: datetime | None, modified: datetime | None) -> bytes:
    """Return the answer's body; before there is a model both times are in the year 1."""
    return msgspec.json.encode(
        {"creationTime": _time(created), "lastModifiedTime": _time(modified)}
    )


def _time(value: datetime | None) -> str:
    return NEVER if value is None else value.astimezone(UTC).isoformat(timespec="seconds")
