"""Explanations: their parts add up to the score, and say which features they are of."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from shared.learner.arguments import parse
from shared.learner.explanation import MOST_NAMED, OTHERS, explain
from shared.learner.features import split_decision
from shared.learner.layout import action_json, decision_json
from shared.learner.learner import Example, Learner
from shared.learner.policy import Policy
from tests.learner.logs import decisions, logged, text

ARGUMENTS = {
    "default": "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::",
    "pairs": "--cb_explore_adf -q :: -b 14",
    "triples": "--cb_explore_adf --cubic FUj -q Fj -b 14",
    "four": "--cb_explore_adf --interactions FUij -b 14",
    "no interactions": "--cb_explore_adf -b 14",
    "all twice": "--cb_explore_adf -q Fj -q jF --leave_duplicate_interactions -b 14",
    "not linear": "--cb_explore_adf -q Fj --ignore_linear F --noconstant -b 14",
    "one of two": "--cb_explore_adf --keep F --keep j -q :: -b 14",
    "doubly robust": "--cb_explore_adf --cb_type dr -q Fj -b 14",
    "bag": "--cb_explore_adf --bag 3 -q Fj -b 14",
    "cover": "--cb_explore_adf --cover 3 -q Fj -b 14",
    "random networks": "--cb_explore_adf --rnd 2 -q Fj -b 14",
}


def learned(arguments, count=150):
    learner = Learner(parse(arguments))
    learner.learn_many(
        Example(text(e["c"]), e["_labelIndex"], e["_label_cost"], e["_label_probability"])
        for e in logged(count, 3)
    )
    return learner.policy()


def explained(policy, decision):
    shared, actions = split_decision(decision)
    return explain(policy, shared, [bytes(action) for action in actions])


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_contributions_add_up_to_the_score(arguments):
    policy = learned(arguments)
    for decision in map(text, decisions(60, 5)):
        scores = policy.decide_json(decision).scores

        found = explained(policy, decision)

        assert [each.score for each in found] == pytest.approx([-s for s in scores], abs=1e-5)
        for each in found:
            assert each.score == pytest.approx(sum(c.score for c in each.contributions), abs=1e-9)
        assert any(each.contributions for each in found)


def test_means_of_ids_are_not_explained():
    decision = text(next(decisions(1, 5)))

    assert explained(learned("--cb_explore_adf --marginal i", 20), decision) is None


JSON = st.recursive(
    st.one_of(st.text("abü7 :|", max_size=5), st.integers(-9, 9), st.booleans(), st.none()),
    lambda inner: st.dictionaries(st.sampled_from(["a", "Fb", "j2", "_c", "7"]), inner, max_size=4),
    max_leaves=10,
).filter(lambda value: isinstance(value, dict))


@given(st.lists(JSON, max_size=3), st.lists(JSON, min_size=1, max_size=3), st.integers(0, 99))
@budget(max_examples=60)
def test_whatever_the_features_are_contributions_add_up_to_the_score(context, features, seed):
    weights = np.random.default_rng(seed).normal(size=1 << 10).astype(np.float32)
    policy = Policy(parse("--cb_explore_adf -q :: --cubic Fij -b 10"), weights)
    decision = decision_json(
        json.dumps(context).encode(),
        [action_json(name, json.dumps(features).encode()) for name in "xy"],
    )

    scores = policy.decide_json(decision).scores

    assert [-each.score for each in explained(policy, decision)] == pytest.approx(
        scores, abs=1e-4, rel=1e-5
    )


def test_a_feature_that_makes_the_difference_comes_first_and_has_its_name():
    learner = Learner(parse("--cb_explore_adf -q Fj -b 14"))
    for number in range(400):
        os, chosen = ("linux", "mac")[number % 2], number // 2 % 2
        offered = [
            action_json(name, b'[{"kind":"%b"}]' % kind)
            for name, kind in (("terminal", b"tool"), ("garage", b"music"))
        ]
        likes = (os == "linux") == (chosen == 0)
        decision = decision_json(b'[{"os":"%b"}]' % os.encode(), offered)
        learner.learn(Example(decision, chosen, -float(likes), 0.5))

    terminal, garage = explained(learner.policy(), decision)  # the last visitor uses a mac

    first = terminal.contributions[0]
    assert (first.name, first.value) == ("FromUrl.os^j.kind", "mac^tool")
    assert first.score < 0 < garage.contributions[0].score
    assert {c.name for c in terminal.contributions} <= {
        "FromUrl.os^j.kind", "j.kind", "FromUrl.os", "i.id", "i.constant", "constant"
    }  # fmt: skip


def test_of_very_many_features_the_largest_are_named_and_the_others_summed_up():
    weights = np.random.default_rng(1).normal(size=1 << 10).astype(np.float32)
    policy = Policy(parse("--cb_explore_adf -q :: -b 10"), weights)
    context = [{f"feature {number}": 1 for number in range(60)}]
    decision = decision_json(json.dumps(context).encode(), [action_json("x", b'[{"a":1}]')])

    [found] = explained(policy, decision)

    assert len(found.contributions) == MOST_NAMED + 1
    assert found.contributions[-1].name == OTHERS
    assert sum(c.score for c in found.contributions) == pytest.approx(found.score)
    assert found.score == pytest.approx(-policy.decide_json(decision).scores[0], rel=1e-5)
    sizes = [abs(c.score) for c in found.contributions[:-1]]
    assert sizes == sorted(sizes, reverse=True)


def test_before_anything_is_learned_nothing_contributes():
    policy = Learner(parse("--cb_explore_adf -q ::")).policy()

    for each in explained(policy, text(next(decisions(1, 5)))):
        assert (each.score, each.contributions) == (0, ())
