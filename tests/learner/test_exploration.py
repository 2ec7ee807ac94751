"""Every exploration rule keeps the same promises; lower scores are better."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.learner.exploration import (
    Bag,
    CostRange,
    Cover,
    EpsilonGreedy,
    ExploreFirst,
    History,
    RandomNetworks,
    RegCB,
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
    "squarecb with elimination": SquareCB(costs=CostRange(0.001, -1.0, 0.0)),
    "confidence bounds": RegCB(CostRange(0.1, -1.0, 1.0)),
    "optimistic bounds": RegCB(CostRange(0.1, -20.0, 20.0), optimistic=True),
    "optimistic bounds, first of ties": RegCB(
        CostRange(0.01, -20.0, 20.0), optimistic=True, first_only=True
    ),
    "random networks": RandomNetworks(2),
    "explore first": ExploreFirst(50),
    "bag": Bag(3),
    "bag, first of ties": Bag(2, first_only=True),
    "cover": Cover(3),
    "cover, decaying": Cover(2, decays=True),
    "cover, chosen actions only": Cover(3, chosen_only=True),
    "synthetic cover": SyntheticCover(),
    "synthetic cover of one": SyntheticCover(size=1, bonus=5.0),
}
SCORES = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=40)
APART = st.lists(st.integers(-640, 640).map(lambda n: n / 64), min_size=1, max_size=40)
"""Scores that are equal or clearly not: rounding decides nothing."""

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
    members = [scores[member:] + scores[:member] for member in range(rule.members)]
    return members + evidence(rule, [abs(score) / 20 + 0.01 for score in scores])


def evidence(rule, doubts):
    """Return what the rule asks for beside scores, from a doubt about each action."""
    if isinstance(rule, RandomNetworks):
        return [doubts] * rule.networks
    return [doubts] * 2 if getattr(rule, "costs", None) else []


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
    kept = [each for each in found if each] if getattr(rule, "chosen_only", False) else found
    assert min(kept) >= floor - 1e-12


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
@given(scores=APART, history=HISTORIES)
def test_better_actions_are_not_less_likely(rule, scores, history):
    if isinstance(rule, SquareCB) and rule.costs:
        pytest.skip("VW counts the actions that are left wrongly, and so do we")
    if isinstance(rule, RandomNetworks):
        pytest.skip("what is new may be likelier than what is good")
    told = [scores] * rule.members + evidence(rule, [0.1] * len(scores))

    found = rule.probabilities(told, 0.2, history)

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


def test_the_doubt_about_a_cost_follows_its_search():
    costs = CostRange(mellowness=0.1, lowest=-1.0, highest=1.0)
    allowed = 0.1 * math.log(2 * 100) * 4.0

    lowest, highest = costs.bounds([[0.0, 0.5], [0.3, 1e-9], [0.3, 0.3]], events=100)

    def weight(distance, sensitivity):  # the largest w with w (d² - (d - s w)²) <= allowed
        steps = (step / 1e4 for step in range(10**5))
        return max(
            w for w in steps if w * (distance**2 - (distance - sensitivity * w) ** 2) <= allowed
        )

    assert lowest == pytest.approx([-0.3 * weight(1.0 + 1.0, 0.3), 0.5], abs=1e-4)
    assert highest == pytest.approx([0.3 * weight(1.0 + 1.0, 0.3), 1.0], abs=1e-4)


def test_before_the_first_event_every_cost_is_taken_at_its_word():
    costs = CostRange(mellowness=0.1, lowest=-1.0, highest=0.0)

    assert costs.bounds([[-0.5, -2.0]] + [[0.2, 0.2]] * 2, events=0) == ([-0.5, -1.0], [-0.5, -1.0])


def test_confidence_bounds_share_among_all_that_may_be_best():
    told = [[-0.5, -0.45, 0.9], [0.1] * 3, [0.1] * 3]
    range_ = CostRange(mellowness=0.01, lowest=-1.0, highest=1.0)

    careful = RegCB(range_).probabilities(told, 0.0, History(events=100))
    optimistic = RegCB(range_, optimistic=True).probabilities(told, 0.3, History(events=100))

    assert careful == (0.5, 0.5, 0.0)
    assert optimistic == pytest.approx((0.8, 0.1, 0.1))


def test_elimination_weighs_only_what_may_be_best():
    told = [[-0.5, -0.4, 0.9], [0.1] * 3, [0.1] * 3]
    rule = SquareCB(2.0, 0.5, CostRange(mellowness=0.01, lowest=-1.0, highest=1.0))

    found = rule.probabilities(told, 0.0, History(events=100))

    share = 1 / (1 + 2.0 * 10 * 0.1)
    assert found == pytest.approx((1 - share, share, 0.0))


def test_random_networks_follow_their_formula():
    told = [[0.0, 0.5], [0.3, 0.1], [0.0, 0.2], [0.0, 0.1], [0.4, 0.2]]

    found = RandomNetworks(2).probabilities(told, 0.0, History())

    bonus = math.sqrt((0.3**2 + 0.4**2) / 2)  # the second action's are all learned
    odds = math.exp(-(0.5 + 0.5772156649 * bonus) / bonus)
    assert found == pytest.approx((1 / (1 + odds), odds / (1 + odds)))


def test_a_cover_may_keep_its_floor_for_chosen_actions():
    told = [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [1.0, 0.0, 2.0]]

    found = Cover(3, chosen_only=True).probabilities(told, 0.9, History())

    assert found == pytest.approx((0.55, 0.45, 0.0))


def test_a_rule_may_explore_its_first_events_only():
    rule = ExploreFirst(2)

    assert rule.probabilities([[1.0, 0.0]], 0.0, History(events=1)) == (0.5, 0.5)
    assert rule.probabilities([[1.0, 0.0]], 0.0, History(events=2)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("rule", "scores"),
    [
        (RegCB(CostRange(0.1, -1.0, 0.25)), [[1e-45], [-1e10], [0.0]]),
        (RegCB(CostRange(0.1, -1.0, 0.25), optimistic=True), [[1e10], [0.0], [-1e10]]),
        (SquareCB(2.0, 0.5, CostRange(0.01, -1.0, 1.0)), [[1e-45], [-1e10], [0.0]]),
    ],
)
def test_bounds_that_have_crossed_leave_an_action(rule, scores):
    assert rule.probabilities(scores, 0.1, History(10, -1.0, 0.25)) == (1.0,)


def test_members_of_a_bag_vote():
    found = Bag(4).probabilities([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]], 0.0, History())

    assert found == (0.75, 0.25)


def test_a_floor_takes_from_all_others_alike():
    assert with_floor((0.7, 0.3, 0.0), 0.3) == pytest.approx((0.65, 0.25, 0.1))
    assert with_floor((0.96, 0.04, 0.0), 0.3) == pytest.approx((0.8, 0.1, 0.1))
