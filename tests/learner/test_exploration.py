"""From scores to probabilities: lower scores are better."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.learner.exploration import best_first, epsilon_greedy

SCORES = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=60)
EPSILONS = st.floats(0, 1)


@given(SCORES, EPSILONS, st.booleans())
def test_probabilities_sum_to_one_and_every_action_keeps_its_share(scores, epsilon, first_only):
    probabilities = epsilon_greedy(scores, epsilon, first_only)

    assert math.isclose(sum(probabilities), 1.0, abs_tol=1e-9)
    assert min(probabilities) >= epsilon / len(scores) - 1e-12
    assert probabilities[best_first(scores)[0]] == max(probabilities)


@given(SCORES, EPSILONS, st.randoms(use_true_random=False))
def test_another_order_of_the_actions_only_reorders_the_probabilities(scores, epsilon, rng):
    order = list(range(len(scores)))
    rng.shuffle(order)

    shuffled = epsilon_greedy([scores[i] for i in order], epsilon)

    original = epsilon_greedy(scores, epsilon)
    assert shuffled == tuple(original[i] for i in order)


def test_the_best_action_has_the_lowest_score():
    assert best_first([0.5, -1.0, 0.0, -1.0]) == (1, 3, 2, 0)
    assert epsilon_greedy([0.5, -1.0, 0.0], 0.3) == pytest.approx((0.1, 0.8, 0.1))


def test_actions_within_the_tie_tolerance_share_the_greedy_part():
    scores = [-1.0, -1.0 + 1.9e-4, -1.0 + 2.1e-4]

    assert epsilon_greedy(scores, 0.3) == pytest.approx((0.45, 0.45, 0.1))
    assert epsilon_greedy(scores, 0.3, first_only=True) == pytest.approx((0.8, 0.1, 0.1))
