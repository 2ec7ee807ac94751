"""The timers as the host runs them: a function that fails runs again, and the log says why."""

import logging
import threading
import time

from devserver import timers
from shared.services.ports import StorageUnavailable

EVERY_SECOND = "* * * * * *"


def log_of(caplog, error):
    """Run a timer function that fails once; return what was logged."""
    stopping = threading.Event()
    calls = []

    def function(timer):
        calls.append(timer)
        if len(calls) == 1:
            raise error
        stopping.set()

    with caplog.at_level(logging.ERROR, logger=timers.__name__):
        timers.run(EVERY_SECOND, "timer", function, stopping)

    assert len(calls) == 2
    [record] = caplog.records
    return record.getMessage()


def test_training_that_storage_keeps_from_running_says_so_in_a_line(caplog):
    said = log_of(caplog, StorageUnavailable("storage does not answer"))

    assert said.endswith("runs again on schedule: storage does not answer")
    assert "\n" not in said


def test_of_any_other_failure_the_place_is_logged_and_not_the_message(caplog):
    said = log_of(caplog, ValueError("a feature of a user"))

    assert "ValueError" in said
    assert "test_timers.py" in said
    assert "a feature" not in said


def test_a_function_is_told_whether_it_is_late():
    stopping = threading.Event()
    told = []

    def function(timer):
        told.append(timer.past_due)
        if len(told) == 1:
            time.sleep(2.2)  # longer than the schedule leaves
        else:
            stopping.set()

    timers.run(EVERY_SECOND, "timer", function, stopping)

    assert told == [False, True]
