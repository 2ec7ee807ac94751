"""A process of the app as it is, but for its clock and, where a test asks for it, one thing broken.

``python -m tests.faults.actor web PORT`` or ``... timers``, with
``CLOCK_OFFSET_SECONDS`` (how far its clock is ahead) and ``SABOTAGE`` in the environment.
"""

import os
import sys
from datetime import timedelta

from devserver import timers, web
from shared import wiring
from tests.faults.sabotage import SABOTAGES


def shift_clock(ahead: timedelta) -> None:
    """Let this process live ``ahead`` of the true time."""
    true_time = wiring.now
    wiring.now = lambda: true_time() + ahead


def main(what: str, *arguments: str) -> None:
    """Run the process until it is told to stop."""
    shift_clock(timedelta(seconds=float(os.environ.get("CLOCK_OFFSET_SECONDS", "0"))))
    sabotage = os.environ.get("SABOTAGE")
    if sabotage:
        SABOTAGES[sabotage]()
    if what == "web":
        web.main(int(arguments[0]))
    else:
        timers.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
