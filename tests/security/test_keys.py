"""Keys: compared in constant time, long enough, in a header only, and never shown."""

import ast
import hmac
import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared import endpoint
from shared.services import loop_registry
from shared.services.loop_registry import digest, opens
from shared.settings import MIN_KEY, Settings, SettingsError
from tests.conftest import FAST

ROOT = Path(__file__).resolve().parents[2]
STORAGE = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0LW9mLXN0b3JhZ2U="
ENVIRON = {"PERSONALIZER_KEY_1": "k" * MIN_KEY, "DATA_STORAGE": STORAGE}


def _settings(**changes):
    return Settings.from_environ({**ENVIRON, **changes})


@pytest.mark.parametrize("key", ["", " ", "short", "k" * (MIN_KEY - 1), "ü" * MIN_KEY])
def test_the_app_does_not_start_with_a_weak_key(key):
    for name in ("PERSONALIZER_KEY_1", "PERSONALIZER_KEY_2"):
        if name == "PERSONALIZER_KEY_1" or key:
            with pytest.raises(SettingsError):
                _settings(**{name: key})


def test_settings_and_records_do_not_show_keys():
    secrets = "PERSONALIZER_KEY_1", "PERSONALIZER_KEY_2"
    shown = repr(_settings(**{name: f"secret-key-number-{name}" for name in secrets}))
    insights = repr(_settings(APPLICATIONINSIGHTS_CONNECTION_STRING="InstrumentationKey=hidden"))

    assert "secret-key" not in shown
    assert "c2VjcmV0" not in shown
    assert "hidden" not in insights


def _compared(path, function):
    """Names of the functions that a function calls, and whether it compares texts itself."""
    tree = ast.parse(Path(path).read_text())
    (found,) = (n for n in ast.walk(tree) if getattr(n, "name", None) == function)
    calls = {ast.unparse(n.func) for n in ast.walk(found) if isinstance(n, ast.Call)}
    equals = [
        ast.unparse(n)
        for n in ast.walk(found)
        if isinstance(n, ast.Compare) and any(isinstance(o, ast.Eq | ast.In) for o in n.ops)
    ]
    return calls, equals


def test_keys_are_compared_by_their_digests_in_constant_time():
    calls, equals = _compared(endpoint.__file__, "_check_key")
    assert "opens" in calls
    assert equals == ["home == loop"]  # names of loops, for the hint
    calls, equals = _compared(loop_registry.__file__, "opens")
    assert "hmac.compare_digest" in calls
    assert equals == []


def test_both_keys_of_a_loop_are_looked_at_whichever_fits(monkeypatch):
    compared = []

    def compare(one, other):
        compared.append(other)
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    known = digest("one"), digest("two")

    assert opens(known, digest("one"))
    assert opens(known, digest("two"))
    assert not opens(known, digest("three"))
    assert len(compared) == 6


def _ask(app, path, headers):
    where = urlsplit(app.url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "place",
    ["?subscription-key={}", "?Ocp-Apim-Subscription-Key={}", "?code={}", "?key={}"],
)
def test_a_key_in_the_address_opens_nothing(running_app, place):
    key = FAST["PERSONALIZER_KEY_1"]

    status, body = _ask(running_app, f"/loops{place.format(key)}", {})

    assert status == 401
    assert key.encode() not in body


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Basic {}"}, {"Authorization": "{}"}, {"x-functions-key": "{}"},
     {"Cookie": "Ocp-Apim-Subscription-Key={}"}, {"Ocp-Apim-Subscription-Key": "{}x"},
     {"Ocp-Apim-Subscription-Key": "x{}"}, {"Ocp-Apim-Subscription-Key": "'{}'"}],
)  # fmt: skip
def test_a_key_elsewhere_or_nearly_a_key_opens_nothing(running_app, headers):
    key = FAST["PERSONALIZER_KEY_1"]
    sent = {name: value.format(key) for name, value in headers.items()}

    status, body = _ask(running_app, "/loops", sent)

    assert status == 401
    assert key.encode() not in body


def test_either_key_of_the_app_opens_so_that_one_can_be_changed(running_app):
    for name in ("PERSONALIZER_KEY_1", "PERSONALIZER_KEY_2"):
        status, body = _ask(running_app, "/loops", {"Ocp-Apim-Subscription-Key": FAST[name]})
        assert status == 200
        assert {"name": "default"} in json.loads(body)["loops"]


@pytest.mark.parametrize("headers", [{}, {"Ocp-Apim-Subscription-Key": "a-key-of-nothing"}])
def test_who_has_no_key_is_not_told_which_loops_there_are(running_app, headers):
    answers = {_ask(running_app, f"/loops/{loop}", headers) for loop in ("default", "nosuchloop")}

    ((status, _),) = answers
    assert status == 401
