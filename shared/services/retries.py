"""How often a process may ask storage again: a budget, so that an outage brings no storm."""

import math
import time
from collections.abc import Callable

SHARE = 0.2
"""Retries that each first attempt allows."""

WINDOW = 10.0
"""Seconds after which about two thirds of an allowance that was not used are forgotten."""


class RetryBudget:
    """Allows retries in proportion to recent first attempts, and one a second besides.

    In balance ``r`` first attempts a second leave ``WINDOW * (1 + SHARE * r)`` retries for a
    moment of trouble. If it lasts, retries are no more than one a second and ``SHARE`` of the
    first attempts. Of one process and its event loop.

    Attributes:
        refused: Retries that were not allowed, ever.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with what a quiet process has saved."""
        self._monotonic = monotonic
        self._at = monotonic()
        self._balance = WINDOW
        self.refused = 0

    def first_attempt(self) -> None:
        """Take note of a first attempt."""
        self._age()
        self._balance += SHARE

    def allows_retry(self) -> bool:
        """Whether a retry may be made; it is then taken as made."""
        self._age()
        if self._balance < 1:
            self.refused += 1
            return False
        self._balance -= 1
        return True

    def _age(self) -> None:
        now = self._monotonic()
        kept = math.exp((self._at - now) / WINDOW)
        self._balance = WINDOW + (self._balance - WINDOW) * kept  # that is + 1 - balance / WINDOW
        self._at = now
