"""The HTTP half of a Functions host: serves a function app's routes as an ASGI application.

It follows what can be observed of the real host: routes match on the encoded path, literal
segments come before parameters and those before catch-alls, a last parameter may be optional
(``{name?}``), ``%2F`` stays encoded in parameters,
an exception is an empty 500, and nothing that matches is an empty 404.
"""

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import azure.functions as func

from shared.services.failures import trace

logger = logging.getLogger(__name__)

MAX_BODY = 200 << 20
"""Bytes of a body: what the real host lets through by default."""
MOST_SEGMENTS = 16
"""Of paths for which the routes that may match are remembered."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """An HTTP function.

    Attributes:
        segments: Of its route template.
        methods: That it answers.
        argument: Name of the parameter that takes the request.
        handler: The user's function.
    """

    segments: tuple[str, ...]
    methods: frozenset[str]
    argument: str
    handler: Callable[..., Any]

    @property
    def precedence(self) -> tuple[int, ...]:
        """Sorts literals before parameters before catch-alls, segment by segment."""
        return tuple(
            2 if s.startswith("{*") else 1 if s.startswith("{") else 0 for s in self.segments
        )

    @property
    def literals(self) -> tuple[tuple[int, str], ...]:
        """Position and text, in small letters, of segments that must be there; the last first."""
        found = [(i, s.lower()) for i, s in enumerate(self.segments) if not s.startswith("{")]
        return tuple(reversed(found))

    def match(self, path: list[str]) -> dict[str, str] | None:
        """Return the route parameters if an encoded path matches."""
        parameters = {}
        for index, segment in enumerate(self.segments):
            if segment.startswith("{*"):
                parameters[segment[2:-1]] = "/".join(path[index:])
                return parameters
            if index >= len(path) or not path[index]:
                return parameters if segment.endswith("?}") else None
            if segment.startswith("{"):
                parameters[segment.strip("{?}")] = _decode(path[index])
            elif unquote(path[index]).lower() != segment.lower():
                return None
        return parameters if len(path) == len(self.segments) else None


def routes_of(app: func.FunctionApp, prefix: str) -> list[Route]:
    """Return a function app's HTTP functions in the order in which they are tried."""
    routes = []
    for function in app.get_functions():
        trigger = function.get_trigger()
        if trigger is None or trigger.type != "httpTrigger":
            continue
        described = trigger.get_dict_repr()
        template = f"{prefix}/{described.get('route') or function.get_function_name()}".strip("/")
        methods = [getattr(m, "value", m) for m in described.get("methods") or ("GET", "POST")]
        routes.append(
            Route(
                tuple(template.split("/")),
                frozenset(methods),
                trigger.name,
                function.get_user_function(),
            )
        )
    return sorted(routes, key=lambda route: route.precedence)


def route_prefix(folder: Path) -> str:
    """Return the route prefix that a folder's host.json sets."""
    host = json.loads((folder / "host.json").read_text())
    return str(host.get("extensions", {}).get("http", {}).get("routePrefix", "api"))


class FunctionsHost:
    """An ASGI application over HTTP functions."""

    def __init__(self, routes: list[Route]) -> None:
        """Serve ``routes``."""
        self._routes = routes
        self._by_length: dict[int, list[tuple[Route, tuple[tuple[int, str], ...]]]] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or take part in the server's start and end."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            response = await self._respond(scope, receive)
            await _send(send, response, head=scope["method"] == "HEAD")

    async def _respond(self, scope: Message, receive: Receive) -> func.HttpResponse:
        body = None if _stated(scope) > MAX_BODY else await _body(receive)
        if body is None:
            return func.HttpResponse(status_code=413)
        path = scope["raw_path"].decode("ascii").split("?")[0].strip("/").split("/")
        known = False
        for route in self._candidates(path):
            parameters = route.match(path)
            if parameters is None:
                continue
            known = True
            if scope["method"] in route.methods:
                return await _run(route, _request(scope, body, parameters))
        return func.HttpResponse(status_code=405 if known else 404)

    def _candidates(self, path: list[str]) -> Iterator[Route]:
        """Yield the routes, in their order, whose literal segments a path has."""
        length = len(path)
        routes = self._by_length.get(length)
        if routes is None:
            found = ((route, route.literals) for route in self._routes)
            routes = [(r, known) for r, known in found if not known or known[0][0] < length]
            if length <= MOST_SEGMENTS:
                self._by_length[length] = routes
        texts = [unquote(segment).lower() for segment in path]
        for route, literals in routes:
            for position, text in literals:
                if texts[position] != text:
                    break
            else:
                yield route


async def _run(route: Route, request: func.HttpRequest) -> func.HttpResponse:
    try:
        if inspect.iscoroutinefunction(route.handler):
            answer = await route.handler(**{route.argument: request})
        else:
            answer = await asyncio.to_thread(route.handler, **{route.argument: request})
    except Exception as exc:  # noqa: BLE001 (as the real host)
        logger.error("a function failed: %s", trace(exc))
        return func.HttpResponse(status_code=500)
    return answer if isinstance(answer, func.HttpResponse) else func.HttpResponse(str(answer))


def _request(scope: Message, body: bytes, parameters: dict[str, str]) -> func.HttpRequest:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"].decode("latin-1")
    path = scope["raw_path"].decode("ascii").split("?")[0]
    url = f"{scope['scheme']}://{headers.get('host', 'localhost')}{path}"
    return func.HttpRequest(
        method=scope["method"],
        url=f"{url}?{query}" if query else url,
        headers=headers,
        params=dict(parse_qsl(query, keep_blank_values=True)),
        route_params=parameters,
        body=body,
    )


def _stated(scope: Message) -> int:
    """Return the length that a body is said to have, before any of it is read."""
    text = dict(scope["headers"]).get(b"content-length", b"0")
    return int(text) if text.isdigit() else 0


async def _body(receive: Receive) -> bytes | None:
    """Return a request's body, or None if it is larger than any function takes."""
    parts = []
    size = 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, response: func.HttpResponse, *, head: bool) -> None:
    body = response.get_body() or b""
    headers = {name.lower(): value for name, value in response.headers.items()}
    if body:
        headers.setdefault("content-type", f"{response.mimetype}; charset={response.charset}")
    headers["content-length"] = str(len(body))
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": b"" if head else body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _decode(segment: str) -> str:
    """Decode a segment as the real host does: everything but an encoded slash."""
    parts = segment.replace("%2f", "%2F").split("%2F")
    return "%2F".join(unquote(part) for part in parts)
