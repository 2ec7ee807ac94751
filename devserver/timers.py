"""The timer process: ``python -m devserver.timers``. Training never shares a process with Rank."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import azure.functions as func
from croniter import croniter

from devserver import logs
from shared.services.failures import trace
from shared.services.ports import StorageError

logger = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds that a running function gets to end when this process is told to stop."""


class Timer(func.TimerRequest):
    """What a timer function is told."""

    def __init__(self, *, past_due: bool) -> None:
        """Say whether the function runs later than scheduled."""
        self._past_due = past_due

    @property
    def past_due(self) -> bool:
        """Whether this run is late."""
        return self._past_due


def timers_of(app: func.FunctionApp) -> list[tuple[str, str, Callable[..., Any]]]:
    """Return schedule, argument and function of every timer; ``%NAME%`` is an app setting."""
    found = []
    for function in app.get_functions():
        trigger = function.get_trigger()
        if trigger is not None and trigger.type == "timerTrigger":
            schedule = trigger.get_dict_repr()["schedule"]
            if schedule.startswith("%"):
                schedule = os.environ[schedule.strip("%")]
            found.append((schedule, trigger.name, function.get_user_function()))
    return found


def run(
    schedule: str, argument: str, function: Callable[..., Any], stopping: threading.Event
) -> None:
    """Call a function on its schedule until told to stop; a long run delays the next."""
    due = datetime.now(UTC)
    while True:
        due = croniter(schedule, due, second_at_beginning=True).get_next(datetime)
        late = (datetime.now(UTC) - due).total_seconds()
        if stopping.wait(max(0.0, -late)):
            return
        try:
            function(**{argument: Timer(past_due=late > 1)})
        except Exception as exc:  # noqa: BLE001 (as the real host)
            why = exc if isinstance(exc, StorageError) else trace(exc)
            logger.error("a timer function failed; it runs again on schedule: %s", why)
        if late > 1:
            due = datetime.now(UTC)


def main() -> None:
    """Run all timers until told to stop."""
    import function_app  # it needs the app's settings, which tests of `run` do not have

    logs.configure()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    threads = [
        threading.Thread(target=run, args=(*timer, stopping), daemon=True)
        for timer in timers_of(function_app.app)
    ]
    for thread in threads:
        thread.start()
    stopping.wait()
    for thread in threads:
        thread.join(PATIENCE)  # what is broken off is repeated by the next run


if __name__ == "__main__":
    main()
