"""Small summaries of many values that can be merged: how many differ, which are frequent, how late.

Each has a fixed limit of size, and says how far it may be from the truth.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import mmh3

KEPT_HASHES = 256
KEPT_NAMES = 100
LONGEST_NAME = 128

SHORTEST_DELAY = 0.1
"""Seconds; whatever is shorter is in the first bin."""

BINS_PER_DOUBLING = 4
LAST_BIN = 112
"""Ends at some 300 days, well above twice the longest wait."""


@dataclass(slots=True)
class Distinct:
    """How many different texts there were: exactly up to 255, else estimated.

    The lowest hashes of a set are a fair sample of it, so the largest of them tells how many there
    are (Bar-Yossef et al. 2002). The standard error is ``1 / sqrt(254)``, or 6 %. Unions are exact:
    the lowest hashes of a union are the lowest of the parts' lowest.

    Attributes:
        hashes: At most the ``KEPT_HASHES`` lowest, of 64 bits.
    """

    hashes: set[int] = field(default_factory=set)

    def add(self, texts: Iterable[str]) -> None:
        """Take note of texts; those seen before change nothing."""
        self.hashes.update(mmh3.hash64(text.encode(), signed=False)[0] for text in texts)
        self._trim()

    def merge(self, other: "Distinct") -> None:
        """Take note of all that another one has seen."""
        self.hashes |= other.hashes
        self._trim()

    @property
    def is_exact(self) -> bool:
        """Whether ``count`` is exact."""
        return len(self.hashes) < KEPT_HASHES

    @property
    def count(self) -> int:
        """Number of different texts."""
        if self.is_exact:
            return len(self.hashes)
        return round((KEPT_HASHES - 1) * 2.0**64 / max(self.hashes))

    def _trim(self) -> None:
        if len(self.hashes) > KEPT_HASHES:
            self.hashes = set(sorted(self.hashes)[:KEPT_HASHES])


@dataclass(slots=True)
class Share:
    """How often a name came, and the sum of what came with it."""

    count: int = 0
    total: float = 0.0

    def add(self, count: int, total: float) -> None:
        """Count more of it."""
        self.count += count
        self.total += total


@dataclass(slots=True)
class Frequent:
    """The most frequent names; the others are summed up.

    For every name, ``listed <= true <= listed + missed``, where a name that is not listed counts
    as listed with 0. While no more than ``KEPT_NAMES`` names come, all is exact.

    Attributes:
        names: What is known of the names that are listed.
        rest: The sum of all that is not listed.
        missed: By how much the count of any one name may be too low.
    """

    names: dict[str, Share] = field(default_factory=dict)
    rest: Share = field(default_factory=Share)
    missed: int = 0

    def add(self, name: str, count: int = 1, total: float = 0.0) -> None:
        """Count a name; ``trim`` must follow before the summary is kept."""
        share = self.names.get(name)
        if share is None:
            share = self.names[name] = Share()
        share.count += count
        share.total += total

    def merge(self, other: "Frequent") -> None:
        """Add what another one has counted."""
        for name, share in other.names.items():
            self.add(name, share.count, share.total)
        self.rest.add(other.rest.count, other.rest.total)
        self.missed += other.missed
        self.trim()

    def trim(self) -> None:
        """Shorten long names, and keep the most frequent ones."""
        for name in [name for name in self.names if len(name) > LONGEST_NAME]:
            share = self.names.pop(name)
            self.add(short(name), share.count, share.total)
        if len(self.names) > KEPT_NAMES:
            names = self.by_count()
            self.names = dict(names[:KEPT_NAMES])
            for _, share in names[KEPT_NAMES:]:
                self.rest.add(share.count, share.total)
            self.missed += names[KEPT_NAMES][1].count

    def by_count(self) -> list[tuple[str, Share]]:
        """Return what is listed, the most frequent first."""
        return sorted(self.names.items(), key=lambda item: (-item[1].count, item[0]))

    @property
    def count(self) -> int:
        """Sum of all counts; exact."""
        return self.rest.count + sum(share.count for share in self.names.values())

    @property
    def total(self) -> float:
        """Sum of all totals."""
        return math.fsum((self.rest.total, *(share.total for share in self.names.values())))

    @property
    def entropy(self) -> float:
        """Bits of the distribution over names; a lower bound if something is not listed."""
        return entropy([share.count for share in (*self.names.values(), self.rest)])


@dataclass(slots=True)
class Delays:
    """Delays in bins that grow by the fourth root of 2.

    A percentile is the upper edge of a bin: never below the true one, and at most 19 % above it
    (or 0.1 seconds, if that is more).

    Attributes:
        bins: Number of delays by bin.
    """

    bins: dict[int, int] = field(default_factory=dict)

    def add(self, seconds: float) -> None:
        """Count a delay; a negative one is as one of no time."""
        number = 0
        if seconds > SHORTEST_DELAY:
            number = math.ceil(BINS_PER_DOUBLING * math.log2(seconds / SHORTEST_DELAY) - 1e-9)
        number = min(number, LAST_BIN)
        self.bins[number] = self.bins.get(number, 0) + 1

    def merge(self, other: "Delays") -> None:
        """Add what another one has counted."""
        add_counts(self.bins, other.bins)

    @property
    def count(self) -> int:
        """Number of delays."""
        return sum(self.bins.values())

    def percentile(self, share: float) -> float | None:
        """Return within how many seconds a share of the delays ended; None without any."""
        left = share * self.count
        for number in sorted(self.bins):
            left -= self.bins[number]
            if left <= 1e-9:
                return float(SHORTEST_DELAY * 2.0 ** (number / BINS_PER_DOUBLING))
        return None


def short(name: str) -> str:
    """Return a name, its end replaced by a digest if it is long."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: LONGEST_NAME - 17]}…{digest}"


def entropy(parts: Iterable[float]) -> float:
    """Return the entropy, in bits, of a distribution that need not be normalised."""
    weights = [part for part in parts if part > 0]
    total = math.fsum(weights)
    return -math.fsum(w / total * math.log2(w / total) for w in weights) if total else 0.0


def add_counts(counts: dict[int, int], more: Mapping[int, int]) -> None:
    """Add counts to counts, key by key."""
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count
