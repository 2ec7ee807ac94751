"""Models and their properties on the wire."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec

from shared.contract.errors import ContractError, ErrorCode

NEVER = "0001-01-01T00:00:00+00:00"


def is_signed(parameters: Mapping[str, str]) -> bool:
    """Return whether the query asks for a signed model.

    Raises:
        ContractError: ``signed`` is neither true nor false.
    """
    value = parameters.get("signed", "false").lower()
    if value not in ("true", "false"):
        raise ContractError(ErrorCode.BAD_REQUEST, "signed must be true or false.", "signed")
    return value == "true"


def model_headers(modified: datetime, *, signed: bool) -> dict[str, str]:
    """Return the headers of a model's file; clients look at its time for a new one."""
    return {
        "Content-Disposition": f"attachment; filename=model.vw{'.zip' if signed else ''}",
        "Last-Modified": format_datetime(modified.astimezone(UTC), usegmt=True),
    }


def render_model_properties(created: datetime | None, modified: datetime | None) -> bytes:
    """Return the answer's body; before there is a model both times are in the year 1."""
    return msgspec.json.encode(
        {"creationTime": _time(created), "lastModifiedTime": _time(modified)}
    )


def _time(value: datetime | None) -> str:
    return NEVER if value is None else value.astimezone(UTC).isoformat(timespec="seconds")
