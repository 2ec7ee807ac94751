"""Rank without I/O and training from a log, beside Vowpal Wabbit 9.11.9 in the same run.

Both sides take turns in one process, on one core and on the same data. What is compared is the
processor time of all threads of the process, so that other work on the machine counts as little as
can be; a ``ratio`` is the peer's time over ours, the median over the turns. Vowpal Wabbit's driver
also predicts every action of an event before it learns it: ``ratio`` is to our learner that does
so, too, ``ratio_learning_only`` to one that only learns.
"""

import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import numpy as np
import vowpalwabbit

from benchmarks.log import catalogue, context, decisions, log, text
from shared.events.joined_log import decode_line, decode_lines
from shared.learner.arguments import parse
from shared.learner.learner import _EXAMPLES_AT_ONCE as AT_ONCE
from shared.learner.learner import Example, Learner, SlotsExample
from shared.learner.policy import Policy

POLICIES = {
    "default policy": "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::",
    "adaptive policy": "--cb_explore_adf --epsilon 0.2 --cb_type mtr -q ::",
}
DEFAULT = POLICIES["default policy"]
SIZES = (5, 10, 50)
KINDS = {
    "fixed catalogue": "the same actions every time",
    "random subset": "drawn from 200 known actions",
    "all new": "no action is seen twice",
}
WARM_UP, REQUESTS, BLOCK = 300, 1000, 20
EVENTS = 10_000
ROUNDS = 7
RATIO = "above 1: ours is faster"

Figure = dict[str, Any]


def figures() -> Iterator[Figure]:
    """Yield all figures of this module; takes some minutes."""
    yield importing()
    yield memory()
    with one_core():
        for actions in SIZES:
            for kind in KINDS:
                yield rank(actions, kind)
        for actions in SIZES:
            for policy in POLICIES:
                yield training(actions, policy)
        for actions in SIZES:
            yield stages(actions)


def rank(actions: int, kind: str) -> Figure:
    """Compare JSON text to probabilities, a block of requests each in turns."""
    policy, peer = _trained(actions)
    texts = list(_requests(actions, kind, WARM_UP + REQUESTS))
    strings = [text.decode() for text in texts]

    def predict(text: str) -> list[float]:
        examples = peer.parse(text)
        probabilities: list[float] = peer.predict(examples)
        peer.finish_example(examples)
        return probabilities

    turns, same = [], 0
    for start in range(0, len(texts), BLOCK):
        block = slice(start, start + BLOCK)
        spent, mine = timed(lambda block=block: [policy.decide_json(t) for t in texts[block]])
        peer_spent, others = timed(lambda block=block: [predict(t) for t in strings[block]])
        turns.append((spent, peer_spent))
        for decision, other in zip(mine, others, strict=True):
            pairs = zip(decision.probabilities, other, strict=True)
            same += all(abs(a - b) < 1e-5 for a, b in pairs)
    peer.finish()
    assert same > 0.99 * len(texts), "the two sides must compute the same"
    turns = turns[WARM_UP // BLOCK :]
    ours, theirs = (statistics.median(times) for times in zip(*turns, strict=True))
    return {
        "figure": f"rank, {actions} actions, {kind}",
        "actions_are": KINDS[kind],
        "peer": "Vowpal Wabbit 9.11.9, Python API",
        "ours_us": round(ours / BLOCK * 1e6, 1),
        "peer_us": round(theirs / BLOCK * 1e6, 1),
        "ratio": ratio(turns),
        "ratio_is": RATIO,
    }


def importing() -> Figure:
    """Compare the processor time of importing the learner and Microsoft's package, each alone.

    Both have their bytecode, as an installed package has, and the zip that is deployed.
    """
    sides = ("shared.learner.learner", "azure.functions")
    with bytecode() as environ:
        turns = [
            tuple(_import_time(module, environ) for module in sides) for _ in range(2 * ROUNDS + 1)
        ][1:]
    ours, peer = (statistics.median(times) for times in zip(*turns, strict=True))
    return {
        "figure": "import of the learner, NumPy and msgspec included",
        "peer": "azure.functions",
        "ours_ms": round(ours * 1e3),
        "ours_least_ms": round(min(turn[0] for turn in turns) * 1e3),
        "peer_ms": round(peer * 1e3),
        "peer_least_ms": round(min(turn[1] for turn in turns) * 1e3),
        "ratio": ratio(turns),
        "ratio_is": RATIO,
    }


@contextlib.contextmanager
def bytecode() -> Iterator[dict[str, str]]:
    """Yield an environment in which what is imported a second time is not compiled again."""
    with tempfile.TemporaryDirectory() as folder:
        yield {
            **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPYCACHEPREFIX": folder,
        }


def _import_time(module: str, environ: Mapping[str, str]) -> float:
    """Return the processor time that a fresh process takes to import a module."""
    script = (
        "import time; start = time.process_time(); import {}; print(time.process_time() - start)"
    )
    run = [sys.executable, "-c", script.format(module)]
    ran = subprocess.run(run, env=environ, capture_output=True, check=True, timeout=120)
    return float(ran.stdout)


def memory() -> Figure:
    """Compare how much a process grows by learning 2,000 events of 10 actions never seen before."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.dsjson"
        path.write_bytes(b"".join(log(2000, 10, 7, new=True)))
        ours, peer = (_growth(side, path) for side in (_LEARNING, _PEER_LEARNING))
    learner = Learner(parse(DEFAULT))
    arrays = (learner.regressor.weights, learner.regressor.gradients, learner.regressor.scales)
    return {
        "figure": "memory of learning, 18 bits",
        "peer": "Vowpal Wabbit 9.11.9, Python package",
        "model_mib": sum(array.nbytes for array in arrays) / 2**20,
        "ours_growth_mib": round(ours / 2**20, 1),
        "peer_growth_mib": round(peer / 2**20, 1),
        "ratio": round(peer / ours, 2),
        "ratio_is": RATIO.replace("faster", "smaller"),
    }


_LEARNING = """
from shared.learner.learner import Example, Learner
from shared.learner.arguments import parse
from shared.events.joined_log import decode_line
before = psutil.Process().memory_info().rss
learner = Learner(parse(arguments))
learner.learn_many(
    Example(bytes(line.c), line.label_index, line.label_cost, line.label_probability)
    for line in map(decode_line, open(path, "rb"))
)
"""
_PEER_LEARNING = """
import vowpalwabbit
before = psutil.Process().memory_info().rss
peer = vowpalwabbit.Workspace(f"{arguments} --dsjson -d {path} --quiet --no_stdin")
"""


def _growth(work: str, path: Path) -> int:
    """Return by how many bytes a fresh process grows."""
    script = f"import psutil\narguments, path = {DEFAULT!r}, {str(path)!r}\n{work}\n"
    script += "print(psutil.Process().memory_info().rss - before)"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return int(run.stdout)


def training(actions: int, policy: str) -> Figure:
    """Compare a log file to a learned model."""
    lines = log(EVENTS, actions, 7)
    figure = {"figure": f"training, {actions} actions, {policy}"}
    return figure | compare_training(lines, POLICIES[policy], _example, EVENTS, EVENTS)


def stages(actions: int) -> Figure:
    """Tell where the time of training goes under the default policy: what each stage adds."""
    lines = b"".join(log(EVENTS, actions, 7))
    arguments = parse(DEFAULT)

    def read_lines() -> list[Example]:
        return [_example(line) for line in decode_lines(lines)]

    def read() -> tuple[Learner, list[Any]]:
        learner = Learner(arguments)
        return learner, [learner._read(example) for example in read_lines()]

    def combine() -> None:
        learner, found = read()
        for start in range(0, EVENTS, AT_ONCE):
            batch = found[start : start + AT_ONCE]
            with np.errstate(all="ignore"):  # as learning does
                deque(learner._rows(choice for (choice,) in batch), maxlen=0)

    def learn() -> None:
        Learner(arguments).learn_many(map(_example, decode_lines(lines)))

    def decide() -> None:
        learner = Learner(arguments)
        deque(learner.decide_and_learn(map(_example, decode_lines(lines))), maxlen=0)

    names = ("line to example", "to features and hashes", "combining", "updating", "predicting all")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.dsjson"
        path.write_bytes(lines)
        works = (read_lines, read, combine, learn, decide, lambda: _drive(DEFAULT, path))
        turns = [[timed(work)[0] for work in works] for _ in range(ROUNDS)]
    *least, peer = [min(times) / EVENTS * 1e6 for times in zip(*turns, strict=True)]
    added = [after - before for before, after in pairwise([0.0, *least])]
    return {
        "figure": f"stages of training, {actions} actions, default policy",
        "us": dict(zip(names, (round(each, 1) for each in added), strict=True)),
        "total_us": round(least[-1], 1),
        "peer": "Vowpal Wabbit 9.11.9, its own driver",
        "peer_us": round(peer, 1),
        "of": "an event, least of all turns, what each stage adds to those before it",
    }


def compare_training(
    lines: Iterable[bytes],
    arguments: str,
    example: Callable[[Any], Example | SlotsExample],
    events: int,
    decisions: int,
) -> Figure:
    """Learn a log on both sides.

    Args:
        lines: Of the log.
        arguments: Learning settings.
        example: Makes one of a line.
        events: How many there are.
        decisions: How many these hold.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.dsjson"
        path.write_bytes(b"".join(lines))

        def examples() -> Iterator[Example | SlotsExample]:
            with path.open("rb", buffering=1 << 20) as file:
                yield from map(example, map(decode_line, file))

        def ours_learning_only() -> None:
            learner = Learner(parse(arguments))
            learner.learn_many(examples())
            assert (learner.learned, learner.choices) == (events, decisions)

        def ours() -> None:
            learner = Learner(parse(arguments))
            assert sum(1 for _ in learner.decide_and_learn(examples())) == decisions
            assert learner.learned == events

        sides = (ours, ours_learning_only, lambda: _drive(arguments, path))
        turns = [[timed(side)[0] for side in sides] for _ in range(ROUNDS)]
    both, learning_only, peer = (statistics.median(times) for times in zip(*turns, strict=True))
    return {
        "peer": "Vowpal Wabbit 9.11.9, its own driver",
        "ours_us": round(both / events * 1e6, 1),
        "ours_learning_only_us": round(learning_only / events * 1e6, 1),
        "peer_us": round(peer / events * 1e6, 1),
        "ratio": ratio([(turn[0], turn[2]) for turn in turns]),
        "ratio_learning_only": ratio([(turn[1], turn[2]) for turn in turns]),
        "ratio_is": RATIO,
    }


def _drive(arguments: str, path: Path) -> None:
    """Learn a log by Vowpal Wabbit's own driver."""
    vowpalwabbit.Workspace(f"{arguments} --dsjson -d {path} --quiet --no_stdin").finish()


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Give both sides one core, where the system can: VW's driver reads in a second thread."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _trained(actions: int) -> tuple[Policy, Any]:
    """Return both sides after the same log."""
    learner = Learner(parse(DEFAULT))
    learner.learn_many(map(_example, decode_lines(b"".join(log(500, actions, 3)))))
    with tempfile.TemporaryDirectory() as folder:
        path, model = Path(folder) / "log.dsjson", Path(folder) / "model"
        path.write_bytes(b"".join(log(500, actions, 3)))
        run = f"{DEFAULT} --dsjson -d {path} -f {model} --quiet --no_stdin"
        vowpalwabbit.Workspace(run).finish()
        peer = vowpalwabbit.Workspace(f"-i {model} --json -t --quiet --no_stdin")
    return learner.policy(), peer


def _requests(actions: int, kind: str, count: int) -> Iterator[bytes]:
    if kind != "random subset":
        yield from decisions(count, actions, 5, new=kind == "all new")
        return
    rng = random.Random(5)
    known = catalogue(200, 1)
    for _ in range(count):
        yield text({"FromUrl": context(rng), "_multi": rng.sample(known, actions)})


def _example(line: Any) -> Example:
    return Example(bytes(line.c), line.label_index, line.label_cost, line.label_probability)


def ratio(turns: Sequence[tuple[float, float]]) -> float:
    """Return how many times as long the peer took, in the middle of all turns."""
    return round(statistics.median(peer / ours for ours, peer in turns), 2)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


if __name__ == "__main__":
    for figure in figures():
        print(json.dumps(figure), flush=True)
