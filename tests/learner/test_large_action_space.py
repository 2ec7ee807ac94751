"""Of many actions only a few take part in exploration, and they differ in features."""

import pytest

from shared.learner.arguments import InvalidArgument, UnsupportedArgument, parse
from shared.learner.exploration import History
from shared.learner.large_action_space import LargeActionSpace
from shared.learner.layout import action_json, decision_json
from shared.learner.learner import Example, Learner

FEW = "--cb_explore_adf --large_action_space --max_actions 4"


def action(name, kind):
    return action_json(name, b'[{"kind":"k%d","x":{"a%d":1.5,"b%d":2}}]' % (kind, kind, kind))


def kept(arguments, actions, costs=None):
    space = LargeActionSpace(parse(arguments))
    return list(space.kept(actions, costs or [0.0] * len(actions), History(events=9)))


def test_all_of_few_actions_take_part():
    assert kept(FEW, [action(f"a{n}", n) for n in range(4)]) == [0, 1, 2, 3]


@pytest.mark.parametrize("rule", ["", "--softmax", "--squarecb"])
def test_of_many_actions_so_many_take_part_and_the_best(rule):
    actions = [action(f"a{n}", n) for n in range(30)]
    costs = [-1.0 if n == 17 else 0.01 * n for n in range(30)]

    found = kept(f"{FEW} {rule}", actions, costs)

    assert 17 in found
    assert 4 <= len(found) <= 6
    assert found == kept(f"{FEW} {rule}", actions, costs) == sorted(set(found))


def test_actions_that_are_alike_do_not_both_take_part():
    alike = [action_json("same", b'[{"kind":"k%d"}]' % (n % 5)) for n in range(30)]

    found = kept(f"{FEW} --ignore i", alike, [0.0] * 30)

    kinds = [n % 5 for n in found if n]  # the best one, here the first, is kept in any case
    assert len(kinds) == len(set(kinds))


def test_actions_without_features_are_no_error():
    bare = [action_json(f"a{n}", b"[{}]") for n in range(9)]

    assert 0 in kept(f"{FEW} --ignore i --noconstant", bare)


def test_what_does_not_take_part_has_no_chance():
    actions = [action(f"a{n}", n) for n in range(20)]
    decision = decision_json(b"[{}]", actions)
    learner = Learner(parse(f"{FEW} --epsilon 0.5"))
    learner.learn(Example(decision, 7, -1.0, 0.5))

    found = learner.policy().decide_json(decision)

    assert sum(found.probabilities) == pytest.approx(1.0)
    assert found.order[0] == 7
    chances = sorted(p for p in found.probabilities if p)
    assert 5 <= len(chances) <= 6
    assert chances[0] == pytest.approx(0.5 / len(chances))


@pytest.mark.parametrize(
    "arguments",
    ["--large_action_space --bag 3", "--large_action_space --cb_type dr", "--max_actions 5",
     "--large_action_space --squarecb --elim", "--large_action_space --marginal i",
     "--large_action_space --spanner_c 1", "--large_action_space --first 5"],
)  # fmt: skip
def test_arguments_without_a_meaning_are_invalid(arguments):
    with pytest.raises(InvalidArgument):
        parse(f"--cb_explore_adf {arguments}")


def test_another_projection_is_refused_by_name():
    with pytest.raises(UnsupportedArgument, match=r"--large_action_space$") as refused:
        parse("--cb_explore_adf --large_action_space --two_pass_svd")

    assert refused.value.argument == "--two_pass_svd"
    assert parse(f"{FEW} --block_size 5 --thread_pool_size 2").large.max_actions == 4
