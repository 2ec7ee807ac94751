"""A cache with a budget in bytes that forgets what has not been used for long."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class RecentlyUsed(Generic[Key, Value]):
    """Two generations of entries: what is not used while one fills up is forgotten.

    Close to least-recently-used, but a hit is one dictionary look-up. Safe for threads: the
    worst that a race can do is to forget an entry or to overrun the budget by a few of them.
    """

    def __init__(self, budget: int) -> None:
        """Hold entries of about ``budget`` bytes at most."""
        self._young_budget = budget // 2
        self._young: dict[Key, Value] = {}
        self._old: dict[Key, tuple[Value, int]] = {}
        self._costs: dict[Key, int] = {}
        self._used = 0

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, or None."""
        value = self._young.get(key)
        if value is None:
            found = self._old.get(key)
            if found is not None:
                value = found[0]
                self.put(key, *found)
        return value

    def put(self, key: Key, value: Value, cost: int) -> None:
        """Keep a value of about ``cost`` bytes; one larger than half the budget is not kept."""
        if cost > self._young_budget:
            return
        if self._used + cost > self._young_budget:
            costs = self._costs
            self._old = {k: (v, costs.get(k, 0)) for k, v in self._young.copy().items()}
            self._young, self._costs, self._used = {}, {}, 0
        self._young[key] = value
        self._costs[key] = cost
        self._used += cost

    @property
    def size(self) -> int:
        """How many entries can be found at present."""
        return len(self._young.keys() | self._old.keys())
