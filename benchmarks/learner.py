"""Rank without I/O and training from a log, beside Vowpal Wabbit 9.11.9 on the same core."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import vowpalwabbit

from benchmarks.log import decisions, log
from shared.events.joined_log import decode_lines
from shared.learner.arguments import parse
from shared.learner.learner import Example, Learner

DEFAULT = "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"
SIZES = (5, 10, 50)
ROUNDS = 3

Figure = dict[str, Any]


def figures() -> Iterator[Figure]:
    """Yield all figures of this module."""
    for actions in SIZES:
        for new in (False, True):
            yield rank(actions, new=new)
    for actions in SIZES:
        yield training(actions, 4000 if actions < 50 else 1000)


def rank(actions: int, *, new: bool) -> Figure:
    """Compare JSON text to probabilities, request by request in turns."""
    trained = list(decode_lines(b"".join(log(500, actions, 3))))
    learner = Learner(parse(DEFAULT))
    learner.learn_many(_example(line) for line in trained)
    policy = learner.policy()
    texts = list(decisions(600, actions, 5, new=new))
    peer = vowpalwabbit.Workspace(f"{DEFAULT} --json --quiet")
    strings = [text.decode() for text in texts]

    def predict(text: str) -> None:
        examples = peer.parse(text)
        peer.predict(examples)
        peer.finish_example(examples)

    ours, theirs = [], []
    for text, string in zip(texts, strings, strict=True):
        ours.append(_time(lambda text=text: policy.decide_json(text)))
        theirs.append(_time(lambda string=string: predict(string)))
    peer.finish()
    ours, theirs = ours[100:], theirs[100:]
    return {
        "figure": f"rank, {actions} actions, {'all new' if new else 'fixed catalogue'}",
        "peer": "Vowpal Wabbit 9.11.9, Python API",
        "ours_us_p50": round(statistics.median(ours) * 1e6, 1),
        "peer_us_p50": round(statistics.median(theirs) * 1e6, 1),
        "ratio": round(statistics.median(theirs) / statistics.median(ours), 2),
        "ratio_is": "above 1: ours is faster",
    }


def training(actions: int, events: int) -> Figure:
    """Compare a log file to a learned model; VW's driver also predicts all actions, ours not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.dsjson"
        path.write_bytes(b"".join(log(events, actions, 7)))

        def ours() -> None:
            learner = Learner(parse(DEFAULT))
            learner.learn_many(_example(line) for line in decode_lines(path.read_bytes()))

        def theirs() -> None:
            arguments = f"{DEFAULT} --dsjson -d {path} --quiet --no_stdin"
            vowpalwabbit.Workspace(arguments).finish()

        times = [(_time(ours), _time(theirs)) for _ in range(ROUNDS)]
    best, peer = (min(column) for column in zip(*times, strict=True))
    return {
        "figure": f"training, {actions} actions, default policy",
        "peer": "Vowpal Wabbit 9.11.9, its own driver",
        "ours_events_per_s": round(events / best),
        "peer_events_per_s": round(events / peer),
        "ratio": round(peer / best, 2),
        "ratio_is": "above 1: ours is faster; the driver also predicts every action",
    }


def _example(line: Any) -> Example:
    return Example(bytes(line.c), line.label_index, line.label_cost, line.label_probability)


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
