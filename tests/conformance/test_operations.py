"""Every operation of the retired service, on every version that had it, as it was."""

import http.client
import json
import re
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema_rs
import pytest

from shared.contract.operations import OPERATIONS, Surface
from tests.conformance.operations import ERROR, IN_PATH, OFFICIAL, REFUSED, V2022, VERSIONS
from tests.support.api_description import described, is_newest, json_schema, validator
from tests.support.loops import new_loop

GENUINE = Path(__file__).parents[1] / "contract" / "data" / "genuine-export.zip"
COMPATIBILITY = Path(__file__).parents[2] / "docs" / "compatibility.md"
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SERVED = {operation.name: operation for operation in OPERATIONS}
ASKED = {"name": "n", "startTime": "2026-01-01T00:00:00Z", "endTime": "2026-02-01T00:00:00Z"}
POLICY = {"name": "p", "arguments": "--cb_explore_adf --epsilon 0.2 --cb_type ips -q ::"}
DEFAULT = "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"
SLOTS = DEFAULT.replace("--cb_", "--ccb_", 1)
BODIES = {
    "Rank": {"actions": [{"id": i, "features": [{"x": 1}]} for i in "ab"], "eventId": "e"},
    "Events_Reward": {"value": 0.5},
    "MultiSlot_Rank": {
        "actions": [{"id": i, "features": [{"x": 1}]} for i in "ab"],
        "slots": [{"id": "s", "baselineAction": "a"}, {"id": "t", "baselineAction": "b"}],
        "eventId": "slots",
    },
    "MultiSlotEvents_Reward": {"reward": [{"slotId": "s", "value": 1}]},
    "ServiceConfiguration_Update": {
        "rewardWaitTime": "PT10M",
        "defaultReward": 0,
        "rewardAggregation": "sum",
        "explorationPercentage": 0.200000003,
        "modelExportFrequency": "PT5M",
        "logRetentionDays": 90,
        "modelRetrainDays": 2,
    },
    "Policy_Update": POLICY,
    "Evaluations_Create": {**ASKED, "policies": [POLICY]},
    "ServiceConfiguration_ApplyFromEvaluation": {"evaluationId": "kept", "policyName": "p"},
    "FeatureImportances_Create": ASKED,
    "Model_Import": GENUINE.read_bytes(),
    "Log_Interactions": b"batch",
    "Log_Observations": b"batch",
}
QUERY = {("Evaluations_Get", V2022): "startTime=2026-01-01T00:00:00Z&endTime=2026-02-01T00:00:00Z"}
CASES = [
    pytest.param(official, version, id=f"{official.ours}-{version}")
    for official in OFFICIAL
    for version in official.versions
]


class Caller:
    """Calls the Personalizer API of one loop."""

    def __init__(self, app, prefix, key):
        self._app = app
        self._key = key
        self.prefix = prefix
        self.has_slots = False

    def __call__(self, method, path, version, body=None, query="", key=None):
        """Return status, headers and bytes of one request."""
        if is_newest(version):
            target = f"{self.prefix}/personalizer/{path}?api-version={version}&{query}".rstrip("&")
        else:
            target = f"{self.prefix}/personalizer/{version}/{path}?{query}".rstrip("?")
        headers = {"Ocp-Apim-Subscription-Key": key or self._key}
        if isinstance(body, dict):
            body, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        connection = http.client.HTTPConnection(urlsplit(self._app.url).netloc, timeout=60)
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


@pytest.fixture(scope="module", params=["", "/loops"], ids=["root", "loop"])
def ask(request, running_app):
    """A caller of the default loop at the root, and one of another loop with a key of its own."""
    if not request.param:
        caller = Caller(running_app, "", running_app.key)
        yield caller
        forget(caller)
        return
    with new_loop(running_app) as loop:
        yield Caller(running_app, f"/loops/{loop.name}", loop.keys[0])


def path_of(official):
    """Return the path of a call: of a new job for PUT, else of one that is kept."""
    path = official.path.replace("{eventId}", "a%2Fb%20c")
    return re.sub(r"{\w+}", "new" if official.method == "PUT" else "kept", path)


def decide(ask, *, slots):
    """Make the loop one that decides for slots, or one that does not."""
    if slots != ask.has_slots:
        service = json.loads(ask("GET", "configurations/service", V2022)[2])
        service["isAutoOptimizationEnabled"] = False
        assert ask("PUT", "configurations/service", V2022, service)[0] == 200
        policy = {"name": "p", "arguments": SLOTS if slots else DEFAULT}
        assert ask("PUT", "configurations/policy", V2022, policy)[0] == 200
        ask.has_slots = slots


def prepare(ask, official):
    """See to it that what a call is about is there, or is not."""
    decide(ask, slots=official.name.startswith("MultiSlot"))
    if "Evaluation" in official.name or "FeatureImportances" in official.name:
        kind, body = (
            ("featureImportances", "FeatureImportances_Create")
            if official.name.startswith("F")
            else ("evaluations", "Evaluations_Create")
        )
        ask("DELETE", f"{kind}/new", V2022)
        ask("PUT", f"{kind}/kept", V2022, BODIES[body])
    if official.name.startswith("Model"):
        assert ask("DELETE", "configurations/policy", "v1.0")[0] == 200
        assert ask("PUT", "model", "v1.0", GENUINE.read_bytes())[0] == 204


def forget(ask):
    """Leave a loop as it was found."""
    decide(ask, slots=False)
    service = json.loads(ask("GET", "configurations/service", V2022)[2])
    ask("PUT", "configurations/service", V2022, {**service, "isAutoOptimizationEnabled": True})
    for path in ("evaluations", "featureImportances"):
        for job in json.loads(ask("GET", path, V2022)[2])["value"]:
            ask("DELETE", f"{path}/{job['id']}", V2022)
    ask("DELETE", "configurations/policy", "v1.0")
    ask("DELETE", "model", "v1.0")


def send(ask, official, version, **changes):
    request = {
        "body": BODIES.get(official.name),
        "query": QUERY.get((official.name, version), ""),
        **changes,
    }
    return ask(official.method, path_of(official), version, **request)


def check_common(status, headers, body):
    assert GUID.fullmatch(headers["apim-request-id"])
    assert headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert (headers["Expires"], headers["Pragma"]) == ("0", "no-cache")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Length"] == str(len(body))
    if status == 204:
        assert body == b""


def check_error(version, headers, body):
    jsonschema_rs.validate(ERROR, json.loads(body))
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    code = json.loads(body)["error"]["code"]
    assert headers.get("x-ms-error-code") == (code if is_newest(version) else None)
    return code


@pytest.mark.parametrize(("official", "version"), CASES)
def test_success_is_as_it_was(ask, official, version):
    prepare(ask, official)

    status, headers, body = send(ask, official, version)

    check_common(status, headers, body)
    if official.name in REFUSED:
        assert (status, check_error(version, headers, body)) == REFUSED[official.name]
        return
    assert status == official.success, body
    assert all(name in headers for name in official.headers)
    schema = official.schema(version)
    if schema is not None:
        assert headers["Content-Type"] == "application/json; charset=utf-8"
        jsonschema_rs.validate(schema, json.loads(body))
    elif status == 200 and official.name != "Model_Get":
        assert body == b""
    mine = described(SERVED[official.ours], newest=is_newest(version))["responses"][str(status)]
    if json_schema(mine) is not None:
        validator(json_schema(mine)).validate(json.loads(body))


@pytest.mark.parametrize(("official", "version"), CASES)
def test_a_wrong_key_is_refused_as_it_was(ask, official, version):
    status, headers, body = send(ask, official, version, key="not-a-key-of-this-app")

    check_common(status, headers, body)
    assert (status, check_error(version, headers, body)) == (401, "401")


@pytest.mark.parametrize(
    ("official", "version"),
    [case for case in CASES if isinstance(BODIES.get(case.values[0].name), dict)],
)
@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b"{}", b'{"\xff": 1}'])
def test_what_is_no_such_request_is_an_error_as_it_was(ask, official, version, sent):
    status, headers, body = send(ask, official, version, body=sent)

    check_common(status, headers, body)
    code = check_error(version, headers, body)
    assert status == 400
    assert json.loads(body)["error"]["target"]
    assert (code == "BadRequest") == (sent != b"{}" or official.name.endswith("FromEvaluation"))


@pytest.mark.parametrize("version", IN_PATH)
def test_a_new_evaluation_says_where_it_is_without_its_host(ask, version):
    official = next(o for o in OFFICIAL if o.ours == "Evaluations_Create")

    _, headers, body = send(ask, official, version)

    where = f"{ask.prefix}/personalizer/{version}/evaluations/{json.loads(body)['id']}"
    assert headers["Location"] == where


@pytest.fixture
def model(ask):
    """The loop has a model."""
    prepare(ask, next(official for official in OFFICIAL if official.name == "Model_Get"))


@pytest.mark.parametrize(("signed", "name"), [("false", "model.vw"), ("true", "model.vw.zip")])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_model_is_a_file_with_a_date(ask, model, version, signed, name):
    status, headers, body = ask("GET", "model", version, query=f"signed={signed}")

    assert (status, headers["Content-Type"]) == (200, "application/octet-stream")
    assert headers["Content-Disposition"] == f"attachment; filename={name}"
    properties = json.loads(ask("GET", "model/properties", version)[2])
    modified = parsedate_to_datetime(headers["Last-Modified"])
    assert modified.strftime("%Y-%m-%dT%H:%M:%S") == properties["lastModifiedTime"][:19]
    assert (body[:2] == b"PK") == (signed == "true")


def test_before_there_is_a_model_its_file_is_empty(ask, model):
    assert ask("DELETE", "model", "v1.0")[0] == 204

    status, headers, body = ask("GET", "model", "v1.0")

    assert (status, headers["Content-Length"], body) == (200, "0", b"")


def test_the_table_is_complete():
    names = {
        operation.name for operation in OPERATIONS if operation.surface is Surface.PERSONALIZER
    }

    assert len({official.ours for official in OFFICIAL}) == len(OFFICIAL) == 29
    assert names == {official.ours for official in OFFICIAL}


@pytest.mark.parametrize("official", OFFICIAL, ids=lambda official: official.ours)
def test_ours_is_the_same_call(official):
    ours = SERVED[official.ours]

    assert (ours.method, ours.path, ours.success) == (
        official.method, official.path, official.success,
    )  # fmt: skip
    row = f"| {official.ours} | `{official.method} {official.path}` |"
    assert row in COMPATIBILITY.read_text(encoding="utf-8")
