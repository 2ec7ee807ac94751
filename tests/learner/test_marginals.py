"""Ids are replaced by the mean of the costs that were seen with them."""

import numpy as np
import pytest

from shared.learner.arguments import InvalidArgument, UnsupportedArgument, parse
from shared.learner.checkpoint import CheckpointError, dumps, loads
from shared.learner.features import features_of_actions
from shared.learner.hashing import CONSTANT_HASH
from shared.learner.layout import action_json, decision_json
from shared.learner.learner import Example, Learner
from shared.learner.marginals import Marginals, paired
from tests.learner.logs import logged, text

CONTEXT = b'[{"x":1}]'


def decision(*names):
    return decision_json(CONTEXT, [action_json(name, b"[{}]") for name in names])


def learned(arguments, *examples):
    learner = Learner(parse(arguments))
    for name, cost in examples:
        learner.learn(Example(decision(name), 0, cost, 1.0))
    return learner


def test_the_second_of_a_pair_is_an_id_and_the_first_its_place():
    (features,) = features_of_actions([action_json("espresso", b'[{"hot":true}]')])
    (other,) = features_of_actions([action_json("lemonade", b'[{"hot":true}]')])

    found, different = paired(features, b"i"), paired(other, b"i")

    assert found.features.shape == ((ord("i"), 1), (ord("j"), 1))
    assert list(found.columns) == [0]
    assert list(found.features.hashes) == list(different.features.hashes)
    assert list(found.ids) != list(different.ids)


def test_what_is_not_a_pair_of_ones_is_left_out():
    (features,) = features_of_actions([b'{"k":{"a":"x","b":2,"c":true,"d":"y","e":true}}'])

    found = paired(features, b"k")

    assert list(found.features.hashes) == [features.hashes[2], CONSTANT_HASH]
    assert list(found.ids) == [features.hashes[3]]


def test_a_mean_begins_at_its_start_and_moves_by_weight():
    settings = parse("--cb_explore_adf --marginal i --initial_numerator 2 --initial_denominator 4")
    marginals = Marginals(settings)
    slots = np.array([8, 16])

    marginals.update(slots[:1], slots[:0], 0, label=-1.0, weight=6.0)

    assert marginals.means(slots, 0).tolist() == pytest.approx([(2 - 6) / (4 + 6), 0.5])
    assert marginals.means(slots, 1).tolist() == [0.5, 0.5]  # another member's


def test_what_is_known_of_an_id_fades():
    marginals = Marginals(parse("--cb_explore_adf --marginal i --decay 0.5 --unweighted_marginals"))
    slots = np.array([8])

    for label in (-1.0, 1.0):
        marginals.update(slots, slots[:0], 0, label, weight=100.0)

    assert marginals.means(slots, 0).tolist() == pytest.approx(
        [(((0.5 * 0.5) - 1) * 0.5 + 1) / ((0.5 + 1) * 0.5 + 1)]
    )


def test_an_id_seen_once_is_told_from_one_never_seen():
    learner = learned("--cb_explore_adf --marginal i", ("a", -1.0), ("b", 0.25), ("a", -1.0))

    a, b, new, newer = learner.policy().decide_json(decision("a", "b", "new", "newer")).scores

    assert a < b
    assert new == newer
    assert new not in (a, b)


def test_a_policy_does_not_change_with_later_learning():
    learner = learned("--cb_explore_adf --marginal i", ("a", -1.0))
    policy = learner.policy()
    before = policy.decide_json(decision("a", "b"))

    learner.learn(Example(decision("b"), 0, -1.0, 1.0))

    assert policy.decide_json(decision("a", "b")) == before
    assert learner.policy().decide_json(decision("a", "b")) != before


def test_a_checkpoint_holds_what_is_known_of_ids():
    learner = Learner(parse("--cb_explore_adf --marginal ij --bag 2 -q Fi -b 12"))
    examples = [
        Example(text(e["c"]), e["_labelIndex"], e["_label_cost"], e["_label_probability"])
        for e in logged(120, seed=3)
    ]
    learner.learn_many(examples[:60])
    again = loads(dumps(learner))

    assert again.marginals.sums == learner.marginals.sums
    for each in (learner, again):
        each.learn_many(examples[60:])
    assert dumps(again) == dumps(learner)
    whole = Learner(learner.settings)
    whole.learn_many(examples)
    assert dumps(whole) == dumps(learner)


def test_a_checkpoint_whose_ids_cannot_be_is_refused():
    learner = learned("--cb_explore_adf --marginal i -b 10", ("a", -1.0))
    learner.marginals.sums[3] = (1.0, float("nan"))

    with pytest.raises(CheckpointError, match="mean cost"):
        loads(dumps(learner))


def test_costs_too_large_to_count_change_nothing():
    learner = learned("--cb_explore_adf --marginal i", ("a", -1.0))
    before = dumps(learner)

    learner.learn(Example(decision("a"), 0, -1e30, 1.0, weight=1e30))

    assert learner.skipped == 1
    learner.skipped = 0
    assert dumps(learner) == before


@pytest.mark.parametrize(
    "arguments",
    ["--marginal :", "--decay 0.1", "--unweighted_marginals", "--marginal i --decay 1",
     "--marginal i --initial_denominator 0", "--marginal i --marginal j"],
)  # fmt: skip
def test_arguments_without_a_meaning_are_invalid(arguments):
    with pytest.raises(InvalidArgument):
        parse(f"--cb_explore_adf {arguments}")


@pytest.mark.parametrize("argument", ["--compete", "--update_before_learn"])
def test_what_is_not_supported_of_marginals_is_refused(argument):
    with pytest.raises(UnsupportedArgument, match=r"--marginal$") as refused:
        parse(f"--cb_explore_adf --marginal i {argument}")

    assert refused.value.argument == argument
