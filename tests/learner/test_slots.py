"""Decisions over slots: who may have what, what is promised of every draw, and single steps."""

import itertools
import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.learner.arguments import ArgumentsError, parse
from shared.learner.checkpoint import dumps, loads
from shared.learner.features import FeatureError, shared_features
from shared.learner.layout import action_json, decision_json, slot_json, slots_json
from shared.learner.learner import Example, Learner, Outcome, SlotsExample
from shared.learner.slot_features import are_numbered, contexts, read_slots, split_slots
from shared.learner.slots import decide_slots
from tests.learner.logs import logged, text
from tests.learner.slot_logs import allowed, slot_decisions, slot_logged, slots_example

CONTEXT = {"FromUrl": b'[{"city":"42"}]'}
ACTIONS = [action_json(name, b'[{"topic":"%b"}]' % name.encode()) for name in ("a", "b", "c")]
EXAMPLES = [slots_example(event) for event in slot_logged(120, seed=3)]
POLICIES = {
    "epsilon-greedy": "--ccb_explore_adf --epsilon 0.2 -q ::",
    "softmax": "--ccb_explore_adf --softmax --lambda 5 --epsilon 0.2 -q sj",
    "squarecb": "--ccb_explore_adf --squarecb --epsilon 0.2 -q sj",
    "bag": "--ccb_explore_adf --bag 3 --epsilon 0.2 -q sj",
    "cover": "--ccb_explore_adf --cover 2 --epsilon 0.2 -q sj",
    "regcb": "--ccb_explore_adf --regcb --cb_min_cost -1 --epsilon 0.2 -q sj",
    "elim": "--ccb_explore_adf --squarecb --elim --cb_min_cost -1 --epsilon 0.2 -q sj",
    "rnd": "--ccb_explore_adf --rnd 3 --epsilon 0.2 -q sj -q ::",
}


@pytest.fixture(scope="module")
def policies():
    """A policy under each of the explorations, and none at all."""
    found = {"nothing learned": None}
    for name, arguments in POLICIES.items():
        learner = Learner(parse(arguments))
        learner.learn_many(EXAMPLES)
        assert learner.skipped == 0
        found[name] = learner.policy()
    return found


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(["nothing learned", *POLICIES]),
    seed=st.integers(0, 10**6),
    numbers=st.lists(st.floats(0, 1, exclude_max=True), min_size=5, max_size=5),
)
def test_every_slot_gets_what_it_may_have_and_no_action_is_used_twice(
    policies, name, seed, numbers
):
    (decision,) = slot_decisions(1, seed)
    shared, actions, slots = split_slots(text(decision))
    asked = (policies[name], shared, list(map(bytes, actions)), slots, numbers.__getitem__)

    found = decide_slots(*asked)

    assert decide_slots(*asked) == found
    taken = set()
    for slot, chosen in zip(decision["_slots"], found, strict=True):
        assert set(chosen.ranking) == set(allowed(slot, len(actions))) - taken
        assert len(chosen.ranking) == len(set(chosen.ranking)) == len(chosen.probabilities)
        assert sum(chosen.probabilities) == pytest.approx(1.0)
        assert min(chosen.probabilities) >= 0.2 / len(chosen.ranking) - 1e-12
        assert (chosen.chosen, chosen.propensity) == (chosen.ranking[0], chosen.probabilities[0])
        taken.add(chosen.chosen)
    assert len(taken) == len(found) == len(slots)


def test_actions_are_drawn_as_often_as_their_probabilities_say(policies):
    slots = [slot_json("top", b'[{"place":"top"}]'), slot_json("side", b"[]")]
    numbers = [(number + 0.5) / 1000 for number in range(1000)]

    drawn = [
        decide_slots(policies["softmax"], CONTEXT, ACTIONS, slots, lambda at, n=n: n if at else 0.0)
        for n in numbers
    ]

    second = drawn[0][1]
    assert len(second.ranking) == 2
    for action, probability in zip(second.ranking, second.probabilities, strict=True):
        often = sum(each[1].chosen == action for each in drawn)
        assert often == pytest.approx(1000 * probability, abs=1.5)


def test_the_best_stand_first_behind_the_one_that_was_drawn(policies):
    (best,) = decide_slots(policies["softmax"], CONTEXT, ACTIONS, [b"{}"], lambda at: 0.0)
    (worst,) = decide_slots(policies["softmax"], CONTEXT, ACTIONS, [b"{}"], lambda at: 0.9999)

    assert sorted(best.scores) == list(best.scores)
    assert worst.ranking == best.ranking[::-1]
    assert worst.scores == best.scores[::-1]


def test_a_slot_that_earlier_ones_left_nothing_for_has_no_action():
    slots = [slot_json(name, b"[]", [1]) for name in ("first", "second")]

    first, second = decide_slots(None, CONTEXT, ACTIONS, slots, lambda at: 0.5)

    assert (first.chosen, first.propensity) == (1, 1.0)
    assert (second.ranking, second.chosen, second.propensity) == ((), None, None)


def test_without_a_model_what_is_left_is_equally_likely():
    slots = [slot_json(str(index), b"[]") for index in range(3)]

    found = decide_slots(None, CONTEXT, ACTIONS, slots, lambda at: 0.4)

    assert [each.probabilities for each in found] == [(1 / 3,) * 3, (0.5,) * 2, (1.0,)]
    assert [each.chosen for each in found] == [1, 0, 2]


@pytest.mark.parametrize(
    "slots",
    [
        [],
        [b"{}"] * 4,
        [b"[]"],
        [b'{"sj":[{"_inc":[3]}]}'],
        [b'{"_inc":[-1]}'],
        [b'{"_inc":["a"]}'],
        [b'{"_inc":[true]}'],
        [b'{"sj":["text"]}'],
        [b"not JSON"],
        [b"\xff"],
    ],
)
def test_slots_that_cannot_be_are_refused(slots):
    with pytest.raises(FeatureError):
        decide_slots(None, CONTEXT, ACTIONS, slots, lambda at: 0.5)


@pytest.mark.parametrize("features", [b"[]", b" [ ] ", b'[{"place":"top"}]'])
def test_the_layout_of_a_slot_is_the_retired_services(features):
    given = json.loads(features)

    assert json.loads(slot_json("top", features)) == {"_id": "top", "sj": given}
    assert json.loads(slot_json("top", features, (0, 2))) == {
        "_id": "top",
        "sj": [*given, {"_inc": [0, 2]}],
    }


def test_the_layout_of_a_decision_over_slots_is_the_retired_services():
    laid_out = slots_json(b'[{"os":"linux"}]', ACTIONS[:1], [slot_json("top", b"[]")])

    assert json.loads(laid_out) == {
        "FromUrl": [{"os": "linux"}],
        "_multi": [{"_tag": "a", "i": {"constant": 1, "id": "a"}, "j": [{"topic": "a"}]}],
        "_slots": [{"_id": "top", "sj": []}],
    }


@pytest.mark.parametrize(
    "slot",
    [
        b'{"sj":[{"_inc":[0,2]}]}',
        b'{"_inc":[0,2],"sj":[]}',
        b'{"a":{"b":{"_inc":[0]},"_inc":2}}',
        rb'{"sj":[{"\u005finc":[0,2]}]}',
    ],
)
def test_exclusions_may_stand_anywhere_in_a_slot(slot):
    (found,) = decide_slots(None, CONTEXT, ACTIONS, [slot], lambda at: 0.0)

    assert set(found.ranking) == {0, 2}


def test_one_slot_without_features_is_no_slot_until_there_were_several():
    """Vowpal Wabbit's ``has_seen_multi_slot_example``."""
    learner = Learner(parse("--ccb_explore_adf -q Fj"))
    learner.learn_many(
        Example(text(e["c"]), e["_labelIndex"], e["_label_cost"], e["_label_probability"])
        for e in logged(50, 3)
    )
    before, alone = learner.policy(), Learner(parse("--cb_explore_adf -q Fj"))
    alone.learn_many(
        Example(text(e["c"]), e["_labelIndex"], e["_label_cost"], e["_label_probability"])
        for e in logged(50, 3)
    )
    (slot,) = decide_slots(before, CONTEXT, ACTIONS, [b"{}"], lambda at: 0.0)
    learner.learn_many(EXAMPLES[:20])
    (later,) = decide_slots(learner.policy(), CONTEXT, ACTIONS, [b"{}"], lambda at: 0.0)
    plain = learner.policy().decide(CONTEXT, ACTIONS)

    expected = alone.policy().decide(CONTEXT, ACTIONS)
    assert dict(zip(slot.ranking, slot.scores, strict=True)) == dict(enumerate(expected.scores))
    assert dict(zip(later.ranking, later.scores, strict=True)) != dict(enumerate(plain.scores))


# Learned by Vowpal Wabbit 9.11.9 from these two events under `--ccb_explore_adf -b 10` and the
# arguments given; the weights are those of its model file.
STEPS = [
    SlotsExample(
        b'{"F":{"x":0.5},"_multi":[{"a":{"id":"one"}},{"a":{"id":"two"}}],'
        b'"_slots":[{"s":{"p":2}},{"q":true}]}',
        (Outcome(1, -1.0, 0.5), Outcome(0, 0.25, 1.0)),
    ),
    SlotsExample(
        b'{"F":{"x":2},"_multi":[{"a":{"id":"two"}},{"a":{"id":"one"}}],"_slots":[{"s":{"p":1}}]}',
        (Outcome(0, -0.5, 0.25),),
    ),
]
KNOWN = {
    "": {
        1: -0.029191967, 127: -0.031850472, 204: 0.06277315, 225: 0.010990325, 319: -0.031850472,
        348: -0.0117510855, 362: 0.1255463, 449: -0.029191967, 488: 0.06277315, 722: -0.031850472,
        823: 0.06277315, 857: 0.06277315, 865: 0.06277315,
    },
    "--power_t 0 -l 0.1": {
        1: -0.0122690415, 127: -0.026417512, 204: 0.004961485, 225: -0.008803337,
        319: -0.026417512, 348: -0.021456027, 362: 0.00992297, 449: -0.0122690415,
        488: 0.004961485, 722: -0.026417512, 823: 0.004961485, 857: 0.004961485, 865: 0.004961485,
    },
    "--cb_type ips --noconstant -q Fs": {
        1: -0.03032027, 127: -0.118515186, 204: 0.06290874, 225: 0.012406185, 319: -0.118515186,
        327: 0.13399702, 362: 0.12581748, 449: -0.03032027, 488: 0.06290874, 722: -0.025830843,
        804: 0.00013466924, 823: 0.19383058, 857: 0.06290874, 865: 0.06290874,
        1010: 0.00013466924,
    },
}  # fmt: skip


@pytest.mark.parametrize("arguments", KNOWN)
def test_two_events_leave_known_weights(arguments):
    learner = Learner(parse(f"--ccb_explore_adf -b 10 {arguments}"))
    learner.learn_many(STEPS)

    weights = learner.regressor.weights
    used = np.flatnonzero(weights).tolist()
    assert used == list(KNOWN[arguments])
    assert weights[used] == pytest.approx(list(KNOWN[arguments].values()), rel=2e-6)
    assert (learner.learned, learner.choices) == (2, 3)


def test_each_slot_learns_what_is_good_in_it():
    """A click on every place is worth something for one action only, another one each time."""
    learner = Learner(parse("--ccb_explore_adf --squarecb --epsilon 0.05 -q sj"))
    rng = random.Random(5)
    places = ("top", "side", "foot")
    slots = [slot_json(place, b'[{"place":"%b"}]' % place.encode()) for place in places]
    rewards = []

    for _ in range(200):
        decided = decide_slots(learner.policy(), CONTEXT, ACTIONS, slots, lambda at: rng.random())
        earned = [float((2 * at + 1) % 3 == slot.chosen) for at, slot in enumerate(decided)]
        outcomes = zip(decided, earned, strict=True)
        learner.learn(
            SlotsExample(
                slots_json(CONTEXT["FromUrl"], ACTIONS, slots),
                tuple(Outcome(slot.chosen, -reward, slot.propensity) for slot, reward in outcomes),
            )
        )
        rewards.append(sum(earned) / 3)

    assert sum(rewards[-100:]) / 100 > 0.85  # at random it would be a third
    assert learner.skipped == 0


def test_cutting_and_storing_does_not_change_the_bytes():
    arguments = parse("--ccb_explore_adf --squarecb -q sj -b 12")
    whole, parts = Learner(arguments), Learner(arguments)
    whole.learn_many(EXAMPLES)
    for low, high in itertools.pairwise([0, 1, 2, 50, 119, 120]):
        parts.learn_many(EXAMPLES[low:high])
        parts = loads(dumps(parts))

    assert dumps(parts) == dumps(whole)
    assert parts.choices > parts.learned == 120


def test_how_many_slots_are_combined_at_once_does_not_matter(monkeypatch):
    arguments = parse("--ccb_explore_adf --cb_type dr -q sj -b 12")
    together, apart = Learner(arguments), Learner(arguments)
    together.learn_many(EXAMPLES[:30])
    monkeypatch.setattr("shared.learner.learner._TERMS_AT_ONCE", 1)
    apart.learn_many(EXAMPLES[:30])

    assert dumps(apart) == dumps(together)


GOOD = STEPS[0]


@pytest.mark.parametrize(
    "example",
    [
        SlotsExample(GOOD.context, (*GOOD.outcomes, None)),
        SlotsExample(GOOD.context, (None, None)),
        SlotsExample(GOOD.context, (GOOD.outcomes[0], GOOD.outcomes[0])),
        SlotsExample(GOOD.context, (Outcome(2, -1.0, 0.5), None)),
        SlotsExample(GOOD.context, (Outcome(-1, -1.0, 0.5), None)),
        SlotsExample(GOOD.context, (Outcome(0, float("nan"), 0.5), None)),
        SlotsExample(GOOD.context, (Outcome(0, -1.0, 0.0), None)),
        SlotsExample(GOOD.context, GOOD.outcomes, weight=0.0),
        SlotsExample(GOOD.context.replace(b'"p":2', b'"p":2,"_inc":[0]'), GOOD.outcomes),
        SlotsExample(decision_json(b"[]", ACTIONS), GOOD.outcomes),
        SlotsExample(b"not JSON", GOOD.outcomes),
    ],
)
def test_an_example_that_cannot_be_learned_is_left_out(example):
    learner = Learner(parse("--ccb_explore_adf -q Fs"))
    learner.learn_many([GOOD])
    before = dumps(learner)

    learner.learn_many([example])

    assert learner.skipped == 1
    learner.skipped = 0
    assert dumps(learner) == before


def test_a_slot_of_which_nothing_is_known_is_not_learned():
    learner = Learner(parse("--ccb_explore_adf -q Fs"))

    learner.learn_many([SlotsExample(GOOD.context, (None, GOOD.outcomes[1]))])
    learner.learn_many([SlotsExample(GOOD.context, GOOD.outcomes[:1])])

    assert (learner.learned, learner.choices, learner.skipped) == (2, 2, 0)


def test_an_action_whose_cost_is_not_known_is_taken_all_the_same():
    learner = Learner(parse("--ccb_explore_adf -q Fs"))

    learner.learn_many([SlotsExample(GOOD.context, (Outcome(1, None, 0.5), GOOD.outcomes[1]))])
    assert (learner.estimates[0].events, learner.estimates[0].actions) == (1, 1)

    learner.learn_many([SlotsExample(GOOD.context, (Outcome(0, None, 0.5), GOOD.outcomes[1]))])
    assert (learner.learned, learner.skipped) == (1, 1)


@pytest.mark.parametrize("name", POLICIES)
def test_actions_that_are_not_offered_count_for_nothing(policies, name):
    policy, compared = policies[name], 0
    for example in EXAMPLES[:20]:
        members, actions, texts = split_slots(example.context)
        slots = read_slots(texts, len(actions), zeros=True)
        shared = shared_features(members, zeros=True)
        texts = [bytes(action) for action in actions]
        for at, context in enumerate(contexts(shared, slots, numbered=True)):
            offered = slots[at].offered(len(actions), {0})
            if not offered:
                continue
            among_all = policy.decide_within(context, texts, offered)
            alone = policy.decide_within(context, [texts[action] for action in offered])
            assert among_all.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
            compared += 1
    assert compared > 20


@pytest.mark.parametrize("beside", ["--large_action_space", "--leave_duplicate_interactions"])
def test_what_was_not_seen_to_equal_vowpal_wabbit_over_slots_is_refused(beside):
    with pytest.raises(ArgumentsError) as refused:
        parse(f"--ccb_explore_adf {beside}")

    assert refused.value.argument == beside


@pytest.mark.parametrize("exploration", ["--regcb --cb_min_cost -1", "--rnd 1"])
def test_where_scores_have_no_more_terms_than_they_may_evidence_is_fine(exploration):
    wide = json.dumps([{f"f{n}": n + 1 for n in range(200)}]).encode()
    actions = [action_json(name, wide) for name in ("a", "b")]
    shared = json.dumps([{f"c{n}": n + 1 for n in range(100)}]).encode()
    slots = [slot_json(name, b"[]") for name in ("top", "side")]
    outcomes = (Outcome(0, -1.0, 0.5), Outcome(1, 0.0, 1.0))
    learner = Learner(parse(f"--ccb_explore_adf {exploration} -q Fj"))

    learner.learn(SlotsExample(slots_json(shared, actions, slots), outcomes))

    assert (learner.learned, learner.skipped) == (1, 0)
    decide_slots(learner.policy(), {"FromUrl": shared}, actions, slots, lambda at: 0.5)


def test_slots_are_learned_under_their_own_argument_only():
    learner = Learner(parse("--cb_explore_adf"))

    learner.learn_many(STEPS)

    assert (learner.learned, learner.skipped) == (0, 2)


@pytest.mark.parametrize("arguments", ["-q Fj", "-q FF -q :: --bag 2"])
def test_an_example_over_slots_gets_a_decision_for_each_slot_that_is_learned(arguments):
    learner, other = (Learner(parse(f"--ccb_explore_adf {arguments}")) for _ in range(2))
    compared = 0

    for example in EXAMPLES:
        first, *_ = learner.decide_and_learn([example])
        if example.outcomes[0] and example.outcomes[0].cost is not None:
            expected = first_slot(other.policy(), example.context)
            assert first.scores == pytest.approx(expected.scores, abs=1e-5)
            compared += 1
        other.learn(example)

    assert compared > len(EXAMPLES) / 2
    assert dumps(learner) == dumps(other)


def first_slot(policy, decision):
    """Return a policy's decision for the first slot."""
    members, actions, texts = split_slots(decision)
    slots = read_slots(texts, len(actions))
    numbered = policy.knows_slots or are_numbered(slots, policy.settings)
    context, *_ = contexts(shared_features(members), slots, numbered)
    offered = slots[0].offered(len(actions), set())
    return policy.decide_within(context, [bytes(actions[action]) for action in offered])


def test_decisions_of_many_examples_over_slots_are_as_many_as_their_slots():
    learner = Learner(parse("--ccb_explore_adf -q Fj"))

    decisions = list(learner.decide_and_learn(EXAMPLES))

    assert len(decisions) == learner.choices > len(EXAMPLES)


def test_an_example_whose_first_slot_cannot_be_learned_does_not_disturb_those_after_it():
    bad = SlotsExample(EXAMPLES[0].context, tuple(
        None if outcome is None else Outcome(outcome.chosen, 1e38, outcome.probability)
        for outcome in EXAMPLES[0].outcomes
    ))  # fmt: skip
    learner, other = (Learner(parse("--ccb_explore_adf -q Fj")) for _ in range(2))

    learner.learn_many([*EXAMPLES[:20], bad, *EXAMPLES[20:40]])
    other.learn_many(EXAMPLES[:40])

    assert learner.skipped == 1
    learner.skipped = 0
    assert dumps(learner) == dumps(other)
