"""Times in the queries and answers that are our own: ISO 8601, in UTC."""

from collections.abc import Mapping
from datetime import UTC, datetime

from shared.contract.durations import parse_date
from shared.contract.errors import ErrorCode
from shared.contract.fields import refuser

YEARS = range(2000, 2200)
"""Of the times that can be asked for."""

_refuse = refuser(ErrorCode.BAD_REQUEST)


def parse_time(parameters: Mapping[str, str], name: str) -> datetime | None:
    """Return the time that a query's parameter names, or None without it.

    Raises:
        ContractError: It is not a time.
    """
    text = parameters.get(name)
    if not text:
        return None
    try:
        time = parse_date(text.replace(" ", "+"))  # a plus sign that was not encoded
    except (ValueError, OverflowError) as exc:
        raise _refuse(name, f"{name} must be a time such as 2026-01-31T12:00:00Z.") from exc
    if time.year not in YEARS:
        raise _refuse(name, f"{name} must be between the years {YEARS[0]} and {YEARS[-1]}.")
    return time


def render_time(time: datetime | float) -> str:
    """Return a time, or one in unix seconds, to the millisecond where it has any."""
    if not isinstance(time, datetime):
        time = datetime.fromtimestamp(time, UTC)
    precision = "milliseconds" if time.microsecond else "seconds"
    return time.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
