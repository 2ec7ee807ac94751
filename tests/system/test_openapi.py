"""The API's description over HTTP: for anybody, with an ETag."""

import http.client
import json
from urllib.parse import urlsplit

import pytest


@pytest.fixture
def ask(running_app):
    def send(method="GET", **headers):
        connection = http.client.HTTPConnection(urlsplit(running_app.url).netloc, timeout=30)
        try:
            connection.request(method, "/openapi.json", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    return send


def test_anybody_gets_it(ask):
    status, headers, body = ask()

    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert json.loads(body)["openapi"] == "3.1.0"


def test_who_has_it_already_is_told_so(ask):
    tag = ask()[1]["ETag"]

    status, headers, body = ask(**{"If-None-Match": f'"other", W/{tag}'})

    assert (status, headers["ETag"], body) == (304, tag, b"")
    assert ask(**{"If-None-Match": '"other"'})[0] == 200


def test_its_headers_can_be_asked_for_alone(ask):
    status, headers, body = ask("HEAD")

    assert (status, body) == (200, b"")
    assert headers["ETag"] == ask()[1]["ETag"]
