"""The rate limit over HTTP: for each key, before the body, with a documented answer."""

import json

import pytest

from tests.conftest import FAST
from tests.support.web import Web

RANK = "personalizer/v1.0/rank"
BURST = 3


@pytest.fixture(scope="module")
def web(app_environ):
    limits = {"RATE_LIMIT_PER_SECOND": "0.01", "RATE_LIMIT_BURST": str(BURST)}
    with Web({**app_environ, **limits}) as web:
        yield web


def test_a_key_that_is_used_too_often_is_refused_before_its_body_is_looked_at(web):
    answers = [web.send("POST", RANK, b"no JSON") for _ in range(BURST + 2)]

    assert [status for status, _, _ in answers] == [400] * BURST + [429] * 2
    _, headers, body = answers[-1]
    assert 1 <= int(headers["Retry-After"]) <= 100
    assert json.loads(body)["error"]["code"] == "429"
    assert headers["Content-Type"].startswith("application/json")


def test_another_key_and_calls_without_one_have_nothing_to_do_with_it(web):
    other = {"Ocp-Apim-Subscription-Key": FAST["PERSONALIZER_KEY_2"]}

    assert web.send("GET", "loops", headers=other)[0] == 200
    assert [web.send("GET", "health", headers={})[0] for _ in range(BURST + 2)] == [200] * 5
    assert web.send("GET", "loops", headers={"Ocp-Apim-Subscription-Key": "wrong"})[0] == 401
