"""Routing as the real host routes: on the encoded path, literals before parameters."""

import azure.functions as func
import pytest

from devserver import functions_host
from devserver.functions_host import FunctionsHost, routes_of

app = func.FunctionApp()


def serve(name, route, methods, answer):
    app.function_name(name)(
        app.route(route, methods=methods, auth_level=func.AuthLevel.ANONYMOUS)(answer)
    )


async def say_id(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"id {req.route_params['id']} {req.url}")


def say_literal(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"literal {req.params.get('q')}")


async def say_page(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"page {req.route_params.get('page')}")


async def fail(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("secret")


async def say_rest(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"rest {req.route_params['path']}", status_code=404)


serve("rest", "api/{*path}", ["GET"], say_rest)
serve("by_id", "api/{id}", ["GET"], say_id)
serve("literal", "api/literal", ["GET"], say_literal)
serve("optional", "pages/{page?}", ["GET"], say_page)
serve("fail", "fail", ["POST"], fail)
UNREAD = object()
HOST = FunctionsHost(routes_of(app, ""))


async def ask(method, path, body=b"", stated=None):
    sent = []
    raw, _, query = path.partition("?")
    scope = {
        "type": "http", "method": method, "scheme": "http", "raw_path": raw.encode(),
        "query_string": query.encode(), "headers": [(b"host", b"h")],
    }  # fmt: skip

    if stated is not None:
        scope["headers"].append((b"content-length", stated))

    async def receive():
        assert body is not UNREAD
        return {"type": "http.request", "body": body}

    async def send(message):
        sent.append(message)

    await HOST(scope, receive, send)
    return sent[0]["status"], sent[1]["body"].decode()


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/api/literal?q=1", (200, "literal 1")),
        ("GET", "/API/Literal", (200, "literal None")),
        ("GET", "/api/7", (200, "id 7 http://h/api/7")),
        ("GET", "/api/a%2Fb%20c", (200, "id a%2Fb c http://h/api/a%2Fb%20c")),
        ("GET", "/api/a/b", (404, "rest a/b")),
        ("GET", "/pages/", (200, "page None")),
        ("GET", "/pages/one", (200, "page one")),
        ("GET", "/pages/one/two", (404, "")),
        ("POST", "/api/7", (405, "")),
        ("GET", "/nowhere", (404, "")),
        ("POST", "/fail", (500, "")),
    ],
)
async def test_requests_reach_the_function_that_azure_would_choose(method, path, answer):
    assert await ask(method, path) == answer


async def test_a_huge_body_reaches_no_function(monkeypatch):
    monkeypatch.setattr(functions_host, "MAX_BODY", 5_000_000)

    assert (await ask("POST", "/fail", bytes(6_000_000)))[0] == 413
    assert (await ask("POST", "/fail", bytes(4_000_000), b"nonsense"))[0] == 500


async def test_a_body_that_is_said_to_be_huge_is_not_even_read():
    assert (await ask("POST", "/fail", UNREAD, b"300000000"))[0] == 413
