"""Azure's exceptions, translated into the storage errors that the services know."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.services.ports import Conflict, StorageError, StorageUnavailable

_TAKEN = frozenset({409, 412})
TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Re-raise Azure errors as storage errors that say what was being attempted."""
    try:
        yield
    except HttpResponseError as exc:
        message = f"could not {doing}: {exc.status_code} {getattr(exc, 'error_code', '') or ''}"
        if exc.status_code in _TAKEN:
            raise Conflict(message) from exc
        if exc.status_code in TRY_AGAIN:
            raise StorageUnavailable(message) from exc
        raise StorageError(message) from exc
    except (ServiceRequestError, ServiceResponseError) as exc:
        raise StorageUnavailable(f"could not {doing}: storage did not answer") from exc
    except AzureError as exc:
        raise StorageError(f"could not {doing}") from exc
