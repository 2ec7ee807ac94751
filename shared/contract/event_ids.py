"""Event ids in paths: taken from the raw URL and decoded once."""

from urllib.parse import unquote

from shared.contract.errors import ContractError, ErrorCode
from shared.contract.fields import check_id, refuser
from shared.contract.paths import path_of

_refuse = refuser(ErrorCode.INVALID_EVENT_ID)


def event_id_from_url(url: str) -> str:
    """Return the event id of a raw, percent-encoded URL.

    Clients encode whatever the id contains, slashes too, so a path that was decoded before it
    was split cannot be used.

    Raises:
        ContractError: The id is empty, too long, or not UTF-8.
    """
    try:
        *_, events, raw, _ = path_of(url).split("/")  # .../events/{eventId}/reward
        if events.lower() != "events":
            raise ValueError("another path")
        return check_id(unquote(raw, errors="strict"), "eventId", _refuse)
    except UnicodeDecodeError as exc:
        raise _refuse("eventId", "eventId is not UTF-8 after percent-decoding.") from exc
    except ValueError as exc:
        raise ContractError(
            ErrorCode.RESOURCE_NOT_FOUND, "There is no event id in the path.", "path"
        ) from exc


def event_id_at_end(url: str) -> str:
    """Return the event id that is the last segment of a raw URL's path, as above.

    Raises:
        ContractError: The id is empty, too long, or not UTF-8.
    """
    try:
        raw = path_of(url).rsplit("/", 1)[1]
        return check_id(unquote(raw, errors="strict"), "eventId", _refuse)
    except (ValueError, IndexError) as exc:
        raise _refuse("eventId", "eventId cannot be read.") from exc
