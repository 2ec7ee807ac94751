"""What the parsers under test find when they are called: a loop, its settings, and models."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from shared.learner.arguments import parse
from shared.learner.learner import Example, Learner
from shared.learner.policy import Decision, Policy
from shared.services.loop_settings import AutoOptimization, LoopSettings
from shared.services.loop_state import LoopState
from shared.services.ports import EventSpace
from shared.services.serving import ServedLoop
from tests.learner.logs import decisions, logged, text

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SPACE = EventSpace("default", 0, 8, 60)
STATE = LoopState(epoch=0, shards=8, bucket_seconds=60, cursor=1_767_323_040)
CURRENT = LoopSettings(policy_name="0" * 32, last_edit=NOW)
SETTINGS = (
    CURRENT,
    replace(CURRENT, arguments="--ccb_explore_adf --epsilon 0.2",
            auto_optimization=AutoOptimization(enabled=False)),
    replace(CURRENT, arguments="--cb_explore_adf --softmax --lambda 9 -q ::", exploration=0.0,
            model_export_frequency=timedelta(hours=1)),
)  # fmt: skip
"""Settings that a loop may have when others are put."""

EXPLORATIONS = (
    "--epsilon 0.2 -q ::",
    "--epsilon 0.1 --softmax --lambda 9 -q Fj",
    "--epsilon 0.1 --squarecb --elim -q Fj",
    "--epsilon 0.1 --bag 3 -q Fj",
    "--epsilon 0.1 --marginal i -q Fi",
    "--epsilon 0.1 --synthcover --interactions Fj",
)
SLOTS_EXPLORATIONS = ("--epsilon 0.2 -q ::", "--epsilon 0.1 --softmax --lambda 9 -q Fj")
PLAIN = b'{"FromUrl":[{"x":1}],"_multi":[{"i":{"id":"a"},"j":[{"y":2}]},{"i":{"id":"b"},"j":[]}]}'
DECISIONS = PLAIN, *tuple(text(decision) for decision in decisions(4, 3))


@cache
def examples(count: int = 60) -> tuple[Example, ...]:
    """Return logged decisions without anything odd in them."""
    return tuple(
        Example(text(e["c"]), e["_labelIndex"], e["_label_cost"], e["_label_probability"])
        for e in logged(count, 5)
    )


@cache
def policy(explorations: tuple[str, ...], slots: bool, number: int) -> Policy:
    """Return what was learned from these with one of the explorations."""
    flag = "--ccb_explore_adf" if slots else "--cb_explore_adf"
    learner = Learner(parse(f"{flag} {explorations[number]} -b 12"))
    learner.learn_many(examples())
    assert learner.skipped == 0
    return learner.policy()


def served(data: bytes, *, slots: bool) -> ServedLoop:
    """Return a loop with a model; which one follows from the input."""
    explorations = SLOTS_EXPLORATIONS if slots else EXPLORATIONS
    found = policy(explorations, slots, len(data) % len(explorations))
    return ServedLoop(SPACE, CURRENT, STATE, found, "20260102T030405Z-0")


def assert_distribution(probabilities: Sequence[float]) -> None:
    """Check that these are the probabilities of something."""
    assert all(0.0 <= p <= 1.0 + 1e-6 for p in probabilities), probabilities
    assert math.isclose(math.fsum(probabilities), 1.0, abs_tol=1e-5), probabilities


def assert_decides(policy: Policy, decisions: Sequence[bytes] = DECISIONS) -> list[Decision]:
    """Check that a policy decides with finite numbers; return what."""
    found = [policy.decide_json(decision) for decision in decisions]
    for decision in found:
        assert_distribution(decision.probabilities)
        assert all(map(math.isfinite, decision.scores)), decision.scores
    return found
