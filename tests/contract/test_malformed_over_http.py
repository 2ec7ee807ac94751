"""Every malformed request gets its documented answer from the running app, never a 5xx."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from tests.contract.malformed import MALFORMED


@pytest.mark.parametrize("case", MALFORMED, ids=lambda case: case.name)
def test_the_refusal_is_the_documented_one(case, running_app):
    host = urlsplit(running_app.url).netloc
    headers = {"Content-Type": "application/json"}
    if case.key is not None:
        key = running_app.key if case.key == "right" else "a-wrong-key-of-some-length"
        headers["Ocp-Apim-Subscription-Key"] = key
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request(case.method, f"/{case.path}", case.body, headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
    finally:
        connection.close()

    assert answer.status == case.status, body
    assert body["error"]["code"] == case.code
    assert body["error"].get("target") == case.target
    assert body["error"]["message"]
    if case.status == 405:
        assert answer.headers["Allow"]


def test_there_are_enough_of_them():
    assert len(MALFORMED) >= 60
    assert len({case.name for case in MALFORMED}) == len(MALFORMED)
