"""Durations and dates as the retired service wrote and read them."""

import re
from datetime import UTC, datetime, timedelta

_ISO = re.compile(
    r"P(?:(?P<d>\d{1,6})D)?(?:T(?:(?P<h>\d{1,8})H)?(?:(?P<m>\d{1,9})M)?(?:(?P<s>\d{1,9}(?:\.\d{1,7})?)S)?)?",
    re.ASCII,
)
_DOTNET = re.compile(
    r"(?:(?P<d>\d{1,6})\.)?(?P<h>\d{1,2}):(?P<m>\d{1,2}):(?P<s>\d{1,2}(?:\.\d{1,7})?)", re.ASCII
)


def parse_duration(text: str) -> timedelta:
    """Return a duration in ISO 8601 (``PT10M``) or .NET (``00:10:00``) notation.

    Raises:
        ValueError: It is neither.
    """
    match = _ISO.fullmatch(text) or _DOTNET.fullmatch(text)
    if match is None or not any(match.groups()) or text.endswith("T"):
        raise ValueError("not a duration")
    parts = {name: float(value or 0) for name, value in match.groupdict().items()}
    return timedelta(days=parts["d"], hours=parts["h"], minutes=parts["m"], seconds=parts["s"])


def render_duration(value: timedelta) -> str:
    """Return a duration in the canonical form of .NET, such as ``P1DT2H`` or ``PT0.5S``."""
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    exact = f"{seconds + value.microseconds / 1e6:.6f}".rstrip("0").rstrip(".")
    time = "".join(
        f"{amount}{unit}"
        for amount, unit in ((str(hours), "H"), (str(minutes), "M"), (exact, "S"))
        if amount != "0"
    )
    days = f"{value.days}D" if value.days else ""
    return f"P{days}T{time}" if time else f"P{days}" if days else "PT0S"


def render_date(value: datetime) -> str:
    """Return a date of the service configuration: UTC, to the second, without a zone."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def parse_date(text: str) -> datetime:
    """Return a date; one without a zone is UTC.

    Raises:
        ValueError: It is none.
    """
    value = datetime.fromisoformat(text)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
