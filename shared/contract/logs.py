"""Logs on the wire: their date range, and the joined log in pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import msgspec

from shared.contract.durations import parse_date
from shared.contract.errors import ContractError, ErrorCode

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Nothing was logged before, and a day before the year 1 there is none."""

PAGE_BYTES = 4 << 20
"""Of a page before compression, its last line excepted: what one answer may hold in memory."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which part of the joined log is asked for.

    Attributes:
        start: Of the first bucket.
        end: After the last bucket.
        skip: Lines at the start that an earlier page held.
    """

    start: datetime
    end: datetime
    skip: int = 0


def parse_log_query(parameters: Mapping[str, str], now: datetime) -> LogQuery:
    """Return what a query asks for; by default the last day.

    Raises:
        ContractError: A time or the position is none.
    """
    end = _time(parameters, "to", now)
    start = _time(parameters, "from", end - timedelta(days=1))
    if start > end:
        raise ContractError(ErrorCode.BAD_REQUEST, "from must not be after to.", "from")
    skip = parameters.get("skip", "0")
    if not (skip.isascii() and skip.isdigit() and len(skip) <= 12):
        raise ContractError(ErrorCode.BAD_REQUEST, "skip must be a whole number.", "skip")
    return LogQuery(start, end, int(skip))


def next_page(path: str, query: LogQuery, bucket: int, skip: int) -> str:
    """Return the value of the ``Link`` header that names the page after a position."""
    parameters = {"from": _text(datetime.fromtimestamp(bucket, UTC)), "to": _text(query.end)}
    return f'<{path}?{urlencode({**parameters, "skip": skip})}>; rel="next"'


def render_log_properties(date_range: tuple[datetime, datetime] | None) -> bytes:
    """Return the answer's body; an empty object while nothing is logged, as was recorded."""
    if date_range is None:
        return b"{}"
    start, end = map(_text, date_range)
    return msgspec.json.encode({"dateRange": {"from": start, "to": end}})


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")


def _time(parameters: Mapping[str, str], name: str, default: datetime) -> datetime:
    text = parameters.get(name)
    if text is None:
        return max(default, EARLIEST)
    try:
        # A plus sign that was not percent-encoded arrives as a space.
        time = parse_date(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        raise ContractError(
            ErrorCode.BAD_REQUEST, f"{name} must be a time such as 2026-11-24T12:00:00Z.", name
        ) from None
    return max(time, EARLIEST)
