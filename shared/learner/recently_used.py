"""A cache with a budget in bytes that forgets what has not been used for long."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class RecentlyUsed(Generic[Key, Value]):
    """Two generations of entries: what is not used while one fills up is forgotten.

    Close to least-recently-used, but a hit is a single dictionary look-up. Safe for threads:
    the worst that a race can do is to forget an entry or to exceed the budget by a few.
    """

    def __init__(self, budget: int) -> None:
        """Hold entries of about ``budget`` bytes at most."""
        self._budget = budget // 2
        self._young: dict[Key, tuple[Value, int]] = {}
        self._old: dict[Key, tuple[Value, int]] = {}
        self._spent = 0

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, or None."""
        entry = self._young.get(key)
        if entry is None:
            entry = self._old.get(key)
            if entry is None:
                return None
            self.put(key, *entry)
        return entry[0]

    def put(self, key: Key, value: Value, cost: int) -> None:
        """Keep a value of about ``cost`` bytes, unless that is more than half the budget."""
        if cost > self._budget:
            return
        if self._spent + cost > self._budget:
            self._old, self._young, self._spent = self._young, {}, 0
        self._young[key] = (value, cost)
        self._spent += cost

    def __len__(self) -> int:
        """How many entries can be found."""
        return len(self._young.keys() | self._old.keys())
