"""A model learned from logs on the command line is Vowpal Wabbit's."""

import gzip
import json

import pytest

from shared.learner import vw_model
from tests.events.test_decision_log import DATA
from tests.learner.logs import decisions, logged, text
from tests.learner.slot_logs import slot_logged
from tests.learner.test_parity import read_predictions, run
from tools.learn import main

ARGUMENTS = "--cb_explore_adf --softmax --lambda 20 --power_t 0 -l 0.05 -q Fj"
DECAYING = "--cb_explore_adf --softmax --lambda 20 --invariant --power_t 0.3 -l 0.02 -q Fj"


def lines(count, seed):
    """Yield lines, some of which were dropped, not activated, or spelled as in old logs."""
    for number, event in enumerate(logged(count, seed)):
        if number % 3 == 0:
            event["pdrop"] = 0.5
        if number % 5 == 0:
            event["_skipLearn"] = True
        if number % 4 == 0:
            event["_label"] = {
                "Cost": event.pop("_label_cost"),
                "Probability": event.pop("_label_probability"),
                "Action": event.pop("_label_Action"),
            }
        yield text(event) + b"\n"


@pytest.fixture
def mirror(tmp_path):
    """A log mirror of two days; the second is compressed."""
    folder = tmp_path / "20260101000000" / "data" / "2026" / "01"
    folder.mkdir(parents=True)
    found = list(lines(600, 7))
    (folder / "01_0000000000.json").write_bytes(b"".join(found[:300]))
    (folder / "02_0000000000.json.gz").write_bytes(gzip.compress(b"".join(found[300:])))
    skipped = tmp_path / "20260101000000" / "skipped-data"
    skipped.mkdir()
    (skipped / "01_0000000000.json").write_bytes(b"never read\n")
    (tmp_path / "whole.dsjson").write_bytes(b"".join(found))
    return tmp_path


@pytest.mark.parametrize("arguments", [ARGUMENTS, DECAYING, DECAYING + " --cb_type dr"])
def test_a_log_mirror_gives_vowpal_wabbits_model(mirror, tmp_path, capsys, arguments):
    model = tmp_path / "our.model"
    folder = str(mirror / "20260101000000")

    assert main([folder, "--arguments", arguments, "--model", str(model)]) == 0

    assert "480 events learned from 2 files" in capsys.readouterr().out
    run(f"{arguments} --dsjson -d {mirror / 'whole.dsjson'} -f {tmp_path / 'vw.model'}")
    (tmp_path / "held-out").write_bytes(b"".join(text(e) + b"\n" for e in logged(200, 8)))
    run(f"-i {tmp_path / 'vw.model'} -t --dsjson -d {tmp_path / 'held-out'} -p {tmp_path / 'p'}")
    policy = vw_model.loads(model.read_bytes()).policy()
    for decision, expected in zip(decisions(200, 8), read_predictions(tmp_path / "p"), strict=True):
        found = policy.decide_json(text(decision)).probabilities
        assert dict(enumerate(found)) == pytest.approx(expected, abs=1e-5)


def slot_lines(count, seed):
    """Yield lines over slots, some of them dropped, not activated, or without all that is known."""
    for number, event in enumerate(slot_logged(count, seed)):
        if number % 3 == 0:
            event["pdrop"] = 0.5
        if number % 5 == 0:
            event["_skipLearn"] = True
        if number % 2 == 0 and len(event["_outcomes"]) > 1:
            del event["_outcomes"][0]["_label_cost"]
        if number % 3 == 0 and len(event["_outcomes"]) > 2:
            event["_outcomes"].pop()
        yield text(event) + b"\n"


def test_a_log_over_slots_gives_vowpal_wabbits_model(tmp_path, capsys):
    arguments = "--ccb_explore_adf --invariant --power_t 0.3 -l 0.1 -q sj"
    log, model, theirs = tmp_path / "log.dsjson", tmp_path / "our.model", tmp_path / "vw.model"
    genuine = (DATA / "ccb.dsjson").read_bytes()
    single = b"".join(text(event) + b"\n" for event in logged(20, 7))
    log.write_bytes(single + b"".join(slot_lines(200, 7)) + single + genuine)

    assert main([str(log), "--arguments", arguments, "--model", str(model)]) == 0

    assert "0 could not be used, 0 bad lines" in capsys.readouterr().out
    run(f"{arguments} --dsjson -d {log} -f {theirs}")
    found, expected = (vw_model.loads(file.read_bytes()) for file in (model, theirs))
    assert found.regressor.weights == pytest.approx(expected.regressor.weights, abs=1e-6)
    assert (found.learned, found.choices) == (expected.learned, expected.choices)
    assert found.regressor.time == pytest.approx(expected.regressor.time)
    assert found.knows_slots
    assert abs(expected.regressor.weights).max() > 1e-3


def test_learning_goes_on_from_a_model(mirror, tmp_path):
    whole, first, second = (tmp_path / name for name in ("whole", "first", "second"))
    month = mirror / "20260101000000" / "data" / "2026" / "01"

    assert main([str(month), "--arguments", ARGUMENTS, "--model", str(whole)]) == 0
    days = sorted(map(str, month.iterdir()))
    assert main([days[0], "--arguments", ARGUMENTS, "--model", str(first)]) == 0
    assert main([days[1], "--start", str(first), "--model", str(second)]) == 0

    assert second.read_bytes() == whole.read_bytes()


def test_a_bad_line_stops_or_is_skipped_as_asked(mirror, tmp_path, capsys):
    log, model = tmp_path / "bad.json", tmp_path / "model"
    log.write_bytes(next(lines(1, 1)) + b"{broken\n" + b"".join(lines(10, 2)))

    assert main([str(log), "--model", str(model)]) == 1
    assert "line 2" in capsys.readouterr().err
    assert not model.exists()
    assert main([str(log), "--model", str(model), "--on-bad-line", "skip"]) == 0
    shown = capsys.readouterr()
    assert "1 bad lines" in shown.out
    assert "line 2" in shown.err


@pytest.mark.parametrize(
    "words",
    [
        ["nowhere"],
        ["LOG", "--arguments", "--cb_explore_adf --cats 3"],
        ["LOG", "--start", "LOG"],
        ["LOG", "--start", "nowhere"],
        ["LOG", "--model", "nowhere/model"],
    ],
)
def test_what_cannot_be_done_is_said(mirror, tmp_path, capsys, words):
    log = str(mirror / "whole.dsjson")

    given = [log if word == "LOG" else word for word in words]

    assert main(["--model", str(tmp_path / "m"), *given]) == 2

    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_log_of_json_that_is_not_a_log_is_told(tmp_path, capsys):
    (tmp_path / "log.json").write_text(json.dumps({"name": "x"}))

    assert main([str(tmp_path), "--model", str(tmp_path / "m")]) == 1

    assert "neither a decision nor an observation" in capsys.readouterr().err
