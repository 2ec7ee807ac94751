"""What evaluations and feature importances have in common on the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlencode

import msgspec

from shared.contract.durations import parse_date
from shared.contract.errors import ContractError, ErrorCode
from shared.contract.fields import Refuse, check_id, decode, kind, named, parse_object, refuser
from shared.contract.paths import path_of

PAGE = 100
"""Jobs in one answer, unless ``maxpagesize`` asks for fewer."""

INT32 = 2**31 - 1

_refuse_query = refuser(ErrorCode.BAD_REQUEST)


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for.

    Attributes:
        skip: How many to leave out.
        top: How many to return at most, over all pages.
        size: How many to return at most in this answer.
    """

    skip: int = 0
    top: int = INT32
    size: int = PAGE


def job_id_from_url(url: str, refuse: Refuse) -> str:
    """Return the id at the end of a raw, percent-encoded URL.

    Raises:
        ContractError: It is too long, or not UTF-8.
    """
    raw = path_of(url).rsplit("/", 1)[-1]
    try:
        return check_id(unquote(raw, errors="strict"), "id", refuse)
    except UnicodeDecodeError as exc:
        raise refuse("id", "The id is not UTF-8 after percent-decoding.") from exc


def parse_members(body: bytes, names: tuple[str, ...], refuse: Refuse) -> dict[str, Any]:
    """Return the known members of a job's body; name and times are required.

    Raises:
        ContractError: A member is missing or cannot be read.
    """
    members = {
        name: decode(raw, name, refuse)
        for name, raw in named(parse_object(body), (*names, "name", "startTime", "endTime")).items()
    }
    for name in ("name", "startTime", "endTime"):
        if members.get(name) is None:
            raise refuse(name, f"{name} is required.")
    check_id(members["name"], "name", refuse)
    members["startTime"] = parse_time(members["startTime"], "startTime", refuse)
    members["endTime"] = parse_time(members["endTime"], "endTime", refuse)
    if members["startTime"] >= members["endTime"]:
        raise refuse("endTime", "endTime must be after startTime.")
    return members


def parse_time(value: Any, target: str, refuse: Refuse) -> datetime:
    """Return a time; one without a zone is UTC.

    Raises:
        ContractError: It is none.
    """
    if type(value) is not str:
        raise refuse(target, f"{target} must be a time, not {kind(value)}.")
    try:
        return parse_date(value)
    except (ValueError, OverflowError):
        raise refuse(target, f"{target} must be a time such as 2026-11-24T00:00:00Z.") from None


def parse_page(parameters: Mapping[str, str]) -> Page:
    """Return which part of a list a query asks for.

    Raises:
        ContractError: A number is none.
    """
    return Page(
        skip=_number(parameters, "skip", 0, 0),
        top=_number(parameters, "top", INT32, 0),
        size=min(PAGE, _number(parameters, "maxpagesize", PAGE, 1)),
    )


def render_page(
    items: Sequence[Mapping[str, Any]], page: Page, url: str, parameters: Mapping[str, str]
) -> bytes:
    """Return a page of a list, with the address of the next one if there is more."""
    wanted = items[page.skip :][: page.top]
    body: dict[str, Any] = {"value": wanted[: page.size]}
    if len(wanted) > page.size:
        left = {
            "skip": page.skip + page.size,
            "top": page.top - page.size,
            "maxpagesize": page.size,
        }
        query = urlencode({**parameters, **left})
        body["nextLink"] = f"{url.split('?')[0]}?{query}"
    return msgspec.json.encode(body)


def render_time(time: datetime) -> str:
    """Return a time in UTC, to the second."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _number(parameters: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= INT32):
        raise _refuse_query(name, f"{name} must be a whole number from {least} to {INT32}.")
    return int(text)


def no_job(code: ErrorCode, what: str) -> ContractError:
    """Return the error for an id that no job has."""
    return ContractError(code, f"There is no {what} of that id.", "id")
