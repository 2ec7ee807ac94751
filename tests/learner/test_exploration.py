"""Every exploration rule keeps the same promises; lower scores are better."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.learner.exploration import (
    Bag,
    Cover,
    EpsilonGreedy,
    ExploreFirst,
    History,
    Softmax,
    SquareCB,
    SyntheticCover,
    best_first,
    with_floor,
)

RULES = {
    "epsilon-greedy": EpsilonGreedy(),
    "epsilon-greedy, first of ties": EpsilonGreedy(first_only=True),
    "softmax": Softmax(3.0),
    "softmax, greedy": Softmax(1e9),
    "squarecb": SquareCB(),
    "explore first": ExploreFirst(50),
    "bag": Bag(3),
    "bag, first of ties": Bag(2, first_only=True),
    "cover": Cover(3),
    "cover, decaying": Cover(2, decays=True),
    "synthetic cover": SyntheticCover(),
    "synthetic cover of one": SyntheticCover(size=1, bonus=5.0),
}
SCORES = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=40)
EPSILONS = st.floats(0, 1)
HISTORIES = st.builds(
    History, st.integers(0, 10**6), st.floats(-10, 0, width=32), st.floats(0, 10, width=32)
)


def grain(rule):
    """Return by how much ties may matter: an imaginary policy prefers the first of equals."""
    return 1e-9 + 1 / getattr(rule, "size", math.inf)


each_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())


def scores_of_members(rule, scores):
    """Return members that do not agree: each sees the actions one further on."""
    return [scores[member:] + scores[:member] for member in range(rule.members)]


@each_rule
@given(scores=SCORES, epsilon=EPSILONS, history=HISTORIES)
def test_probabilities_sum_to_one(rule, scores, epsilon, history):
    found = rule.probabilities(scores_of_members(rule, scores), epsilon, history)

    assert len(found) == len(scores)
    assert math.isclose(sum(found), 1.0, abs_tol=1e-9)


@each_rule
@given(scores=SCORES, epsilon=EPSILONS, history=HISTORIES)
def test_every_action_keeps_its_share_of_epsilon(rule, scores, epsilon, history):
    found = rule.probabilities(scores_of_members(rule, scores), epsilon, history)

    floor = min(epsilon, 0.999) / len(scores)
    if isinstance(rule, Cover):
        floor = min(floor, rule.floor(epsilon, len(scores), history.events))
    assert min(found) >= floor - 1e-12


@each_rule
@given(scores=SCORES, epsilon=EPSILONS, history=HISTORIES)
def test_the_same_question_has_the_same_answer(rule, scores, epsilon, history):
    members = scores_of_members(rule, scores)

    first = rule.probabilities(members, epsilon, history)

    assert rule.probabilities(members, epsilon, history) == first


@each_rule
@given(
    scores=st.lists(st.integers(-500, 500), min_size=1, max_size=12, unique=True),
    rng=st.randoms(use_true_random=False),
    history=st.builds(History, st.integers(0, 10**6), st.just(-10.0), st.just(10.0)),
)
def test_another_order_of_the_actions_only_reorders_the_probabilities(rule, scores, rng, history):
    members = [[s / 64 for s in each] for each in scores_of_members(rule, scores)]
    order = list(range(len(scores)))
    rng.shuffle(order)

    shuffled = rule.probabilities([[each[i] for i in order] for each in members], 0.1, history)

    original = rule.probabilities(members, 0.1, history)
    assert shuffled == pytest.approx([original[i] for i in order], abs=grain(rule))


@each_rule
@given(scores=SCORES, history=HISTORIES)
def test_better_actions_are_not_less_likely(rule, scores, history):
    found = rule.probabilities([scores] * rule.members, 0.2, history)

    by_score = [found[action] for action in best_first(scores)]
    assert all(left >= right - grain(rule) for left, right in itertools.pairwise(by_score))


def test_the_best_action_has_the_lowest_score():
    assert best_first([0.5, -1.0, 0.0, -1.0]) == (1, 3, 2, 0)
    greedy = EpsilonGreedy().probabilities([[0.5, -1.0, 0.0]], 0.3, History())
    assert greedy == pytest.approx((0.1, 0.8, 0.1))


def test_actions_within_the_tie_tolerance_share_the_greedy_part():
    scores = [[-1.0, -1.0 + 1.9e-4, -1.0 + 2.1e-4]]

    shared = EpsilonGreedy().probabilities(scores, 0.3, History())
    alone = EpsilonGreedy(first_only=True).probabilities(scores, 0.3, History())

    assert shared == pytest.approx((0.45, 0.45, 0.1))
    assert alone == pytest.approx((0.8, 0.1, 0.1))


def test_softmax_follows_its_formula():
    found = Softmax(2.0).probabilities([[0.0, 0.5]], 0.0, History())

    assert found == pytest.approx((1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))))


def test_squarecb_grows_greedier_with_the_events():
    rule = SquareCB(gamma_scale=2.0, gamma_exponent=0.5)

    early = rule.probabilities([[0.0, 0.5]], 0.0, History(events=1))
    late = rule.probabilities([[0.0, 0.5]], 0.0, History(events=400))

    assert early == pytest.approx((1 - 1 / 3, 1 / 3))
    assert late == pytest.approx((1 - 1 / 22, 1 / 22))


def test_a_rule_may_explore_its_first_events_only():
    rule = ExploreFirst(2)

    assert rule.probabilities([[1.0, 0.0]], 0.0, History(events=1)) == (0.5, 0.5)
    assert rule.probabilities([[1.0, 0.0]], 0.0, History(events=2)) == (0.0, 1.0)


def test_members_of_a_bag_vote():
    found = Bag(4).probabilities([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]], 0.0, History())

    assert found == (0.75, 0.25)


def test_a_floor_takes_from_all_others_alike():
    assert with_floor((0.7, 0.3, 0.0), 0.3) == pytest.approx((0.65, 0.25, 0.1))
    assert with_floor((0.96, 0.04, 0.0), 0.3) == pytest.approx((0.8, 0.1, 0.1))
