"""Named features are those of the learner, in the same order, with the same hashes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.learner.features import shared_features
from shared.learner.named_features import named_features

NAMES = st.sampled_from(["os", "age", "user", "Fit", "u2", "_skip", "_text", "j", "12", "ü", "a b"])
NUMBERS = st.one_of(st.integers(-5, 5), st.floats(-1e6, 1e6, width=32), st.just(0))
SCALARS = st.one_of(
    st.sampled_from(["x", "7", "a b:c|d", ""]), NUMBERS, st.booleans(), st.none()
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.dictionaries(NAMES, inner, max_size=4),
        st.lists(NUMBERS, max_size=3),
        st.lists(st.dictionaries(NAMES, SCALARS, max_size=3), max_size=3),
    ),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.booleans())
def test_features_with_names_are_the_same_features(members, zeros):
    texts = {name: json.dumps(value).encode() for name, value in members.items()}

    hashed = shared_features(texts, zeros=zeros)
    named = named_features(members, zeros=zeros)

    assert named.shape == hashed.shape
    assert [feature.hash for feature in named.features] == [int(each) for each in hashed.hashes]
    assert [feature.value for feature in named.features] == pytest.approx(
        [float(each) for each in hashed.values], rel=1e-6
    )


def test_names_say_namespace_and_feature():
    context = {
        "FromUrl": [{"os": "linux", "age": 1.5, "user": {"plan": "free"}, "likes": [1, 0, 2]}],
        "_multi": [],
    }

    found = named_features(context)

    assert {(feature.name, feature.text) for feature in found.features} == {
        ("FromUrl.os", "linux"),
        ("FromUrl.age", "1.5"),
        ("user.plan", "free"),
        ("likes.0", "1"),
        ("likes.2", "2"),
    }


def test_what_is_false_counts_as_a_feature_where_it_is_asked_for():
    found = named_features({"FromUrl": [{"member": False, "score": 0, "gone": None}]}, zeros=True)

    assert [f.key for f in found.features] == [
        "FromUrl.member=false",
        "FromUrl.score=0",
        "FromUrl.gone=null",
    ]
