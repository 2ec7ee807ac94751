"""Keys, tokens and what callers send never reach a log line or a measurement.

The fixture ``logs`` of ``tests/conftest.py`` looks through the logs of all other tests, too.
"""

import asyncio
import json
import os
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import quote

import pytest
from azure.storage.blob import BlobServiceClient

from devserver.app import LocalApp, _free_port
from devserver.azurite import Azurite
from devserver.children import Child
from shared.services.failures import trace
from tests.conftest import FAST
from tests.support.issuer import AUDIENCE, TENANT, Issuer
from tests.support.secrets_in_logs import MARK, leaks, leaks_in, spellings
from tests.system.test_telemetry import Ingestion

KEY = f"{MARK}-key-of-the-app"
EVENT, ACTION, FEATURE, JOB = (f"{MARK}-{what}/ü" for what in ("event", "action", "value", "job"))
RANKED = {
    "eventId": EVENT,
    "contextFeatures": [{f"{MARK}-name": FEATURE, f"{MARK}-space": {FEATURE: 1}}],
    "actions": [{"id": f"{ACTION}{n}", "features": [{FEATURE: FEATURE}]} for n in range(3)],
}
SAS = (
    f"https://account.blob.core.windows.net/{MARK}?sv=2018-11-09&sr=c&sp=rwl"
    f"&sig={MARK}{'s' * 40}%3D"
)
PERSONALIZER = "personalizer/v1.1-preview.3"


class Caller:
    """Sends whatever it is told to."""

    def __init__(self, app, key=KEY):
        self.url, self.key = app.url, key

    def __call__(self, method, path, body=None, headers=None):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Ocp-Apim-Subscription-Key": self.key, **(headers or {})}
        request = urllib.request.Request(  # noqa: S310 (our own)
            self.url + path, data, headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (same)
                return answer.status, answer.read()
        except urllib.error.HTTPError as exc:
            return exc.code, exc.read()

    def until(self, seen, method, path):
        deadline = time.monotonic() + 60
        while not seen(json.loads(self(method, path)[1])):
            assert time.monotonic() < deadline, path
            time.sleep(0.1)


def _good(call):
    """Call everything that stores or shows something."""
    service = json.loads(call("GET", f"{PERSONALIZER}/configurations/service")[1])
    quick = {"rewardWaitTime": "PT1S", "modelExportFrequency": "PT1S", "logMirrorSasUri": SAS}
    quick |= {"isInferenceExplainabilityEnabled": True, "logMirrorEnabled": True}
    path = f"{PERSONALIZER}/configurations/service"
    assert call("PUT", path, {**service, **quick})[0] == 200
    _, made = call("PUT", "loops/logged", {})
    keys = json.loads(made)["keys"]
    for prefix, key in (("", call.key), ("loops/logged/", keys[0])):
        headers = {"Ocp-Apim-Subscription-Key": key}
        event = f"{prefix}{PERSONALIZER}/events/{quote(EVENT, safe='')}"
        assert call("POST", f"{prefix}{PERSONALIZER}/rank", RANKED, headers)[0] == 201
        assert call("POST", f"{event}/reward", {"value": 0.5}, headers)[0] == 204
        assert call("POST", f"{event}/activate", b"", headers)[0] == 204
    repeated = call("POST", f"{PERSONALIZER}/rank", RANKED)
    assert repeated[0] == 201  # reads the row of the event
    assert call("GET", f"loops/default/decisions/{quote(EVENT, safe='')}")[0] == 200
    evaluation = {"name": JOB, "policies": [{"name": JOB, "arguments": "--cb_explore_adf"}]}
    evaluation |= {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-02T00:00:00Z"}
    assert call("POST", f"{PERSONALIZER}/evaluations", evaluation)[0] == 201
    call.until(lambda loop: loop["state"]["publishedModel"], "GET", "loops/default")
    assert call("POST", "loops/default/train")[0] == 200
    ranked = {**RANKED, "eventId": f"{EVENT}2"}
    assert call("POST", f"{PERSONALIZER}/rank", ranked)[0] == 201
    assert call("GET", f"loops/default/log?from=2026-01-01T00:00:00Z&{MARK}={MARK}")[0] == 200
    assert call("GET", "loops/default/doctor")[0] == 200
    return keys


def _bad(call, token):
    """Call in ways that are refused, each with something that must not be logged."""
    for body in (
        f'{{"eventId":"{MARK}","actions":[{{"id":"{MARK}","features":[{{"{MARK}":}}]'.encode(),
        {**RANKED, "eventId": EVENT + "\n"},
        {**RANKED, "eventId": EVENT * 99},
        {**RANKED, "actions": [{"id": ACTION, "features": [{FEATURE: [FEATURE]}]}]},
        {**RANKED, "contextFeatures": [{FEATURE: "\ud800"}]},
        {**RANKED, "contextFeatures": [{FEATURE: [{"a": 1}, FEATURE]}]},
        {**RANKED, "actions": [RANKED["actions"][0]] * 2},
        f'{{"{MARK}'.encode() * 9999,
    ):
        assert call("POST", f"{PERSONALIZER}/rank", body)[0] == 400
    for arguments in (f"--cb_explore_adf --{MARK}", f"--cb_explore_adf -l {MARK}", f"'{MARK}"):
        policy = {"name": MARK, "arguments": arguments}
        assert call("PUT", f"{PERSONALIZER}/configurations/policy", policy)[0] == 400
    path = f"{PERSONALIZER}/configurations/service"
    assert call("PUT", path, {"logMirrorSasUri": SAS, "rewardAggregation": MARK})[0] == 400
    assert call("PUT", f"{PERSONALIZER}/model", f"PK{MARK}".encode())[0] == 400
    assert call("PUT", f"{PERSONALIZER}/model", f"{MARK}".encode() * 99)[0] == 400
    assert call("PUT", "loops/other1", {MARK: {MARK: MARK}})[0] == 400
    assert call("GET", f"{PERSONALIZER}/{MARK}?{MARK}={MARK}")[0] == 404
    assert call("GET", f"loops/default/decisions/{MARK}")[0] == 404
    keyless = {"Ocp-Apim-Subscription-Key": ""}
    for bearer in (token, f"{token}x", "eyJ", MARK):
        headers = {**keyless, "Authorization": f"Bearer {bearer}"}
        assert call("GET", "loops/default", headers=headers)[0] in (200, 401, 403)
    for key in (f"{MARK}-wrong", "ü".encode("latin-1").decode("latin-1")):
        headers = {"Ocp-Apim-Subscription-Key": key}
        assert call("POST", f"{PERSONALIZER}/rank", RANKED, headers)[0] == 401


def _damage_models(connection_string):
    with (
        BlobServiceClient.from_connection_string(
            connection_string, api_version="2025-11-05"
        ) as service,
        service.get_container_client("personalizer") as container,
    ):
        for name in list(container.list_blob_names(name_starts_with="default/models/")):
            container.upload_blob(name, f"OPMODEL1{MARK}".encode(), overwrite=True)


def _refused_until_told(call, logs):
    """Rank while storage is away, until the log tells: single failures are no outage."""
    ranked = {**RANKED, "eventId": f"{EVENT}3"}
    deadline = time.monotonic() + 60
    while " is away: " not in "".join(path.read_text() for path in logs.iterdir()):
        assert call("POST", f"{PERSONALIZER}/rank", ranked)[0] == 503
        assert time.monotonic() < deadline


def test_nothing_that_must_not_be_logged_is(tmp_path):
    ingestion, emulator = Ingestion(), Azurite(None)
    logs = tmp_path / "logs"
    logs.mkdir()
    with Issuer() as issuer:
        environ = {
            **os.environ,
            **FAST,
            "PERSONALIZER_KEY_1": KEY,
            "WRITE_DEADLINE_SECONDS": "5",
            "DATA_STORAGE": emulator.connection_string,
            "DEVSERVER_LOGS": str(logs),
            "APPLICATIONINSIGHTS_CONNECTION_STRING": ingestion.connection_string,
            "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
            "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "ENTRA_TENANT_ID": TENANT,
            "ENTRA_AUDIENCE": AUDIENCE,
            "ENTRA_JWKS_URI": issuer.url,
        }
        token = issuer.token(roles=["Personalizer.Owner"])
        with LocalApp(environ) as app:
            keys = _good(Caller(app))
            _bad(Caller(app), token)
        _damage_models(emulator.connection_string)
        with LocalApp(environ) as app:
            assert Caller(app)("POST", f"{PERSONALIZER}/rank", RANKED)[0] == 201
            emulator.stop()
            _refused_until_told(Caller(app), logs)
            assert Caller(app)("GET", f"{PERSONALIZER}/evaluations/{MARK}")[0] == 503
    ingestion.shutdown()
    ingestion.server_close()

    said = "".join(path.read_text() for path in logs.iterdir())
    assert "cannot be read" in said
    assert " is away: " in said
    assert "DEBUG " in said
    assert leaks_in(logs, [*keys, KEY, token]) == {}
    assert len(ingestion.received) > 20
    assert leaks(json.dumps(ingestion.received), [*keys, KEY, MARK, token]) == set()


def test_what_is_logged_by_mistake_is_found(app_environ, tmp_path):
    port = _free_port()
    environ = {**app_environ, "DEVSERVER_LOGS": str(tmp_path), "WRITE_DEADLINE_SECONDS": "5"}
    leaky = Child("leaky", [sys.executable, "-m", "tests.support.leaky_web", str(port)], environ)

    class Served:
        url = f"http://127.0.0.1:{port}/"

    call = Caller(Served, app_environ["PERSONALIZER_KEY_1"])
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                call("GET", "health")
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        answers = [call("POST", "personalizer/v1.0/rank", RANKED)[0]]
        quiet = leaks_in(tmp_path, [])
        answers.append(call("POST", "personalizer/v1.0/rank", {**RANKED, "eventId": "log"})[0])
    finally:
        leaky.stop()

    assert answers == [500, 201]
    assert quiet == {}  # a failure with a feature in its message is logged without it
    assert "builtins.KeyError\n" in next(tmp_path.iterdir()).read_text()
    assert list(leaks_in(tmp_path, []).values()) == [{MARK}]


@pytest.mark.parametrize("before", ["", "a", "bc", "def"])
def test_a_secret_is_found_however_it_is_spelled(before):
    for spelled in spellings("secret-of-ü"):
        assert leaks(f"{before}…{spelled}…", ["secret-of-ü"]) == {"secret-of-ü"}
    assert leaks("SharedKeyLite account:ZmFrZSBzaWduYXR1cmU=", []) == {"an authorization"}
    assert leaks("https://x?sig=REDACTED", []) == set()
    assert leaks("nothing of the kind", ["secret-of-ü"]) == set()


def test_a_trace_has_types_and_places_and_no_message():
    async def fail():
        try:
            raise KeyError(MARK)
        except KeyError as exc:
            raise ValueError(MARK) from exc

    with pytest.raises(ValueError, match=MARK) as raised:
        asyncio.run(fail())
    said = trace(raised.value)

    assert MARK not in said
    assert "builtins.ValueError\n" in said
    assert "builtins.KeyError\n" in said
    assert "tests/security/test_logs.py:" in said
