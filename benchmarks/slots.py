"""Rank over slots and training on such a log, beside Vowpal Wabbit 9.11.9 in the same run.

Measured as in ``benchmarks.learner``. Vowpal Wabbit draws an action for every slot it predicts,
and takes it out of the next slot's; so do we.
"""

import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.learner import BLOCK, RATIO, Figure, compare_training, one_core, ratio, timed
from benchmarks.log import slots_decisions, slots_log, text

import vowpalwabbit  # isort: skip  # after the above has seen to the number of threads

from shared.events.joined_log import decode_lines
from shared.learner.arguments import parse
from shared.learner.learner import Learner, Outcome, SlotsExample
from shared.learner.slot_features import split_slots
from shared.learner.slots import SlotDecision, decide_slots

ARGUMENTS = "--ccb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"
SLOTS = 3
SIZES = (5, 10, 50)
WARM_UP, REQUESTS = 100, 400


def figures() -> Iterator[Figure]:
    """Yield all figures of this module; takes some minutes."""
    with one_core():
        for actions in SIZES:
            yield rank(actions)
        for actions in SIZES:
            yield training(actions, 2000)


def rank(actions: int) -> Figure:
    """Compare JSON text to the decisions of all slots, a block of requests each in turns."""
    learner = Learner(parse(ARGUMENTS))
    learner.learn_many(map(_example, decode_lines(b"".join(slots_log(300, actions, SLOTS, 3)))))
    policy = learner.policy()
    with tempfile.TemporaryDirectory() as folder:
        path, model = Path(folder) / "log.dsjson", Path(folder) / "model"
        path.write_bytes(b"".join(slots_log(300, actions, SLOTS, 3)))
        run = f"{ARGUMENTS} --dsjson -d {path} -f {model} --quiet --no_stdin"
        vowpalwabbit.Workspace(run).finish()
        peer = vowpalwabbit.Workspace(f"-i {model} --json -t --quiet --no_stdin")
    asked = list(slots_decisions(WARM_UP + REQUESTS, actions, SLOTS, 5))
    texts = [text(each) for each in asked]
    strings = [each.decode() for each in texts]

    def decide(text: bytes) -> tuple[SlotDecision, ...]:
        members, offered, slots = split_slots(text)
        return decide_slots(policy, members, list(map(bytes, offered)), slots, lambda _: 0.0)

    def predict(text: str) -> list[list[tuple[int, float]]]:
        examples = peer.parse(text)
        decisions: list[list[tuple[int, float]]] = peer.predict(examples)
        peer.finish_example(examples)
        return decisions

    turns, same = [], 0
    for start in range(0, len(texts), BLOCK):
        block = slice(start, start + BLOCK)
        spent, mine = timed(lambda block=block: [decide(t) for t in texts[block]])
        peer_spent, others = timed(lambda block=block: [predict(t) for t in strings[block]])
        turns.append((spent, peer_spent))
        for decision, other in zip(mine, others, strict=True):  # first slots have the same actions
            found = dict(zip(decision[0].ranking, decision[0].probabilities, strict=True))
            same += all(abs(found[action] - p) < 1e-5 for action, p in other[0])
    peer.finish()
    assert same > 0.98 * len(texts), "the two sides must compute the same"
    turns = turns[WARM_UP // BLOCK :]
    ours, theirs = (statistics.median(times) for times in zip(*turns, strict=True))
    return {
        "figure": f"rank, {SLOTS} slots, {actions} actions, fixed catalogue",
        "peer": "Vowpal Wabbit 9.11.9, Python API",
        "ours_us": round(ours / BLOCK * 1e6, 1),
        "peer_us": round(theirs / BLOCK * 1e6, 1),
        "ratio": ratio(turns),
        "ratio_is": RATIO,
    }


def training(actions: int, events: int) -> Figure:
    """Compare a log file to a learned model."""
    lines = slots_log(events, actions, SLOTS, 7)
    figure = {"figure": f"training, {SLOTS} slots, {actions} actions, default policy"}
    return figure | compare_training(lines, ARGUMENTS, _example, events, events * SLOTS)


def _example(line: Any) -> SlotsExample:
    outcomes = tuple(Outcome(each.a[0], each.label_cost, each.p[0]) for each in line.outcomes)
    return SlotsExample(bytes(line.c), outcomes)


if __name__ == "__main__":
    for figure in figures():
        print(json.dumps(figure), flush=True)
