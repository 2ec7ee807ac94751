"""The short form of ``make fuzz``: what was found once stays mended, and a fresh look each time."""

import warnings
from types import SimpleNamespace

import pytest

from tests.fuzz.search import REPRODUCERS, Search, minimal
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

EXECUTIONS = {"policy": 150, "vw-model": 120, "stored-model": 150, "model-export": 150}
"""Fresh inputs of parsers whose accepted inputs cost more."""

PLANTED = b"excludedActions"
WITHIN = 3_000
"""Executions in which a planted bug is found."""


@pytest.fixture(autouse=True)
def warnings_are_failures():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("name", TARGETS)
def test_a_fresh_look_finds_nothing(name):
    found = Search(TARGETS[name])

    found.run(EXECUTIONS.get(name, 400), seed=1)

    assert found.failures == {}
    assert found.accepted > 10


@pytest.mark.parametrize("path", sorted(REPRODUCERS.rglob("*.bin")), ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(path):
    TARGETS[path.parent.name].run(path.read_bytes())


def test_every_reproducer_is_of_a_parser():
    assert {path.parent.name for path in REPRODUCERS.rglob("*.bin")} <= TARGETS.keys()
    assert len(list(REPRODUCERS.rglob("*.bin"))) >= 15


def test_a_planted_bug_is_found_and_made_minimal():
    whole = TARGETS["rank"]

    def broken(data):
        accepted = whole.run(data)
        if accepted and b'"excludedActions":[]' in data.replace(b" ", b""):
            raise KeyError("an empty list of excluded actions")
        return accepted

    target = Target("planted", broken, whole.seeds, whole.mutate, whole.most)
    found = Search(target)
    found.run(WITHIN, seed=1)

    [(kind, data)] = found.failures.items()
    assert kind.startswith("KeyError at test_short_form.py:broken:")
    short = minimal(target, data, kind)
    assert PLANTED in short
    assert len(short) < 300


def test_a_bug_that_was_mended_is_found_where_it_comes_back(monkeypatch):
    """A log whose gzip stream is damaged inside ended in zlib's own error."""
    monkeypatch.setattr("shared.events.decision_log.zlib", SimpleNamespace(error=OSError))
    found = Search(TARGETS["decision-log"])

    found.run(WITHIN, seed=1)

    [kind] = found.failures
    assert kind.startswith("error at decision_log.py:_lines:")
