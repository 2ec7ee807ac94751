"""The doctor at the terminal."""

import subprocess
import sys

from tools.doctor import local_key, report

FINDING = {
    "severity": "error",
    "code": "noRewards",
    "title": "No rewards arrive",
    "evidence": "None of 400 events of the last day got a reward, however long one waits for it.",
    "cause": "The application does not call Reward.",
    "remedy": "Call it.",
}
DIAGNOSIS = {
    "loop": "default",
    "checkedAt": "2026-03-02T10:00:00Z",
    "from": "2026-03-01T10:00:00Z",
    "to": "2026-03-02T10:00:00Z",
    "events": 400,
    "findings": [FINDING],
}


def test_findings_are_printed_with_what_to_do():
    assert report(DIAGNOSIS).splitlines() == [
        "Loop default, 400 events from 2026-03-01T10:00:00Z to 2026-03-02T10:00:00Z",
        "",
        "ERROR   No rewards arrive (noRewards)",
        "  Seen:   None of 400 events of the last day got a reward, however long one waits for",
        "          it.",
        "  Likely: The application does not call Reward.",
        "  Do:     Call it.",
    ]


def test_a_healthy_loop_is_said_to_be_one():
    assert report(DIAGNOSIS | {"findings": []}).endswith("Nothing is wrong.")


def test_the_key_of_make_run_is_found(tmp_path):
    assert local_key(tmp_path) == ""
    (tmp_path / "key").write_text("secret\n")
    assert local_key(tmp_path) == "secret"


def doctor(app, *arguments, key=None):
    return subprocess.run(
        [sys.executable, "-m", "tools.doctor", "--endpoint", app.url, *arguments],
        env={"PERSONALIZER_KEY_1": key or app.key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_running_app_is_asked(running_app):
    asked = doctor(running_app)

    assert asked.returncode in (0, 1), asked.stderr
    assert asked.stdout.startswith("Loop default, ")


def test_who_cannot_be_asked_is_reported_without_a_traceback(running_app):
    wrong_key = doctor(running_app, key="not the key of this app")
    no_loop = doctor(running_app, "--loop", "unknown")
    nobody = doctor(running_app, "--endpoint", "http://127.0.0.1:9")

    assert [each.returncode for each in (wrong_key, no_loop, nobody)] == [2, 2, 2]
    assert "401" in wrong_key.stderr
    assert "There is no such loop" in no_loop.stderr
    assert "did not answer" in nobody.stderr
    assert "Traceback" not in wrong_key.stderr + no_loop.stderr + nobody.stderr
