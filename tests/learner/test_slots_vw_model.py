"""Model files for decisions over slots go both ways between Vowpal Wabbit 9.11.9 and us."""

import pytest

from shared.learner.arguments import parse
from shared.learner.checkpoint import dumps as checkpoint
from shared.learner.learner import Learner
from shared.learner.vw_model import ModelFileError, dumps, loads
from tests.learner.slot_logs import slot_logged, slots_example
from tests.learner.slot_oracle import (
    slots_that_differ,
    slots_that_differ_while_learning,
    vw_decisions,
    vw_decisions_while_learning,
    vw_model,
)

ARGUMENTS = {
    "default policy": "--ccb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::",
    "softmax": "--ccb_explore_adf --softmax --lambda 20 -q sj",
    "squarecb": "--ccb_explore_adf --squarecb --gamma_scale 5 --epsilon 0.1 -q sj -b 20",
    "first": "--ccb_explore_adf --first 200 --epsilon 0.1 -q sj",
    "first, over, inverse propensity scores": "--ccb_explore_adf --first 20 --cb_type ips -q sj",
    "bag": "--ccb_explore_adf --bag 3 --epsilon 0.1 --power_t 0 -l 0.1 -q sj",
    "cover": "--ccb_explore_adf --cover 2 -q sj",
    "synthetic cover": "--ccb_explore_adf --synthcover --epsilon 0.1 -q sj",
    "doubly robust": "--ccb_explore_adf --softmax --lambda 5 --cb_type dr -q Fs",
}
LOOKING_AT_FEATURES = {
    "plausible costs": "--ccb_explore_adf --regcb --cb_min_cost -1 --mellowness 0.01 -q sj",
    "elimination": "--ccb_explore_adf --squarecb --elim --cb_min_cost -1 --gamma_scale 1 -q sj",
    "random networks": "--ccb_explore_adf --rnd 3 -q sj --ignore t --ignore r",
}
"""Explorations that need what learning remembers, or what VW's test mode lays out otherwise."""

TOLERANCE = 2e-5
each_policy = pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS.keys())
looking = pytest.mark.parametrize(
    "arguments", LOOKING_AT_FEATURES.values(), ids=LOOKING_AT_FEATURES.keys()
)
resumable = pytest.mark.parametrize("resumable", [True, False], ids=["resumable", "to predict"])


def examples(count, seed):
    return map(slots_example, slot_logged(count, seed))


def learned(arguments):
    learner = Learner(parse(arguments))
    learner.learn_many(examples(200, 7))
    assert learner.skipped == 0
    return learner


def assert_same_decisions(learner, expected):
    """Compare slot by slot; a near-tie of votes or costs may fall to either side."""
    different, count = slots_that_differ(learner, expected, TOLERANCE)
    assert count > 100
    assert different <= 2


@each_policy
@resumable
def test_a_file_of_vowpal_wabbit_decides_the_same_here(tmp_path, arguments, resumable):
    model = vw_model(tmp_path, arguments + ("" if resumable else " --predict_only_model"))

    assert_same_decisions(loads(model), vw_decisions(tmp_path, model, 60))


@each_policy
@resumable
def test_a_file_of_ours_decides_the_same_in_vowpal_wabbit(tmp_path, arguments, resumable):
    learner = learned(arguments)

    found = vw_decisions(tmp_path, dumps(learner, resumable=resumable), 60)

    assert_same_decisions(learner, found)


@each_policy
def test_learning_goes_on_from_a_file_as_in_vowpal_wabbit(tmp_path, arguments):
    first = vw_model(tmp_path, arguments)
    (tmp_path / "first").write_bytes(first)
    second = vw_model(tmp_path, f"-i {tmp_path / 'first'}", 100, 9, "second")

    learner = loads(first)
    learner.learn_many(examples(100, 9))

    assert_same_decisions(learner, vw_decisions(tmp_path, second, 60))


@each_policy
def test_vowpal_wabbit_goes_on_learning_from_a_file_of_ours(tmp_path, arguments):
    first = dumps(learned(arguments))
    (tmp_path / "first").write_bytes(first)
    second = vw_model(tmp_path, f"-i {tmp_path / 'first'}", 100, 9, "second")

    learner = loads(first)
    learner.learn_many(examples(100, 9))

    assert_same_decisions(learner, vw_decisions(tmp_path, second, 60))


@looking
@pytest.mark.parametrize("whose", ["Vowpal Wabbit's", "ours"])
def test_learning_goes_on_where_a_decision_needs_more_than_weights(tmp_path, arguments, whose):
    file = vw_model(tmp_path, arguments) if whose != "ours" else dumps(learned(arguments))
    (tmp_path / "first").write_bytes(file)
    expected = vw_decisions_while_learning(tmp_path, f"-i {tmp_path / 'first'}", 100, 9)

    different, count = slots_that_differ_while_learning(loads(file), expected, TOLERANCE, 9)

    assert count > 200
    assert different <= 1


@pytest.mark.parametrize("arguments", [*ARGUMENTS.values(), *LOOKING_AT_FEATURES.values()])
def test_a_file_of_ours_comes_back_byte_for_byte(arguments):
    file = dumps(learned(arguments))

    again = loads(file)

    assert again.settings.slots
    assert again.knows_slots
    assert dumps(again) == file
    assert checkpoint(loads(dumps(again))) == checkpoint(again)


def test_whether_slots_are_told_apart_is_part_of_a_file():
    learner = Learner(parse("--ccb_explore_adf"))

    assert not loads(dumps(learner)).knows_slots
    learner.learn_many(examples(1, 7))
    assert loads(dumps(learner)).knows_slots


def test_a_model_over_slots_is_not_one_over_single_decisions():
    file = dumps(learned(ARGUMENTS["softmax"]))

    with pytest.raises(ModelFileError, match=r"slots.*--ccb_explore_adf"):
        loads(file, parse(ARGUMENTS["softmax"].replace("--ccb", "--cb")))
