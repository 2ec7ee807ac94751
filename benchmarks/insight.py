"""What insight costs: explaining a decision beside making it, counting an event beside learning it.

Processor time of this process, best of several rounds, on the data of the learner's benchmarks.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from benchmarks.log import decisions, log
from shared.events.interaction import Interaction
from shared.events.join import JoinedExample
from shared.events.joined_log import decode_lines
from shared.events.learning_mode import LearningMode
from shared.learner.arguments import parse
from shared.learner.explanation import explain
from shared.learner.features import split_decision
from shared.learner.learner import Example, Learner
from shared.services.metrics_row import Tally

DEFAULT = "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"
SIZES = (5, 10, 50)
ROUNDS = 5
NOW = datetime(2026, 1, 1, tzinfo=UTC)

Figure = dict[str, Any]


def figures() -> Iterator[Figure]:
    """Yield all figures of this module."""
    for actions in SIZES:
        yield explanation(actions)
    for actions in SIZES:
        yield metrics(actions)


def explanation(actions: int) -> Figure:
    """Compare explaining all actions of a decision with making the decision."""
    lines = list(decode_lines(b"".join(log(500, actions, 7))))
    policy = _learned(lines).policy()
    texts = list(decisions(100, actions, 8))
    split = [split_decision(text) for text in texts]
    asked = [(shared, [bytes(action) for action in offered]) for shared, offered in split]
    decided = _best(lambda: [policy.decide_json(text) for text in texts]) / len(texts)
    explained = _best(lambda: [explain(policy, *each) for each in asked]) / len(texts)
    terms = explain(policy, *asked[0])[0].contributions
    return {
        "figure": f"explanation of a decision, {actions} actions",
        "peer": "the decision itself, actions known",
        "explanation_us": round(explained * 1e6, 1),
        "peer_us": round(decided * 1e6, 1),
        "contributions": len(terms),
        "ratio": round(decided / explained, 3),
        "ratio_is": "below 1: explaining takes longer",
    }


def metrics(actions: int) -> Figure:
    """Compare counting events into a row of metrics with learning them."""
    lines = list(decode_lines(b"".join(log(1000, actions, 7))))
    examples = [
        JoinedExample(
            Interaction(
                line.EventId,
                NOW,
                bytes(line.c),
                tuple(action["_tag"] for action in msgspec.json.decode(line.c)["_multi"]),
                tuple(action - 1 for action in line.a),
                tuple(line.p),
                "v1",
            ),
            (),
            -line.label_cost,
        )
        for line in lines
    ]

    def count() -> None:
        tally = Tally()
        for example in examples:
            tally.event(example, 8, LearningMode.ONLINE)
        tally.row()

    counted, learned = _best(count) / len(lines), _best(lambda: _learned(lines)) / len(lines)
    return {
        "figure": f"metrics of an event, {actions} actions",
        "peer": "learning it",
        "metrics_us": round(counted * 1e6, 1),
        "peer_us": round(learned * 1e6, 1),
        "ratio": round(learned / counted, 2),
        "ratio_is": "above 1: counting takes less time than learning",
    }


def _learned(lines: list[Any]) -> Learner:
    learner = Learner(parse(DEFAULT))
    learner.learn_many(
        Example(bytes(line.c), line.label_index, line.label_cost, line.label_probability)
        for line in lines
    )
    return learner


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)
