"""Scores are the same to the bit, whatever the scorer remembers or has forgotten."""

import itertools
import random
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.learner import scorer
from shared.learner.arguments import parse
from shared.learner.features import as_texts, shared_features, split_decision
from shared.learner.learner import Example, Learner, Outcome, SlotsExample
from shared.learner.policy import LivePolicy, Policy
from shared.learner.slot_features import contexts, read_slots, split_slots
from tests.learner.logs import catalogue, decisions, logged, text

ARGUMENTS = {
    "pairs": "--cb_explore_adf -q :: -b 14",
    "triples": "--cb_explore_adf --cubic FUj -q Fj -b 14",
    "no interactions": "--cb_explore_adf -b 14",
    "nothing of the actions": "--cb_explore_adf --keep F --noconstant -b 14",
    "a bag": "--cb_explore_adf --bag 2 -q Fj -b 14",
}


def weights_of(arguments):
    learner = Learner(parse(arguments))
    learner.learn_many(
        Example(text(e["c"]), e["_labelIndex"], e["_label_cost"], e["_label_probability"])
        for e in logged(200, 3)
    )
    return learner.settings, learner.regressor.effective_weights()


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_a_decision_that_comes_again_has_the_same_scores(arguments):
    policy = Policy(*weights_of(arguments))
    asked = [text(decision) for decision in decisions(40, 5)]

    first = [policy.decide_json(decision) for decision in asked]

    for _ in range(3):
        assert [policy.decide_json(decision) for decision in asked] == first


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_what_was_forgotten_is_worked_out_again(arguments, monkeypatch):
    trained = weights_of(arguments)
    asked = [text(decision) for decision in decisions(60, 5)]
    remembering = [Policy(*trained).decide_json(decision) for decision in asked]
    monkeypatch.setattr(scorer, "ACTIONS_BUDGET", 1000)
    monkeypatch.setattr(scorer, "SETS_BUDGET", 1000)
    forgetful = Policy(*trained)

    assert [forgetful.decide_json(decision) for decision in asked * 2] == remembering * 2


def test_known_actions_stay_within_their_budget_also_if_no_two_are_alike(monkeypatch):
    budget = 1 << 18
    monkeypatch.setattr(scorer, "ACTIONS_BUDGET", budget)
    policy = Policy(*weights_of("--cb_explore_adf -b 14"))
    kept = []
    tracemalloc.start()
    try:
        for number, names in enumerate(itertools.permutations("ABCDEFG", 4)):
            policy.decide_json(text({"_multi": [{name: {"f": 1, "g": 1} for name in names}]}))
            if number % 20 == 0:
                snapshot = tracemalloc.take_snapshot()
                ours = snapshot.filter_traces([tracemalloc.Filter(True, scorer.__file__)])
                kept.append(sum(each.size for each in ours.statistics("filename")))
    finally:
        tracemalloc.stop()
    assert 0.3 * budget < max(kept) < 1.1 * budget


def test_wide_contexts_are_prepared_in_bounded_memory():
    learner = Learner(parse("--cb_explore_adf -q FF"))
    live = LivePolicy(learner.settings, learner.regressor)
    wide = shared_features({"FromUrl": text([{f"f{number}": 1 for number in range(300)}])})
    pairs = 300 + 300 * 301 // 2

    few = live.prepared([wide] * (scorer._TERMS_AT_ONCE // pairs))
    many = live.prepared([wide] * (scorer._TERMS_AT_ONCE // pairs + 1))

    assert all(row.common and len(row.common[0]) == pairs for row in few)
    assert not any(row.common for row in many)
    action = [b'{"j":[{"x":1}]}']
    assert live.decide_in(few[0], action) == live.decide_in(many[0], action)


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_a_score_does_not_depend_on_the_actions_beside_it(arguments):
    settings_, weights = weights_of(arguments)
    rng = random.Random(1)
    items = catalogue(40, seed=1)
    for decision in decisions(20, 5):
        offered = rng.sample(items, rng.randrange(9, 30))
        order = list(range(len(offered)))
        rng.shuffle(order)
        fewer, alone = order[: len(order) // 2], order[:1]

        def scores(positions, shared=decision, offered=offered):
            chosen = {**shared, "_multi": [offered[position] for position in positions]}
            found = Policy(settings_, weights).decide_json(text(chosen)).scores
            return dict(zip(positions, found, strict=True))

        expected = scores(range(len(offered)))
        assert scores(order) == expected
        assert scores(fewer).items() <= expected.items()
        assert scores(alone).items() <= expected.items()


def test_large_sets_are_worked_out_in_parts(monkeypatch):
    trained = weights_of(ARGUMENTS["pairs"])
    asked = [text(decision) for decision in decisions(30, 5)]
    whole = [Policy(*trained).decide_json(decision).scores for decision in asked]
    monkeypatch.setattr(scorer, "_TERMS_AT_ONCE", 100)

    parts = [Policy(*trained).decide_json(decision).scores for decision in asked]

    for left, right in zip(parts, whole, strict=True):
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-6)


def test_threads_share_a_policy():
    trained = weights_of(ARGUMENTS["pairs"])
    asked = [text(decision) for decision in decisions(150, 5)]
    expected = [Policy(*trained).decide_json(decision) for decision in asked]
    shared = Policy(*trained)
    found = {}

    def ask(thread):
        found[thread] = [shared.decide_json(decision) for decision in asked]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [found[number] for number in range(6)] == [expected] * 6


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["true", "false", "null", "0", "1", "0.5", '"x"']), min_size=3, max_size=3
    )
)
def test_what_counts_as_zero_does_not_change_a_score(values):
    policy = Policy(*weights_of_flags())
    members = [f'"{key}":{value}' for key, value in zip("abc", values, strict=True)]
    left = [member for member in members if not member.endswith((":false", ":null", ":0"))]

    kept, left_out = (policy.decide_json(flagged(each)).scores for each in (members, left))

    assert kept == pytest.approx(left_out, abs=1e-6)


def flagged(members):
    first = '{"j":[{' + ",".join(members) + "}]}"
    return b'{"FromUrl":[{"city":"Rome"}],"_multi":[%b,{"j":[{"d":true}]}]}' % first.encode()


def weights_of_flags():
    settings_ = parse("--cb_explore_adf -q :: -b 10")
    return settings_, np.random.default_rng(1).normal(size=1 << 10).astype(np.float32)


def offered(names):
    user = ",".join(f'"f{number}":{number / 7}' for number in range(1, 30))
    actions = ",".join(
        f'{{"i":{{"constant":1,"id":"{name}"}},"j":[{{"price":0.3,"x":{{"y":2}}}}]}}'
        for name in names
    )
    return f'{{"FromUrl":[{{{user}}}],"_multi":[{actions}]}}'.encode()


@pytest.mark.parametrize("live", [False, True], ids=["policy", "live"])
def test_actions_that_are_alike_have_the_same_score_wherever_they_stand(live):
    """Nothing is known of their ids, and the same of all else; the first of them must win."""
    learner = Learner(parse("--cb_explore_adf --synthcover -q ::"))
    learner.learn_many([Example(offered(["known"]), 0, -1.0, 0.5)] * 3)
    policy = LivePolicy(learner.settings, learner.regressor) if live else learner.policy()

    for count in range(2, 20):
        decision = offered(range(count))
        for _ in range(3):  # new, then seen, then remembered as a set
            scores = policy.decide_json(decision).scores
            assert len(set(scores)) == 1, count
    assert scores[0] != 0


def test_so_have_those_that_are_offered_to_a_slot():
    learner = Learner(parse("--ccb_explore_adf -q Fi -q Fj -b 22"))  # few hashes collide
    known = offered(["known", "other"])[:-1] + b',"_slots":[{"s":1},{"s":2}]}'
    learner.learn_many([SlotsExample(known, (Outcome(0, -1.0, 0.5), Outcome(1, 0.0, 0.5)))] * 3)
    policy = learner.policy()
    assert policy.knows_slots
    members, _ = split_decision(offered([]))
    slots = read_slots(split_slots(known)[2], 2)
    _, second = contexts(shared_features(members, zeros=True), slots, numbered=True)

    for count in range(2, 20):
        actions = as_texts(split_decision(offered(range(count)))[1])
        for _ in range(3):
            scores = policy.decide_within(second, actions).scores
            assert len(set(scores)) == 1, count
    assert scores[0] != 0


def test_new_actions_of_one_decision_may_be_alike():
    policy = Policy(*weights_of_flags())
    alike = b'{"FromUrl":[{"a":1}],"_multi":[{"j":[{"x":1}]},{"j":[{"x":1}]}]}'

    first, second = policy.decide_json(alike).scores

    assert first == second
