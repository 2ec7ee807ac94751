"""How often each caller may call: token buckets, one a caller, in one process."""

import time
from collections.abc import Callable

FORGET_FROM = 10_000
"""Callers in memory from which on those who have not called for a while are forgotten."""


class RateLimit:
    """Lets each caller make ``burst`` calls at once and ``per_second`` after that."""

    def __init__(
        self, per_second: float, burst: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with full buckets."""
        self._per_second = per_second
        self._burst = burst
        self._monotonic = monotonic
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait(self, caller: str) -> float:
        """Return 0 if the caller may call now, which counts, else in how many seconds."""
        now = self._monotonic()
        left = self._left(self._buckets.get(caller, (self._burst, now)), now)
        if left < 1:
            return (1 - left) / self._per_second
        if len(self._buckets) >= FORGET_FROM:
            self._forget(now)
        self._buckets[caller] = left - 1, now
        return 0.0

    def _left(self, bucket: tuple[float, float], now: float) -> float:
        left, at = bucket
        return min(self._burst, left + (now - at) * self._per_second)

    def _forget(self, now: float) -> None:
        self._buckets = {
            caller: bucket
            for caller, bucket in self._buckets.items()
            if self._left(bucket, now) < self._burst
        }
