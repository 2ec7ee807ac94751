"""Just enough of HTTP/1.1 to pass messages on as they are."""

import asyncio
import json
from dataclasses import dataclass

_WITHOUT_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Message:
    """A message.

    Attributes:
        data: All of it, as it came.
        body_at: Where its body begins.
    """

    data: bytes
    body_at: int


@dataclass(frozen=True, slots=True)
class Request(Message):
    """A request.

    Attributes:
        method: Such as ``GET``.
        target: Path and query, as sent.
    """

    method: str
    target: str


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Return the next request, or None where the client has closed the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as exc:
        if exc.partial:
            raise
        return None
    body = await _body(reader, _headers(head), until_end=False)
    method, target, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
    return Request(head + body, len(head), method, target)


async def read_answer(reader: asyncio.StreamReader, method: str) -> Message:
    """Return the answer to a request of ``method``."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status >= 200:
            break
    if method == "HEAD" or status in _WITHOUT_BODY:
        return Message(head, len(head))
    return Message(head + await _body(reader, _headers(head), until_end=True), len(head))


def error_answer(status: int, code: str, retry_after: int | None, table: bool) -> bytes:
    """Return an answer as the storage services refuse with."""
    message = "Injected by a test."
    if table:
        error = {"odata.error": {"code": code, "message": {"lang": "en-US", "value": message}}}
        body, media_type = json.dumps(error).encode(), "application/json"
    else:
        text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code>'
        body = f"{text}<Message>{message}</Message></Error>".encode()
        media_type = "application/xml"
    lines = [
        f"HTTP/1.1 {status} Injected",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body)}",
        f"x-ms-error-code: {code}",
        "x-ms-version: 2025-01-05",
    ]
    if retry_after is not None:
        lines.append(f"Retry-After: {retry_after}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _headers(head: bytes) -> dict[bytes, bytes]:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:] if line)
    return {name.lower(): value.strip() for name, _, value in lines}


async def _body(
    reader: asyncio.StreamReader, headers: dict[bytes, bytes], *, until_end: bool
) -> bytes:
    """Return a body in the framing in which it came."""
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        return await _chunks(reader)
    if b"content-length" in headers:
        return await reader.readexactly(int(headers[b"content-length"]))
    return await reader.read() if until_end else b""


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while True:
        line = await reader.readuntil(b"\r\n")
        parts.append(line)
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        parts.append(await reader.readexactly(size + 2))
    while parts[-1] != b"\r\n":  # trailers, up to an empty line
        parts.append(await reader.readuntil(b"\r\n"))
    return b"".join(parts)
