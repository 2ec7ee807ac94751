"""Looking for inputs that break a promise: seeded, in this process, without any extra package.

``make fuzz`` looks longer and is guided by which code runs (``guided.py``).
"""

import hashlib
import random
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.mutation import havoc
from tests.fuzz.target import Target

SLOW = 5.0
"""Seconds of CPU that one input may take at most; usual ones take some 100 microseconds."""

TAKEN = 128
REPRODUCERS = Path(__file__).parent / "reproducers"


class TooSlow(Exception):
    """An input took too much time."""


@dataclass
class Search:
    """Runs inputs and keeps one of each kind that fails.

    Attributes:
        target: What is searched.
        executions: Inputs run.
        accepted: Of these, how many the parser took.
        taken: The last ones that it took: a good place to go on from.
        failures: The shortest input found for each kind of failure.
    """

    target: Target
    executions: int = 0
    accepted: int = 0
    taken: list[bytes] = field(default_factory=list)
    failures: dict[str, bytes] = field(default_factory=dict)

    def execute(self, data: bytes) -> str | None:
        """Run an input; return what kind of failure it is, if it is one."""
        self.executions += 1
        before = self.accepted
        kind = failure_of(self.target, data, self._accept)
        if self.accepted > before:
            self.taken.append(data)
            del self.taken[:-TAKEN]
        if kind and len(data) < len(self.failures.get(kind, data + b" ")):
            self.failures[kind] = data
        return kind

    def _accept(self) -> None:
        self.accepted += 1

    def run(self, executions: int, seed: int) -> None:
        """Run the seeds, then inputs made from them, and from those that were accepted."""
        rng = random.Random(seed)
        seeds = list(self.target.seeds())
        for data in seeds:
            self.execute(data)
        good = list(self.taken)
        for _ in range(executions):
            share = rng.random()
            some = self.taken if share < 0.4 else good if share < 0.85 else seeds
            data = self.target.mutate(rng.choice(some or seeds), rng, havoc)
            self.execute(data[: self.target.most])


def failure_of(
    target: Target, data: bytes, accept: Callable[[], None] = lambda: None
) -> str | None:
    """Return what kind of failure an input is: the error and where it came from; None if none."""
    started = time.process_time()
    try:
        if target.run(data):
            accept()
        took = time.process_time() - started
        if took > SLOW:
            raise TooSlow(f"{took:.1f} seconds")
    except Exception as exc:  # noqa: BLE001 (whatever it is, it is what is looked for)
        frames = traceback.extract_tb(exc.__traceback__)
        where = next((f for f in reversed(frames) if "/shared/" in f.filename), frames[-1])
        return f"{type(exc).__name__} at {Path(where.filename).name}:{where.name}:{where.lineno}"
    return None


def minimal(target: Target, data: bytes, kind: str, seconds: float = 60.0) -> bytes:
    """Return a short input with the same kind of failure: chunks are taken out while they can."""
    size = max(1, len(data) // 2)
    end = time.monotonic() + seconds
    while size and time.monotonic() < end:
        at = 0
        while at < len(data) and time.monotonic() < end:
            shorter = data[:at] + data[at + size :]
            if failure_of(target, shorter) == kind:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def keep(target: Target, data: bytes, kind: str, folder: Path) -> Path:
    """Write a failure down, made minimal, with what went wrong beside it."""
    data = minimal(target, data, kind)
    path = folder / target.name / hashlib.sha256(data).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    try:
        target.run(data)
    except Exception:  # noqa: BLE001 (likewise)
        path.with_suffix(".txt").write_text(f"{kind}\n\n{traceback.format_exc()}")
    return path
