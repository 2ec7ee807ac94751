"""The arguments parser understands what it says, and refuses all else by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.learner.arguments import (
    MAX_LENGTH,
    ArgumentsError,
    InvalidArgument,
    UnsupportedArgument,
    explicit_epsilon,
    parse,
    with_epsilon,
)

PIECES = st.sampled_from(
    ["--cb_explore_adf", "--epsilon", "--epsilon=0.3", "0.2", "-q", "::", "-q::", "-b18", "-l",
     "nan", "--cubic", "abc", "--sgd", "--bag", "5", "--id", "x y", "'", '"a b"', "\\", "-", "--",
     "=", "", "--power_t=-1", "--interactions", "é", "--json", "-f", "--ignore_linear", "1e999"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=8).map(" ".join)))
def test_any_text_gives_settings_or_one_of_the_two_errors(text):
    try:
        settings = parse(text)
    except (UnsupportedArgument, InvalidArgument) as refusal:
        assert isinstance(refusal.argument, str)
        assert str(refusal)
    else:
        assert 0.0 <= settings.epsilon <= 1.0
        assert 1 <= settings.bits <= 24


@given(
    st.lists(PIECES.filter(lambda piece: not set(piece) & set("'\"\\")), max_size=8).map(" ".join),
    st.floats(0.0, 1.0),
)
def test_an_epsilon_that_was_written_is_read_again(text, epsilon):
    try:
        before = parse(text)
    except ArgumentsError:
        return
    changed = with_epsilon(text, epsilon)

    assert explicit_epsilon(changed) == epsilon
    assert parse(changed).epsilon == epsilon
    assert parse(changed).interactions == before.interactions


def test_texts_have_a_greatest_length():
    text = "--cb_explore_adf --id ".ljust(MAX_LENGTH, "x")

    assert parse(text).epsilon == 0.05
    with pytest.raises(InvalidArgument, match="1024"):
        parse(text + "x")


def test_lists_take_several_values_as_in_vowpal_wabbit():
    settings = parse("--cb_explore_adf -q ab cd --interactions xyz --ignore_linear a b -b 12")

    assert settings.interactions == (b"ab", b"cd", b"xyz")
    assert settings.ignore_linear == b"ab"
    assert settings.bits == 12


@pytest.mark.parametrize(
    "value", ["1_0", "0x1", "nan", "inf", "-0.1", "1.1", "٣", "", "'' ", "=0.5"]
)
def test_numbers_are_read_as_vowpal_wabbit_reads_them(value):
    with pytest.raises(InvalidArgument) as refused:
        parse(f"--cb_explore_adf --epsilon {value}")

    assert refused.value.argument == "--epsilon"


def test_rates_follow_the_kind_of_update():
    assert parse("--cb_explore_adf").learning_rate == 0.5
    assert parse("--cb_explore_adf --sgd").learning_rate == 10.0
    assert parse("--cb_explore_adf --sgd").initial_t == 1.0
    assert parse("--cb_explore_adf --adaptive --normalized").invariant is False


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("--learning_rat", "--learning_rate"),
        ("--sofmax", "--softmax"),
        ("--ftrl", "--adaptive"),
        ("--cb", "--cb_explore_adf"),
        ("--slates", "--ccb_explore_adf"),
        ("--graph_feedback", "--squarecb"),
        ("--redefine", "--interactions"),
    ],
)
def test_the_nearest_supported_argument_is_named(wrong, near):
    with pytest.raises(UnsupportedArgument, match=f"{near}$") as refused:
        parse(f"--cb_explore_adf {wrong} 1")

    assert refused.value.argument == wrong


def test_every_argument_of_vowpal_wabbit_is_understood_or_refused_by_name():
    vowpalwabbit = pytest.importorskip("vowpalwabbit", reason="the oracle is not installed")
    workspace = vowpalwabbit.Workspace("--quiet --no_stdin")
    configured = workspace.get_config(filtered_enabled_reductions_only=False)
    workspace.finish()
    names = {o.name for groups in configured.values() for _, options in groups for o in options}

    refused = {}
    for name in names:
        try:
            parse(f"--cb_explore_adf --{name}=1")
        except ArgumentsError as refusal:
            refused[name] = refusal

    assert len(names) > 400
    for name, refusal in refused.items():
        assert refusal.argument == f"--{name}"[:40]
        assert refusal.argument in str(refusal)
        if isinstance(refusal, UnsupportedArgument) and "nearest" in str(refusal):
            nearest = str(refusal).split()[-1]
            try:
                parse(f"--cb_explore_adf {nearest}=1")
            except ArgumentsError as other:
                assert "nearest" not in str(other)  # known: it is its value that is refused
