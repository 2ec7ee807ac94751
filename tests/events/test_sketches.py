"""Summaries: as exact as they say, and the same however they are merged."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.sketches import KEPT_NAMES, LONGEST_NAME, Delays, Distinct, Frequent, entropy

NAMES = st.lists(st.integers(0, 400).map(str), max_size=600)


@pytest.mark.parametrize("count", [0, 1, 100, 255])
def test_few_different_texts_are_counted_exactly(count):
    distinct = Distinct()
    distinct.add([f"text {i % count}" for i in range(3 * count)])

    assert (distinct.count, distinct.is_exact) == (count, True)


def test_many_different_texts_are_estimated_within_four_standard_errors():
    for seed in range(20):
        distinct = Distinct()
        distinct.add(f"{seed} {i}" for i in range(20_000))

        assert not distinct.is_exact
        assert distinct.count == pytest.approx(20_000, rel=4 * 0.063)


@given(NAMES, NAMES)
def test_a_union_of_sets_is_as_if_all_had_been_added_to_one(left, right):
    parts, whole = [Distinct(), Distinct()], Distinct()
    parts[0].add(left)
    parts[1].add(right)
    whole.add(left + right)

    parts[0].merge(parts[1])

    assert parts[0] == whole


@given(st.lists(NAMES, max_size=5))
def test_the_counts_of_the_most_frequent_are_within_what_they_say(parts):
    merged, truth = Frequent(), Counter()
    for part in parts:
        one = Frequent()
        for name in part:
            one.add(name, 1, 0.5)
        one.trim()
        merged.merge(one)
        truth.update(part)

    assert len(merged.names) <= KEPT_NAMES
    assert merged.count == truth.total()
    assert merged.total == pytest.approx(0.5 * truth.total())
    for name, count in truth.items():
        listed = merged.names[name].count if name in merged.names else 0
        assert listed <= count <= listed + merged.missed
    if len(truth) <= KEPT_NAMES:
        assert merged.missed == 0


def test_long_names_are_cut_and_stay_apart():
    frequent = Frequent()
    for ending in "ab":
        frequent.add("x" * 10_000 + ending)
    frequent.trim()

    assert [share.count for _, share in frequent.by_count()] == [1, 1]
    assert all(len(name) <= LONGEST_NAME for name in frequent.names)


@given(st.lists(st.floats(-100, 1e7), min_size=1, max_size=50), st.sampled_from([0.5, 0.9, 0.95]))
def test_a_percentile_is_at_most_a_fifth_too_high_and_never_too_low(seconds, share):
    parts = [Delays(), Delays()]
    for position, delay in enumerate(seconds):
        parts[position % 2].add(delay)
    parts[0].merge(parts[1])

    found = parts[0].percentile(share)

    ordered = sorted(max(0.0, delay) for delay in seconds)
    true = next(d for i, d in enumerate(ordered, 1) if i >= share * len(ordered) - 1e-9)
    assert true <= found * (1 + 1e-9)
    assert found <= max(0.1, 1.19 * true)
    assert parts[0].count == len(seconds)


def test_entropy_is_in_bits():
    assert entropy([1, 1, 1, 1]) == pytest.approx(2)
    assert entropy([5, 0]) == 0
    assert entropy([]) == 0
