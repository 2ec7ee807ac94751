"""The learner: what it skips, what it promises about its bytes, and single steps."""

import itertools
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.learner.arguments import parse
from shared.learner.checkpoint import MAGIC, CheckpointError, dumps, loads
from shared.learner.layout import action_json, decision_json
from shared.learner.learner import Example, Learner
from shared.learner.policy import uniform
from tests.learner.logs import logged, text

ARGUMENTS = ["-q :: -b 10", "--power_t 0 -l 0.01 -q ::", "--sgd -l 0.05", "--cubic FFj -b 8"]
EXAMPLES = [
    Example(text(e["c"]), e["_labelIndex"], e["_label_cost"], e["_label_probability"])
    for e in logged(300, seed=3)
]
GOOD = EXAMPLES[0]


def learner_of(arguments="-q ::"):
    return Learner(parse(f"--cb_explore_adf {arguments}"))


@pytest.fixture(scope="module")
def whole():
    """The checkpoint after all examples at once, by arguments."""
    found = {}
    for arguments in ARGUMENTS:
        learner = learner_of(arguments)
        learner.learn_many(EXAMPLES)
        found[arguments] = dumps(learner)
    return found


@settings(max_examples=12, deadline=None)
@given(
    arguments=st.sampled_from(ARGUMENTS),
    cuts=st.lists(st.integers(0, 300), max_size=5).map(sorted),
    stored=st.booleans(),
)
def test_the_bytes_do_not_depend_on_how_the_log_was_cut(whole, arguments, cuts, stored):
    learner = learner_of(arguments)
    for low, high in itertools.pairwise([0, *cuts, 300]):
        learner.learn_many(EXAMPLES[low:high])
        if stored:
            learner = loads(dumps(learner))

    assert dumps(learner) == whole[arguments]


def test_one_example_at_a_time_gives_the_same_bytes(whole):
    learner = learner_of(ARGUMENTS[0])
    for example in EXAMPLES:
        learner.learn(example)

    assert dumps(learner) == whole[ARGUMENTS[0]]


STEADY = ["-q ::", "--power_t 0 -l 0.01 -q ::", "--normalized --power_t 0.5 -q Fj"]


@pytest.mark.parametrize("arguments", [*STEADY, "--cb_type ips -q Fj", "--min_prediction -0.5"])
def test_updates_foreseen_give_the_same_bytes_as_one_by_one(arguments):
    foreseeing, plain = learner_of(arguments), learner_of(arguments)
    plain.regressor._can_be_steady = False
    foreseen, steadily = [], foreseeing.regressor._learn_steadily
    foreseeing.regressor._learn_steadily = lambda *row: foreseen.append(row) or steadily(*row)

    foreseeing.learn_many(EXAMPLES * 3)
    plain.learn_many(EXAMPLES * 3)

    assert len(foreseen) > 100
    assert dumps(foreseeing) == dumps(plain)


@pytest.mark.parametrize(
    "arguments",
    [
        *ARGUMENTS,
        "--bag 2 -q Fj -b 12",
        "--squarecb -q Fj",
        "--cover 2 -q Fj",
        "--first 20 -q Fj",
        "--cb_type dr -q Fj",
        "--l1 1e-4 --l2 1e-4 -q Fj",
        "--cubic FFF -q FF -b 12",
    ],
)
def test_the_decision_before_an_example_is_learned_is_that_of_the_policy(arguments):
    learner, other = learner_of(arguments), learner_of(arguments)

    for decision, example in zip(learner.decide_and_learn(EXAMPLES), EXAMPLES, strict=True):
        expected = other.policy().decide_json(example.context)
        other.learn(example)
        assert decision.scores == pytest.approx(expected.scores, abs=1e-6)
        assert decision.probabilities == pytest.approx(expected.probabilities, abs=1e-5)

    assert dumps(learner) == dumps(other)


def test_decisions_on_the_way_copy_no_weights(monkeypatch):
    """A policy is a copy of all weights: one for each example would be most of the work."""
    monkeypatch.delattr(Learner, "policy")

    assert len(list(learner_of().decide_and_learn(EXAMPLES))) == len(EXAMPLES)


def test_an_example_that_cannot_be_read_gets_no_decision():
    learner = learner_of()
    unreadable = Example(b"not JSON", 0, -1.0, 0.5)

    decisions = list(learner.decide_and_learn([unreadable, GOOD, unreadable]))

    assert len(decisions) == 1
    assert (learner.learned, learner.skipped) == (1, 2)


def test_an_example_with_an_action_that_cannot_be_read_is_learned_without_a_decision():
    """``mtr`` learns the chosen action only, and never looks at the other one."""
    other = action_json("b", b'[{"x":["not","numbers"]}]')
    one_bad = Example(decision_json(b"[]", [action_json("a", b"[]"), other]), 0, -1.0, 0.5)
    learner, plain = learner_of(), learner_of()

    decisions = list(learner.decide_and_learn([GOOD, one_bad, GOOD]))
    plain.learn_many([GOOD, one_bad, GOOD])

    assert len(decisions) == 2
    assert (learner.learned, learner.skipped) == (3, 0)
    assert dumps(learner) == dumps(plain)


def test_what_the_caller_fails_to_yield_is_as_if_it_had_not_been_asked_for():
    def failing():
        yield GOOD
        yield Example(b"not JSON", 0, -1.0, 0.5)
        raise OSError("unreadable")

    learner = learner_of()

    with pytest.raises(OSError, match="unreadable"):
        learner.learn_many(failing())

    assert dumps(learner) == dumps(learner_of())


def test_what_overflows_while_decisions_are_prepared_warns_nobody():
    context = b'[{"x":1e38,"y":1e38}]'
    huge = Example(decision_json(context, [action_json("a", b"[]")]), 0, -1.0, 0.5)

    decisions = list(learner_of().decide_and_learn([GOOD, huge, GOOD]))  # a warning would raise

    assert len(decisions) == 3
    assert all(math.isfinite(score) for each in decisions for score in each.scores)


def test_a_late_clock_survives_a_checkpoint():
    learner = learner_of("--initial_t 5 -q ::")
    learner.learn_many(EXAMPLES[:50])
    stored = loads(dumps(learner))
    learner.learn_many(EXAMPLES[50:])
    stored.learn_many(EXAMPLES[50:])

    assert dumps(stored) == dumps(learner)
    assert len(dumps(learner)) < 1 << 20


HUGE = decision_json(b'[{"x":1e38}]', [action_json("a", b'[{"y":1e38}]')])
TEXTS = decision_json(b'[{"x":["not","numbers"]}]', [action_json("a", b"[]")])


@pytest.mark.parametrize("arguments", ["-q ::", "--power_t 0 -q ::", "--sgd -q ::", "--adaptive"])
@pytest.mark.parametrize(
    "bad",
    [
        Example(GOOD.context, GOOD.chosen, float("nan"), 0.5),
        Example(GOOD.context, GOOD.chosen, float("inf"), 0.5),
        Example(GOOD.context, GOOD.chosen, 1e38, 0.5),
        Example(GOOD.context, GOOD.chosen, -1.0, 0.0),
        Example(GOOD.context, GOOD.chosen, -1.0, float("nan")),
        Example(GOOD.context, GOOD.chosen, -1.0, -0.5),
        Example(GOOD.context, -1, -1.0, 0.5),
        Example(GOOD.context, 99, -1.0, 0.5),
        Example(b"not JSON", 0, -1.0, 0.5),
        Example(b"\xff", 0, -1.0, 0.5),
        Example(TEXTS, 0, -1.0, 0.5),
        Example(HUGE.replace(b"1e38", b"1e39"), 0, -1.0, 0.5),
    ],
    ids=repr,
)
def test_what_cannot_be_learned_is_counted_and_changes_nothing(arguments, bad):
    learner = learner_of(arguments)
    learner.learn_many(EXAMPLES[:20])
    before = dumps(learner)

    learner.learn(bad)

    assert (learner.learned, learner.skipped) == (20, 1)
    learner.skipped = 0
    assert dumps(learner) == before


def test_tiny_features_beside_huge_scales_are_skipped_or_learned_as_one_by_one():
    context = decision_json(b'[{"x":%b}]', [action_json("a", b'[{"y":%b}]')])
    examples = [Example(context % (number, number), 0, -1.0, 0.5) for number in (b"1e15", b"1e-30")]
    foreseeing, plain = learner_of("--noconstant"), learner_of("--noconstant")
    plain.regressor._can_be_steady = False

    for learner in (foreseeing, plain):
        learner.learn_many(examples * 5)

    assert dumps(foreseeing) == dumps(plain)


def test_a_score_that_is_not_a_number_counts_as_zero():
    learner = learner_of()
    learner.learn_many(EXAMPLES)

    decision = learner.policy().decide_json(HUGE.replace(b"1e38", b"1e39"))

    assert decision.scores == (0.0,)


def test_an_example_without_any_feature_is_learned_and_moves_nothing():
    learner = learner_of("--noconstant")

    learner.learn(Example(b'{"_multi":[{},{}]}', 0, -1.0, 0.5))

    assert learner.learned == 1
    assert not learner.regressor.weights.any()


def test_later_learning_does_not_change_a_policy():
    learner = learner_of()
    learner.learn_many(EXAMPLES[:100])
    policy = learner.policy()
    before = policy.decide_json(GOOD.context)
    learner.learn_many(EXAMPLES[100:])

    assert policy.decide_json(GOOD.context) == before
    assert learner.policy().decide_json(GOOD.context).scores != before.scores


@pytest.mark.parametrize("arguments", ["-q ::", "--cubic FUj -q jj", "--ignore_linear F", ""])
def test_a_warm_policy_decides_as_a_cold_one(arguments):
    learner = learner_of(arguments)
    learner.learn_many(EXAMPLES)
    warm = learner.policy()
    for example in EXAMPLES:
        warm.decide_json(example.context)

    for example in EXAMPLES[::10]:
        cold = learner.policy().decide_json(example.context)
        again = warm.decide_json(example.context)
        assert again.scores == pytest.approx(cold.scores, abs=1e-6)
        assert again.probabilities == pytest.approx(cold.probabilities)


def test_the_same_action_twice_gets_the_same_score():
    learner = learner_of()
    learner.learn_many(EXAMPLES)
    action = action_json("item 3", b'[{"topic":"sport"}]')

    scores = learner.policy().decide({"FromUrl": b'[{"city":"42"}]'}, [action, action]).scores

    assert scores[0] == scores[1]


def test_without_a_model_all_actions_are_equally_likely():
    assert uniform(4).probabilities == (0.25,) * 4
    assert uniform(4).order == (0, 1, 2, 3)


# Learned by Vowpal Wabbit 9.11.9 from these two events under `--cb_explore_adf` and the arguments
# given; the scores are those of the first event's actions afterwards (cb_adf, --rank_all).
STEPS = [
    Example(
        b'{"F":{"x":0.5,"on":true},"_multi":[{"a":{"id":"one","y":2}},{"a":{"id":"two"}}]}',
        0,
        -1.0,
        0.5,
    ),
    Example(b'{"F":{"x":2},"_multi":[{"a":{"id":"two","y":1}},{"b":{"z":3}}]}', 1, 0.25, 0.8),
]
KNOWN = {
    "": (-0.448783, -0.179552),
    "-q Fa": (-0.629118, -0.111205),
    "--power_t 0 -l 0.001 -q ::": (-0.001705, -0.000506),
    "--sgd -l 0.1": (-0.943085, -0.235979),
    "--noconstant --clip_p 0.6 -q ::": (-0.690081, -0.163748),
    "--normalized --invariant -l 0.1": (-0.135211, -0.062703),
    "--power_t 0.3 --initial_t 2 --cubic FFa": (-0.736371, -0.097682),
}


@pytest.mark.parametrize("arguments", KNOWN)
def test_two_events_leave_known_scores(arguments):
    learner = learner_of(arguments)
    learner.learn_many(STEPS)

    scores = learner.policy().decide_json(STEPS[0].context).scores

    assert scores == pytest.approx(KNOWN[arguments], abs=2e-6)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_checkpoint_is_refused(whole, data):
    good = whole[ARGUMENTS[3]]
    position = data.draw(st.integers(0, len(good) - 1))
    flipped = data.draw(st.integers(1, 255))
    damaged = bytearray(good)
    damaged[position] ^= flipped

    with pytest.raises(CheckpointError):
        loads(bytes(damaged))
    with pytest.raises(CheckpointError):
        loads(good[:position])
    with pytest.raises(CheckpointError):
        loads(good + good[: position + 1])


def test_a_cover_without_a_floor_learns():
    arguments = "--cb_explore_adf --cover 3 --epsilon 0 -q Fj"
    learner = Learner(parse(arguments))

    learner.learn_many(
        Example(text(e["c"]), e["_labelIndex"], e["_label_cost"], e["_label_probability"])
        for e in logged(30, 7)
    )

    assert (learner.learned, learner.skipped) == (30, 0)
    assert np.isfinite(learner.regressor.weights).all()


def sealed(header, count=0, body=b""):
    """A checkpoint whose checksum is right, whatever it says."""
    import hashlib

    data = MAGIC + struct.pack("<I", len(header)) + header + struct.pack("<I", count) + body
    return data + hashlib.sha256(data).digest()


HEADER = (
    b'{"arguments":"--cb_explore_adf","learned":0,"skipped":0,"events":[0],"actions":[0],'
    b'"norms":[0.0],"total_weights":[0.0],"time":0.0,"lowest":0.0,"highest":0.0}'
)


@pytest.mark.parametrize(
    ("header", "count", "body"),
    [
        (HEADER, 1 << 31, b""),
        (HEADER, 1, struct.pack("<Ifff", 1 << 18, 1, 1, 1)),
        (HEADER, 2, struct.pack("<IIffffff", 5, 5, 1, 1, 1, 1, 1, 1)),
        (HEADER, 1, struct.pack("<Ifff", 5, float("nan"), 1, 1)),
        (HEADER, 1, struct.pack("<Ifff", 5, 1, -1, 1)),
        (HEADER.replace(b'"learned":0', b'"learned":-1'), 0, b""),
        (HEADER.replace(b'"norms":[0.0', b'"norms":[1e999'), 0, b""),
        (HEADER.replace(b'"norms":[0.0', b'"norms":[null'), 0, b""),
        (HEADER.replace(b"adf", b"adf -b 32"), 0, b""),
        (HEADER.replace(b"adf", b"adf --rnd 3"), 0, b""),
        (HEADER.replace(b"adf", b"adf --bag 3"), 0, b""),
        (HEADER.replace(b"}", b',"sampling":"12345678901234567"}'), 0, b""),
        (HEADER.replace(b"}", b',"contraction":0.0}'), 0, b""),
        (b"{}", 0, b""),
        (b"\xff", 0, b""),
        (HEADER * 500, 0, b""),
    ],
)
def test_a_hostile_checkpoint_with_a_right_checksum_is_refused(header, count, body):
    assert loads(sealed(HEADER)).learned == 0  # the form itself is right

    with pytest.raises(CheckpointError):
        loads(sealed(header, count, body))
