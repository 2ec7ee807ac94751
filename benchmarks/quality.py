"""How well each exploration learns: labelled data sets as bandit problems, VW in the same run.

The features of a row are the context, its classes are the actions, and the reward is 1 for the
right class. Every decision is scored before it is learned (progressive validation), so a mean
reward is what the loop's owner would have earned. Both sides see the same rows in the same order
and draw with the same random numbers; a difference is taken pair by pair.
``python -m benchmarks.quality`` prints one JSON line per data set and policy.
"""

import itertools
import json
import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import vowpalwabbit
from sklearn import datasets

from shared.learner.arguments import parse
from shared.learner.layout import action_json, decision_json
from shared.learner.learner import Example, Learner

DATA_SETS: dict[str, Callable[[], Any]] = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "breast cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}
_ROWS = 3000
_SEEDS = range(5)
_CROSSED = "-q Fi"
_COSTS = "--cb_min_cost -1 --cb_max_cost 0"
POLICIES = {
    "the original's default": "--epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::",
    "the same, -l 0.5": "--epsilon 0.2 --power_t 0 -l 0.5 --cb_type mtr -q ::",
    "the same, adaptive": "--epsilon 0.2 --cb_type mtr -q ::",
    "epsilon 0.2": f"--epsilon 0.2 {_CROSSED}",
    "epsilon 0.1": f"--epsilon 0.1 {_CROSSED}",
    "epsilon 0.02": f"--epsilon 0.02 {_CROSSED}",
    "epsilon 0.1, ips": f"--epsilon 0.1 --cb_type ips {_CROSSED}",
    "epsilon 0.1, dr": f"--epsilon 0.1 --cb_type dr {_CROSSED}",
    "softmax 20": f"--softmax --lambda 20 {_CROSSED}",
    "squarecb": f"--squarecb {_CROSSED}",
    "squarecb, epsilon 0.02": f"--squarecb --epsilon 0.02 {_CROSSED}",
    "regcb": f"--regcb {_COSTS} {_CROSSED}",
    "regcbopt": f"--regcb --regcbopt {_COSTS} {_CROSSED}",
    "rnd 3": f"--rnd 3 {_CROSSED}",
    "bag 5": f"--bag 5 {_CROSSED}",
    "first 300": f"--first 300 {_CROSSED}",
    "synthcover": f"--synthcover {_CROSSED}",
    "no features": "--epsilon 0.1 --ignore F",
}

Figure = dict[str, Any]
Rewards = list[float]


def figures() -> Iterator[Figure]:
    """Yield the mean reward of every policy on every data set; takes minutes."""
    runs = list(itertools.product(DATA_SETS, POLICIES, _SEEDS))
    with ProcessPoolExecutor() as pool:
        results = dict(zip(runs, pool.map(_both, *zip(*runs, strict=True)), strict=True))
    for data_set, policy in itertools.product(DATA_SETS, POLICIES):
        pairs = [results[data_set, policy, seed] for seed in _SEEDS]
        ours, theirs = (
            [statistics.fmean(side) for side in sides] for sides in zip(*pairs, strict=True)
        )
        ends = [statistics.fmean(mine[-_ROWS // 10 :]) for mine, _ in pairs]
        yield {
            "figure": f"quality, {data_set}, {policy}",
            "arguments": POLICIES[policy],
            "peer": "Vowpal Wabbit 9.11.9, Python API, the same rows and random numbers",
            "rows": _ROWS,
            "seeds": len(_SEEDS),
            "random_choice": round(1 / _classes(data_set), 3),
            **_mean("ours", ours),
            **_mean("peer", theirs),
            **_mean("difference", [a - b for a, b in zip(ours, theirs, strict=True)]),
            **_mean("ours_last_tenth", ends),
        }


def _both(data_set: str, policy: str, seed: int) -> tuple[Rewards, Rewards]:
    """Return the rewards of both sides, decision by decision."""
    arguments = f"--cb_explore_adf {POLICIES[policy]}"
    rows = list(_rows(data_set, seed))
    return _run(_Ours(arguments), rows, seed), _run(_Peer(arguments), rows, seed)


class _Ours:
    def __init__(self, arguments: str) -> None:
        self._learner = Learner(parse(arguments))

    def probabilities(self, decision: bytes) -> Sequence[float]:
        return self._learner.policy().decide_json(decision).probabilities

    def learn(self, decision: bytes, chosen: int, cost: float, probability: float) -> None:
        self._learner.learn(Example(decision, chosen, cost, probability))


class _Peer:
    def __init__(self, arguments: str) -> None:
        self._workspace = vowpalwabbit.Workspace(f"{arguments} --json --quiet --no_stdin")

    def probabilities(self, decision: bytes) -> Sequence[float]:
        examples = self._workspace.parse(decision.decode())
        probabilities: list[float] = self._workspace.predict(examples)
        self._workspace.finish_example(examples)
        total = max(1, round(sum(probabilities)))  # under regcbopt each of several may have 1
        return [each / total for each in probabilities]

    def learn(self, decision: bytes, chosen: int, cost: float, probability: float) -> None:
        label = (
            f'{{"_label_cost":{cost},"_label_probability":{probability},'
            f'"_label_Action":{chosen + 1},"_labelIndex":{chosen},'
        )
        examples = self._workspace.parse(label + decision.decode()[1:])
        self._workspace.learn(examples)
        self._workspace.finish_example(examples)


def _run(side: _Ours | _Peer, rows: Sequence[tuple[bytes, int]], seed: int) -> Rewards:
    draws = random.Random(seed)
    rewards = []
    for decision, right in rows:
        probabilities = side.probabilities(decision)
        reached = np.cumsum(probabilities)
        chosen = int(np.searchsorted(reached, draws.random() * reached[-1], side="right"))
        reward = float(chosen == right)
        side.learn(decision, chosen, -reward, float(probabilities[chosen]))
        rewards.append(reward)
    return rewards


def _rows(data_set: str, seed: int) -> Iterator[tuple[bytes, int]]:
    """Yield decisions and their right actions, shuffled again whenever the rows are used up."""
    data = DATA_SETS[data_set]()
    values = data.data / np.abs(data.data).max(axis=0).clip(1e-9)
    actions = [action_json(f"class {label}", b"[{}]") for label in range(_classes(data_set))]
    rng = np.random.default_rng(seed)
    order = itertools.chain.from_iterable(rng.permutation(len(values)) for _ in itertools.count())
    for row in itertools.islice(order, _ROWS):
        features = {f"f{n}": round(float(value), 4) for n, value in enumerate(values[row])}
        context = json.dumps([features], separators=(",", ":")).encode()
        yield decision_json(context, actions), int(data.target[row])


def _classes(data_set: str) -> int:
    return len(DATA_SETS[data_set]().target_names)


def _mean(name: str, values: Sequence[float]) -> Figure:
    error = statistics.stdev(values) / math.sqrt(len(values))
    return {name: round(statistics.fmean(values), 4), f"{name}_se": round(error, 4)}


if __name__ == "__main__":
    for figure in figures():
        print(json.dumps(figure), flush=True)
