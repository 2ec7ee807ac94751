"""A decision that would keep all others waiting is refused, first and always."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.endpoint import refusal
from shared.learner.arguments import parse
from shared.learner.effort import MOST, ONCE, Efforts, Repeats, questions
from shared.learner.evidence import evidence_of
from shared.learner.features import FeatureError
from shared.learner.gradient_descent import GradientDescent
from shared.learner.interactions import (
    SLOT_INDEX_NAMESPACE,
    Interactions,
    _combine,
    _combine_pairs,
    interactions_of,
)
from shared.learner.layout import action_json, decision_json, slot_json
from shared.learner.learner import Example, Learner
from shared.learner.slots import decide_slots

LETTERS = [chr(byte) for byte in range(33, 123) if chr(byte) not in '"\\_']


def _nested(wider: int) -> bytes:
    """Return an action with a namespace for each letter, one of them with a feature more."""
    features = {letter: {"x": 1} for letter in LETTERS}
    features[LETTERS[wider % len(LETTERS)]] = {"x": 1, "y": 2}
    return action_json(f"a{wider}", json.dumps([features]).encode())


def _policy(arguments="-q ::", kind="--cb_explore_adf"):
    return Learner(parse(f"{kind} {arguments}")).policy()


HOSTILE = decision_json(b"[]", [_nested(wider) for wider in range(50)])


@pytest.mark.parametrize("arguments", ["-q ::", "-q :: --marginal z", "-q :: --bag 32"])
def test_many_shapes_of_many_namespaces_are_refused_however_often_they_are_asked_for(arguments):
    policy = _policy(arguments)

    for _ in range(2):
        with pytest.raises(FeatureError, match="times what one decision may take") as refused:
            policy.decide_json(HOSTILE)
    answer = refusal(refused.value)

    assert answer.status_code == 400
    error = json.loads(answer.get_body())["error"]
    assert (error["code"], error["target"]) == ("InvalidRankRequest", "actions")


def test_what_others_have_asked_before_makes_no_difference():
    policy = _policy()
    for wider in range(50):
        policy.decide_json(decision_json(b"[]", [_nested(wider)]))

    with pytest.raises(FeatureError):
        policy.decide_json(HOSTILE)


@pytest.mark.parametrize(("cost_type", "learned"), [("ips", 0), ("dm", 0), ("dr", 0), ("mtr", 1)])
def test_what_rank_refuses_does_not_keep_the_trainer_busy(cost_type, learned):
    """It may have been logged before there was a model. With ``mtr`` one action is read only."""
    learner = Learner(parse(f"--cb_explore_adf -q :: --cb_type {cost_type}"))

    learner.learn(Example(HOSTILE, 0, -1.0, 0.5))

    assert (learner.learned, learner.skipped) == (learned, 1 - learned)


def test_the_same_actions_without_combinations_are_fine():
    assert len(_policy("").decide_json(HOSTILE).scores) == 50


def test_as_many_features_as_one_action_may_have_are_fine_in_fifty():
    wide = [{f"f{number}": number for number in range(300)}]
    actions = [action_json(f"a{n}", json.dumps(wide).encode()) for n in range(50)]

    assert len(_policy().decide_json(decision_json(b"[]", actions)).scores) == 50


@pytest.mark.parametrize("slot", [False, True])
@pytest.mark.parametrize("patterns", ["-q jF -q ii", "-q ::"])
@pytest.mark.parametrize(
    ("exploration", "members", "asked"),
    [("--softmax", 1, 0), ("--regcb", 1, 1), ("--squarecb --elim", 1, 1), ("--rnd 5", 6, 5)],
)
def test_what_an_exploration_asks_beside_scores_counts(exploration, members, asked, patterns, slot):
    kind = "--ccb_explore_adf" if slot else "--cb_explore_adf"
    settings = parse(f"{kind} --noconstant {patterns} {exploration}")
    shapes = ((ord("j"), 9), (ord("i"), 2)), ((ord("F"), 7), (SLOT_INDEX_NAMESPACE, 1))[: 1 + slot]
    scored = interactions_of(settings).plan(*shapes).size
    seen = interactions_of(settings, filled=False).plan(*shapes).size
    least = members * scored + 3 * asked * seen

    each, once = Efforts(settings).of(*shapes)

    assert least <= each <= 1.12 * least
    most = (MOST - once) // each
    Efforts(settings).require({shapes[0]: most}, shapes[1], ONCE)
    with pytest.raises(FeatureError, match="one decision may take"):
        Efforts(settings).require({shapes[0]: most + 1}, shapes[1], ONCE)


@pytest.mark.parametrize(
    "exploration",
    ["--epsilon 0.1", "--softmax", "--squarecb", "--squarecb --elim", "--regcb", "--rnd 2",
     "--first 9", "--bag 2", "--cover 2", "--synthcover"],
)  # fmt: skip
def test_whatever_asks_for_more_than_scores_is_known_to(exploration):
    settings = parse(f"--cb_explore_adf -b 8 {exploration}")

    asks = evidence_of(GradientDescent(settings)) is not None

    assert asks == (questions(settings.exploration) > 0)


def test_slots_count_together():
    policy = _policy(kind="--ccb_explore_adf")
    wide = json.dumps([{f"f{number}": number for number in range(100)}]).encode()
    actions = [action_json(f"a{n}", wide) for n in range(50)]

    decide_slots(policy, {}, actions, [slot_json("s", b"[]")], lambda _: 0.5)
    slots = [slot_json(f"s{n}", b"[]") for n in range(50)]
    with pytest.raises(FeatureError, match="one decision may take"):
        decide_slots(policy, {}, actions, slots, lambda _: 0.5)


_shapes = st.lists(
    st.tuples(st.sampled_from([*b" Fijz", 139]), st.integers(1, 6)),
    max_size=4,
    unique_by=lambda group: group[0],
).map(tuple)
_patterns = st.lists(st.sampled_from(["::", "Fi", "ij", ":j", ":::", "Fij", "i:::"]), max_size=3)


@given(
    action=_shapes,
    context=_shapes,
    patterns=_patterns,
    more=st.sampled_from(["", "--leave_duplicate_interactions", "--ignore i", "--keep j"]),
    slot=st.booleans(),
)
@example((), ((32, 1),), ["::", "::"], "--leave_duplicate_interactions", False)
def test_effort_is_never_less_than_the_terms_that_are_combined(
    action, context, patterns, more, slot
):
    asked = f"--interactions {' '.join(patterns)}" if patterns else ""
    settings = parse(f"--cb_explore_adf --noconstant {asked} {more}")
    if slot:
        context = (*context, (SLOT_INDEX_NAMESPACE, 1))
    try:
        plan = Interactions(
            settings.interactions, False, b"", settings.ignore, settings.keep,
            settings.duplicate_interactions,
        ).plan(action, context)  # fmt: skip
    except FeatureError:
        return

    assert Efforts(settings).of(action, context).each >= plan.size


def test_combinations_of_what_is_not_there_take_no_effort():
    shape = ((ord("j"), 10),)
    absent = Efforts(parse("--cb_explore_adf --interactions AB ABC AA jA"))

    assert absent.of(shape, ()) == Efforts(parse("--cb_explore_adf")).of(shape, ())


def test_effort_grows_with_members_slots_and_shapes():
    shape = ((ord("j"), 10),)
    alone, bag = (
        Efforts(parse("--cb_explore_adf -q ::")),
        Efforts(parse("--cb_explore_adf --bag 8")),
    )
    each, once = alone.of(shape, ())
    fits = 20_000_000 // (50 * each + once)

    alone.require({shape: 50}, (), Repeats(fits, fits))
    with pytest.raises(FeatureError):
        alone.require({shape: 50}, (), Repeats(fits + 1, fits + 1))
    each, once = bag.of(shape, ())
    most = (20_000_000 - once) // each
    bag.require({shape: most}, (), ONCE)
    with pytest.raises(FeatureError):
        bag.require({shape: most + 1}, (), ONCE)


@given(
    sizes=st.dictionaries(st.integers(32, 139), st.integers(0, 5), min_size=1, max_size=5),
    data=st.data(),
)
def test_many_pairs_combine_as_each_does(sizes, data):
    groups, column = {}, 0
    for namespace, size in sizes.items():
        groups[namespace] = np.arange(column, column + size)
        column += size
    pairs = data.draw(
        st.lists(st.tuples(*[st.sampled_from(sorted(groups))] * 2), min_size=1, max_size=8)
    )

    found = _combine_pairs(pairs, groups)

    expected = np.concatenate([_combine(pair, groups) for pair in pairs], axis=1)
    assert found.tolist() == expected.tolist()
