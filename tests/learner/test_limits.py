"""What a hostile policy or request may cost is bounded, and answered as documented."""

import json

import pytest

from shared.endpoint import refusal
from shared.learner.arguments import (
    ArgumentsError,
    InvalidArgument,
    UnsupportedArgument,
    explicit_epsilon,
    parse,
    with_epsilon,
)
from shared.learner.checkpoint import CheckpointError, dumps, loads
from shared.learner.features import FeatureError
from shared.learner.interactions import MAX_TERMS
from shared.learner.layout import action_json, decision_json
from shared.learner.learner import Example, Learner

WIDE = json.dumps([{f"f{i}": i + 1 for i in range(60)}]).encode()


def test_features_that_explode_are_refused_before_they_are_computed():
    learner = Learner(parse("--cb_explore_adf --interactions ::::"))
    decision = decision_json(WIDE, [action_json("a", b"[]")])

    with pytest.raises(FeatureError, match=f"{MAX_TERMS:,}") as refused:
        learner.policy().decide_json(decision)
    learner.learn(Example(decision, 0, -1.0, 1.0))

    assert (learner.learned, learner.skipped) == (0, 1)
    answer = refusal(refused.value)
    assert answer.status_code == 400
    assert json.loads(answer.get_body())["error"]["code"] == "InvalidRankRequest"


def test_what_an_exploration_asks_has_limits_where_marginal_costs_hide_most_features():
    wide = json.dumps([{f"f{n}": n + 1 for n in range(400)}]).encode()
    decision = decision_json(b"[]", [action_json("a", wide), action_json("b", wide)])
    learner = Learner(parse("--cb_explore_adf --marginal j --rnd 1 -q jj"))

    learner.learn(Example(decision, 1, -1.0, 0.5))

    assert (learner.learned, learner.skipped) == (0, 1)
    with pytest.raises(FeatureError, match=f"{MAX_TERMS:,}"):
        learner.policy().decide_json(decision)


def test_numbers_that_overflow_never_reach_the_weights():
    learner = Learner(parse("--cb_explore_adf -q ::"))
    good = decision_json(b'[{"x":1}]', [action_json("a", b'[{"y":2}]')])
    huge = decision_json(b'[{"x":1e38}]', [action_json("a", b'[{"y":1e38}]')])
    learner.learn(Example(good, 0, -1.0, 0.5))
    before = dumps(learner)

    learner.learn(Example(huge, 0, -1.0, 0.5))

    assert (learner.learned, learner.skipped) == (1, 1)
    learner.skipped = 0
    assert dumps(learner) == before
    assert all(cost == cost for cost in learner.policy().decide_json(huge).scores)


@pytest.mark.parametrize(
    "arguments",
    ["--squarecb --elim", "--regcb", "--regcb --regcbopt", "--rnd 3", "--marginal i",
     "--large_action_space --max_actions 2", "--cover 2 --nounif"],
)  # fmt: skip
def test_numbers_that_overflow_give_probabilities_all_the_same(arguments):
    learner = Learner(parse(f"--cb_explore_adf {arguments} -q Fj"))
    sizes = ["1e38", "1e60", "-1e38", "1", "1e-45"]
    actions = [action_json(f"a{size}", b'[{"y":%b}]' % size.encode()) for size in sizes]
    decision = decision_json(b'[{"x":1e38}]', actions)
    for chosen in range(5):
        learner.learn(Example(decision, chosen, -1.0, 0.5))

    found = learner.policy().decide_json(decision).probabilities

    assert sum(found) == pytest.approx(1.0)
    assert min(found) >= 0.0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ("--cb_explore_adf --cb_type sm", "--cb_type"),
        ("--ccb_explore_adf --all_slots_loss", "--all_slots_loss"),
        ("--ccb_explore_adf --no_predict", "--no_predict"),
        ("--ccb_explore_adf --leave_duplicate_interactions", "--leave_duplicate_interactions"),
        ("--slates", "--slates"),
        ("--cb_explore_adf -f model", "-f"),
        ("--cb_explore_adf --data x", "--data"),
        ("--cb_explore_adf --no_such_thing", "--no_such_thing"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(arguments, name):
    with pytest.raises(UnsupportedArgument) as refused:
        parse(arguments)

    assert refused.value.argument == name
    assert name in str(refused.value)


@pytest.mark.parametrize(
    "arguments",
    ["", "-q ::", "--cb_explore_adf -b 30", "--cb_explore_adf -b x", "--cb_explore_adf -l nan",
     "--cb_explore_adf --epsilon 1.5", "--cb_explore_adf --epsilon", "--cb_explore_adf stray",
     "--cb_explore_adf -q abc", "--cb_explore_adf -q é", '--cb_explore_adf "', "x" * 2000,
     "--cb_explore_adf --epsilon 0.1 --epsilon 0.2", "--cb_explore_adf=1",
     "--cb_explore_adf --softmax --squarecb", "--cb_explore_adf --lambda 3",
     "--cb_explore_adf --bag 2.5", "--cb_explore_adf --bag 0", "--cb_explore_adf --bag 1000",
     "--cb_explore_adf --squarecb --cb_type dr", "--cb_explore_adf --greedify",
     "--cb_explore_adf --synthcover --synthcoversize 0", "--cb_explore_adf --first -1",
     "--cb_explore_adf --softmax --first_only", "--cb_explore_adf --squarecb --nounif",
     "--cb_explore_adf --softmax --mellowness 0.1", "--cb_explore_adf --elim",
     "--cb_explore_adf --regcb --cb_type ips", "--cb_explore_adf --regcb --squarecb",
     "--cb_explore_adf --regcb --cb_min_cost 1"],
)  # fmt: skip
def test_unusable_arguments_are_invalid(arguments):
    with pytest.raises(InvalidArgument):
        parse(arguments)


def test_all_spellings_of_an_argument_mean_the_same():
    plain = parse("--cb_explore_adf -q :: -b 10 -l 0.25")
    glued = parse(
        "--cb_explore_adf --quadratic=:: -b10 --learning_rate=0.25 --dsjson --quiet --id x"
    )

    assert (plain.interactions, plain.bits, plain.learning_rate) == (
        glued.interactions,
        glued.bits,
        glued.learning_rate,
    )


def test_epsilon_is_rewritten_and_the_rest_left_alone():
    assert with_epsilon("--cb_explore_adf  --epsilon=0.2 -q ::", 0.5) == (
        "--cb_explore_adf  --epsilon 0.5 -q ::"
    )
    assert explicit_epsilon(with_epsilon("--cb_explore_adf", 0.125)) == 0.125
    assert explicit_epsilon("--cb_explore_adf") is None


def test_damaged_checkpoints_are_refused():
    learner = Learner(parse("--cb_explore_adf -q :: -b 8"))
    decision = decision_json(b'[{"x":1}]', [action_json("a", b'[{"y":2}]')])
    learner.learn(Example(decision, 0, -1.0, 0.5))
    whole = dumps(learner)

    assert dumps(loads(whole)) == whole
    for length in range(len(whole)):
        with pytest.raises(CheckpointError):
            loads(whole[:length])
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0x40
        with pytest.raises((CheckpointError, ArgumentsError)):
            loads(bytes(damaged))
