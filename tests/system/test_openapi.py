"""The API's description over HTTP: for anybody, with an ETag."""

import http.client
import json
import time
from urllib.parse import urlsplit

import pytest

from shared.contract.operations import (
    GET_DECISION,
    GET_DECISIONS,
    GET_DOCTOR,
    GET_LOG_PROPERTIES,
    GET_LOOP,
    GET_METRICS,
    GET_MODEL_PROPERTIES,
    RANK,
    TRAIN,
)
from tests.support.api_description import DOCUMENT, described, json_schema, validator
from tests.support.loops import new_loop
from tests.support.simulation import call


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


LOOP = {
    "rewardWaitTime": "PT1S",
    "modelExportFrequency": "PT1S",
    "isInferenceExplainabilityEnabled": True,
}
RANKED = {
    "contextFeatures": [{"time": "noon"}],
    "actions": [{"id": name, "features": [{"kind": name}]} for name in ("a", "b", "c")],
    "excludedActions": ["c"],
}


@pytest.fixture(scope="module")
def lived(running_app):
    """A loop that has decided, been rewarded, learned and published a model."""
    with new_loop(running_app, {"serviceConfiguration": LOOP}) as loop:
        api = f"loops/{loop.name}/personalizer/v1.1-preview.3"
        for number in range(5):
            ranked = {**RANKED, "eventId": f"e{number}"}
            assert call(running_app, "POST", f"{api}/rank", ranked)[0] == 201
            path = f"{api}/events/e{number}/reward"
            assert call(running_app, "POST", path, {"value": 1})[0] == 204
        ends = time.monotonic() + 60
        while "inferenceExplanation" not in call(running_app, "POST", f"{api}/rank", RANKED)[1]:
            assert time.monotonic() < ends
            time.sleep(0.3)
        yield loop.name


@pytest.mark.parametrize(
    ("operation", "path", "body"),
    [
        (RANK, "personalizer/v1.0/rank", RANKED),
        (GET_LOOP, "", None),
        (GET_METRICS, "metrics", None),
        (GET_DOCTOR, "doctor", None),
        (GET_DECISIONS, "decisions?top=50", None),
        (GET_DECISION, "decisions/e0", None),
        (GET_LOG_PROPERTIES, "personalizer/v1.0/logs/properties", None),
        (GET_MODEL_PROPERTIES, "personalizer/v1.0/model/properties", None),
        (TRAIN, "train", None),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_answers_of_a_loop_that_has_lived_are_as_described(
    running_app, lived, operation, path, body
):
    status, answer = call(running_app, operation.method, f"loops/{lived}/{path}".rstrip("/"), body)

    assert status == operation.success, answer
    schema = json_schema(described(operation)["responses"][str(status)])
    validator(schema).validate(answer)
    assert set(answer) <= set(members_of(schema))


def members_of(schema):
    """Return the names of the members that an answer is described to have."""
    return DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
