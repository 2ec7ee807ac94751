"""The check after a deployment finds a working app, and says what does not work."""

import os

import pytest

from devserver.app import LocalApp
from tests.conftest import FAST
from tools.smoke import App, main


@pytest.fixture(scope="module")
def quick_app():
    """An app of its own whose events wait a second, so that training is due at once."""
    with LocalApp({**os.environ, **FAST}) as app:
        client = App(app.url.rstrip("/"), app.key)
        path = "personalizer/v1.0/configurations/service"
        client.must(200, "PUT", path, {**client.must(200, "GET", path), "rewardWaitTime": "PT1S"})
        yield app


def test_a_running_app_passes_its_timer_included(quick_app, monkeypatch, capsys):
    monkeypatch.setenv("PERSONALIZER_KEY", FAST["PERSONALIZER_KEY_2"])
    code = main([quick_app.url, "--ready-within", "30", "--train-within", "60"])

    said = capsys.readouterr()
    assert (code, said.err) == (0, "")
    assert said.out.split() == ["ready", "ranked", "rewarded", "trained"]


def test_a_wrong_key_fails_at_rank(quick_app, monkeypatch, capsys):
    monkeypatch.setenv("PERSONALIZER_KEY", "not-a-key-of-this-app")
    code = main([quick_app.url, "--ready-within", "30", "--train-within", "60"])

    assert code == 1
    assert "rank: 401" in capsys.readouterr().err


def test_an_app_that_does_not_answer_fails(monkeypatch, capsys):
    monkeypatch.setattr("tools.smoke.PAUSE", 0)
    code = main(["http://127.0.0.1:9", "--ready-within", "0"])

    assert code == 1
    assert "health" in capsys.readouterr().err
