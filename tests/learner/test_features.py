"""Hashing and the walk over JSON, where Vowpal Wabbit can be asked directly."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.learner import features
from shared.learner.features import (
    FeatureError,
    features_of_actions,
    read_decision,
    shared_features,
    split_decision,
)
from shared.learner.hashing import CONSTANT_HASH, hash_text
from shared.learner.interactions import Interactions, expand
from shared.learner.layout import action_json, decision_json
from shared.learner.recently_used import RecentlyUsed

vowpalwabbit = pytest.importorskip("vowpalwabbit", reason="the oracle is not installed")


def action_features(text):
    return features_of_actions((text,))[0]


@pytest.fixture(scope="module")
def oracle_hash():
    workspace = vowpalwabbit.Workspace("--quiet --no_stdin -b 18")
    yield workspace.hash_feature
    workspace.finish()


@settings(max_examples=300, deadline=None)
@given(
    name=st.one_of(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
        st.text("0123456789 ", max_size=12),
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_names_hash_as_in_vowpal_wabbit(oracle_hash, name, seed):
    assert hash_text(name, seed) % (1 << 18) == oracle_hash(name, seed) % (1 << 18)


def test_the_constant_and_very_long_digits_have_hashes():
    assert hash_text("Constant", 0) != CONSTANT_HASH  # the constant is not hashed by name
    digits = "7" * 20_000

    assert hash_text(digits, 1) == (7 * (pow(10, 20_000, 9 << 32) - 1) // 9 + 1) % (1 << 32)


def namespaces(text):
    found = action_features(text)
    return [(chr(namespace), size) for namespace, size in found.shape]


def test_a_group_takes_its_place_when_its_first_namespace_is_closed():
    text = b'{"z":{"x":1,"a":{"y":2}},"b":[0,3],"empty":{"off":false,"none":null,"zero":0}}'

    assert namespaces(text) == [("a", 1), ("z", 1), ("b", 1)]


def test_features_of_one_letter_stand_where_they_were_written():
    found = action_features(b'{"j":{"first":1,"joint":{"second":2},"third":3}}')

    assert found.values == [1.0, 2.0, 3.0, 1.0]  # the constant comes last


flat_names = st.sampled_from(["a", "ab", "b", "_tag", "_text", "1", "", "é"])
flat_values = st.one_of(
    st.sampled_from([0, 1, -2.5, 1e39, 1e-60, True, False, None, "x", "", "7", "a b"]),
    st.dictionaries(flat_names, st.integers(0, 1), max_size=1),
    st.lists(st.one_of(st.none(), st.integers(0, 2), st.just({"x": 1})), max_size=2),
)
objects = st.dictionaries(flat_names, flat_values, max_size=3)


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(flat_names, st.one_of(objects, st.lists(objects, max_size=2), flat_values)))
def test_the_quick_way_of_flat_objects_gives_the_same_features(root):
    for zeros in (False, True):
        quick = features._flat(root, zeros)

        assert quick in (None, features._Walk(zeros).features(root))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(flat_names, max_size=3, unique=True),
    st.lists(flat_names, max_size=2, unique=True),
    st.integers(1, 3),
    st.booleans(),
    st.data(),
)
def test_actions_that_are_alike_are_read_as_each_would_be(names, keys, count, in_list, data):
    """The names of all actions are the same, the kinds of their values only mostly."""
    kinds = [
        [flat_values, st.text("ab 7:_", max_size=2), st.floats(-2, 2)][len(k) % 3] for k in keys
    ]
    objects = [
        {n: dict(zip(keys, map(data.draw, kinds), strict=True)) for n in names}
        for _ in range(count)
    ]
    roots = [{n: [v] if in_list else v for n, v in each.items()} for each in objects]
    walked = [features._walk_action(root, zeros=True) for root in roots]
    alike = features._alike(roots)

    if alike is not None:
        assert {shape for shape, _, _ in walked} == {alike.shape}
        columns = [np.array(each).reshape(-1, count).T.tolist() for each in alike[1:]]
        assert columns[0] == [hashes for _, hashes, _ in walked]
        with np.errstate(over="ignore"):
            found, expected = np.float32(columns[1]), np.float32([each[2] for each in walked])
        assert np.array_equal(found, expected)


def test_the_usual_layout_takes_the_quick_way():
    usual = [{"_tag": i, "i": {"id": i}, "j": [{"a": True, "b": "c", "d": 0.5}]} for i in "xy"]
    assert features._alike(usual) is not None
    assert features._alike([usual[0], {**usual[1], "j": [{"a": True}]}]) is None
    assert features._flat({"_tag": "x", "i": {"id": "x"}, "j": [{"a": True}, {"b": "c"}]}, False)


@pytest.mark.parametrize("context", ["[]", '{"os":1}', '"x"'])
@pytest.mark.parametrize("more", ["", ',"G":{"a":1}', ',"_p":[1]'])
def test_a_decision_is_split_alike_whatever_stands_beside_its_context(context, more):
    shared, actions = split_decision(
        f'{{"_multi":[{{"a":1}},{{}}]{more},"FromUrl":{context}}}'.encode()
    )

    assert bytes(shared["FromUrl"]) == context.encode()
    assert list(map(bytes, actions)) == [b'{"a":1}', b"{}"]


def split(text):
    """Split a decision, and see that reading it at once gives the same or fails likewise."""
    try:
        read, offered = read_decision(text)
    except FeatureError:
        read = offered = None
    shared, actions = split_decision(text)
    members = {name: bytes(member) for name, member in shared.items()}
    try:
        expected = shared_features(members)
    except FeatureError:
        expected = None
    assert read == expected
    assert offered is None or list(map(bytes, offered)) == list(map(bytes, actions))
    return members, list(map(bytes, actions))


TAILS = (
    "",
    ',"G":{"a":1}',
    ',"FromUrl":[{"b":2}]',
    ',"_multi":[{"c":3}]',
    ',"_slots":[{}]',
    ",",
    "]",
)
HEADS = ("", '"FromUrl":[{"os":1}]', '"FromUrl":[{"os":", _multi"}],"H":{"x":1}',
         '"_multi":[{"z":1}],"FromUrl":1', '"FromUrl":[{"a":1', '"FromUrl":{"x":"y')  # fmt: skip


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("actions", ['{"a":1},{"b":2}', "", '{"a":', '{"c":1}],"x":[{"d":1}'])
def test_a_list_of_actions_that_comes_again_is_split_as_the_first_time(monkeypatch, actions, tail):
    """Whatever has been seen before, and whether or not it was JSON."""
    texts = [f'{{{head},"_multi":[{actions}]{tail}}}'.encode() for head in HEADS]
    expected = []
    for text in texts:
        monkeypatch.setattr(features, "_latest_end", features._LatestEnd())
        try:
            expected.append(split(text))
        except FeatureError:
            expected.append(None)

    monkeypatch.setattr(features, "_latest_end", features._LatestEnd())
    for text, known in [*zip(texts, expected, strict=True)] * 3:
        if known is None:
            with pytest.raises(FeatureError):
                split(text)
        else:
            assert split(text) == known


def test_names_with_an_underscore_are_skipped_and_text_is_split():
    assert namespaces(b'{"n":{"_hidden":1,"_text":"two  words","seen":true}}') == [("n", 3)]


def test_numbers_beyond_float32_are_infinite_or_nothing():
    found = action_features(b'{"n":{"big":1e39,"small":1e-60,"less":-1e39}}')

    assert found.values == [np.inf, -np.inf, 1.0]


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"1", b'{"a"', b'{"a":["text"]}', b'{"a":[true]}', b'{"a":[[1]]}', b"\xff",
     b'{"a":' * 5000 + b"1" + b"}" * 5000],
)  # fmt: skip
def test_what_vowpal_wabbit_cannot_read_is_refused(text):
    with pytest.raises(FeatureError):
        action_features(text)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"_multi":1}', b'{"_multi":[}', b"\xff"])
def test_a_decision_without_actions_is_refused(text):
    with pytest.raises(FeatureError):
        split_decision(text)


def test_the_layout_is_the_retired_services():
    action = action_json('a"b', b'[{"x":1}]')

    assert action == b'{"_tag":"a\\"b","i":{"constant":1,"id":"a\\"b"},"j":[{"x":1}]}'
    assert decision_json(b"[]", [action, action]) == (
        b'{"FromUrl":[],"_multi":[' + action + b"," + action + b"]}"
    )


def test_a_known_text_is_not_read_again():
    text = b'{"n":{"some":1}}'

    assert action_features(text) is action_features(bytes(bytearray(text)))


def test_shared_features_keep_the_order_of_the_text():
    shared = shared_features({"b": b'{"x":1}', "a": b'{"y":1,"z":0.5}'})

    assert shared.shape == ((ord("b"), 1), (ord("a"), 2))


def test_wildcards_that_explode_are_refused_before_they_are_expanded():
    present = list(range(ord(" "), ord("~") + 1))

    with pytest.raises(FeatureError, match="10,000"):
        expand([b"::::"] * 64, present)


def test_plans_are_compiled_once_per_shape():
    interactions = Interactions((b"::",), True, b"")
    shapes = ((97, 2),), ((98, 3),)

    plan = interactions.plan(*shapes)

    assert interactions.plan(*shapes) is plan
    assert plan.size == 2 + 1 + 3 + 3 + 6 + 6
    assert len(plan.mixed.left) == 6


def test_a_cache_forgets_what_is_not_used_and_keeps_to_its_budget():
    cache = RecentlyUsed(1000)
    cache.put("kept", 1, 10)
    for number in range(200):
        cache.put(number, number, 10)
        assert cache.get("kept") == 1

    assert cache.get(0) is None
    assert len(cache) <= 100
    cache.put("large", 1, 501)
    assert cache.get("large") is None


def test_threads_may_share_a_cache():
    cache, failures = RecentlyUsed(500), []

    def use(offset):
        for number in range(3000):
            key = (number * 7 + offset) % 90
            found = cache.get(key)
            if found not in (None, key):
                failures.append(found)
            cache.put(key, key, 10)

    threads = [threading.Thread(target=use, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures
