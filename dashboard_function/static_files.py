"""The files of the page: read once, served under names that are known, never from a path."""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import azure.functions as func

FOLDER = Path(__file__).parent / "static"

MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
"""By ending; a file with any other ending is not served."""

_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
_HEADERS = {
    "Cache-Control": "no-cache",  # keep, but ask whether it is still the same
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is served; the ETag is a digest of its content."""

    body: bytes
    media_type: str
    etag: str


def read_files(folder: Path) -> Mapping[str, StaticFile]:
    """Return a folder's files by their path below it, with ``/`` between its parts."""
    return {
        path.relative_to(folder).as_posix(): _read(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in MEDIA_TYPES and path.is_file()
    }


@functools.cache
def files() -> Mapping[str, StaticFile]:
    """Return this process's files: all that can be asked for."""
    return read_files(FOLDER)


def serve(file: StaticFile, req: func.HttpRequest) -> func.HttpResponse:
    """Return a file, or 304 if the caller has it."""
    headers = {**_HEADERS, "ETag": file.etag}
    if file.etag in req.headers.get("If-None-Match", ""):
        return func.HttpResponse(status_code=304, headers=headers)
    return func.HttpResponse(file.body, headers=headers, mimetype=file.media_type, charset="utf-8")


def _read(path: Path) -> StaticFile:
    body = path.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return StaticFile(body, MEDIA_TYPES[path.suffix], etag)
