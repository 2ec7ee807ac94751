"""Off-policy estimates: known answers, and the truth of a simulation inside its interval."""

import random

import pytest

from shared.learner.estimators import Estimate, has_preference, most_likely


def test_sums_give_the_estimates_of_the_retired_service():
    estimate = Estimate()
    for weight, reward in [(2.0, 1.0), (0.0, 1.0), (4.0, 0.5), (2.0, 0.0)]:
        estimate.add(weight, reward)

    assert (estimate.events, estimate.matched, estimate.weights) == (4, 3, 8.0)
    assert estimate.mean == 1.0  # numerator 4 over denominator 4
    assert estimate.half_width == pytest.approx(1.96 * ((8 - 4 * 1.0**2) / 3 / 4) ** 0.5)
    assert estimate.self_normalized == 0.5
    assert estimate.effective_sample_size == pytest.approx(64 / 24)


def test_nothing_is_known_of_nothing():
    nothing, one = Estimate(), Estimate()
    one.add(1.0, 0.5)

    assert (nothing.mean, nothing.half_width, nothing.self_normalized) == (None, None, None)
    assert (one.mean, one.half_width) == (0.5, None)
    assert nothing.effective_sample_size == 0


def test_the_interval_holds_the_truth_19_times_of_20():
    held = 0
    for seed in range(200):
        rng = random.Random(seed)
        always_first = Estimate()
        for _ in range(400):
            propensity = rng.choice([0.1, 0.8])
            first = rng.random() < propensity
            reward = float(rng.random() < (0.6 if first else 0.2))
            always_first.add(1 / propensity if first else 0.0, reward)
        held += abs(always_first.mean - 0.6) <= always_first.half_width

    assert 180 <= held <= 198


@pytest.mark.parametrize(
    ("chances", "best"), [((0.1, 0.8, 0.1), [1]), ((0.45, 0.1, 0.45), [0, 2]), ((1.0,), [0])]
)
def test_equal_probabilities_share_being_the_best(chances, best):
    assert most_likely(chances) == best


@pytest.mark.parametrize(
    ("chances", "preferred"),
    [((0.5, 0.5), False), ((0.334, 0.333, 0.333), False), ((0.4, 0.3, 0.3), True), ((1.0,), True)],
)
def test_a_preference_is_more_than_one_per_cent(chances, preferred):
    assert has_preference(chances) == preferred
