"""Policies that ask for gigabytes, or for hours, are refused by the name of what asks for it."""

import json
from datetime import UTC, datetime

import pytest

from shared.contract.errors import ContractError, ErrorCode
from shared.contract.policy import parse_policy
from shared.learner.arguments import parse
from shared.learner.arguments.options import MAX_BITS, MAX_MEMBERS
from shared.learner.learner import Learner
from shared.services.loop_settings import LoopSettings

NOW = datetime(2026, 11, 24, tzinfo=UTC)
BASE = "--cb_explore_adf"


def _put(arguments):
    body = json.dumps({"name": "hostile", "arguments": arguments}).encode()
    return parse_policy(body, LoopSettings("name", NOW), NOW)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("-b 31", "--bit_precision"),
        ("-b 25", "--bit_precision"),
        ("-b 99999999999999999999", "--bit_precision"),
        ("-b 1e308", "--bit_precision"),
        ("-b -1", "--bit_precision"),
        ("--bag 10000", "--bag"),
        ("--bag 33", "--bag"),
        ("--cover 1e6", "--cover"),
        ("--rnd 4000", "--rnd"),
        ("--synthcover --synthcoversize 1e9", "--synthcoversize"),
        ("--large_action_space --max_actions 1e9", "--max_actions"),
        ("--large_action_space --spanner_c 1.0000001", "--spanner_c"),
        ("--first 1e300", "--first"),
        (" ".join(["-q ab"] * 65), "--interactions"),
        ("--interactions :::::", "--interactions"),
        ("--interactions " + ":" * 500, "--interactions"),
        ("--cubic ::::", "--cubic"),
        ("-q :::", "--quadratic"),
        ("-q aü", "--quadratic"),
        ("-q \ud7ff\u200b", "--quadratic"),
        ("-l nan", "--learning_rate"),
        ("-l inf", "--learning_rate"),
        ("-l -1", "--learning_rate"),
        ("-l 1e309", "--learning_rate"),
        ("-l ١", "--learning_rate"),
        ("-l 0x10", "--learning_rate"),
        ("-l 1_0", "--learning_rate"),
        ("--power_t 1e9", "--power_t"),
        ("--l1 1e300", "--l1"),
        ("--epsilon nan", "--epsilon"),
        ("--epsilon 2", "--epsilon"),
        ("--initial_t 1e300", "--initial_t"),
        ("--passes 1000000", "--passes"),
        ("--nn 1000000", "--nn"),
        ("--ngram 100", "--ngram"),
        ("-i /etc/passwd", "-i"),
        ("-f /tmp/x", "-f"),
        ("--data /dev/zero", "--data"),
        ("--cache_file x", "--cache_file"),
        ("--daemon --port 1", "--daemon"),
        ("--" + "a" * 900, "--aaa"),
        ("--é" + "é" * 300, "--é"),
        ("x" * 990, "xxx"),
        ("\0", "'\\x00'"),
        ("'", "text"),
    ],
)
def test_what_asks_for_too_much_is_named(arguments, named):
    with pytest.raises(ContractError) as refused:
        _put(f"{BASE} {arguments}")

    assert refused.value.code.status == 400
    assert refused.value.target == "arguments"
    assert named in refused.value.message
    assert len(refused.value.message) < 300


def test_a_long_text_is_refused_before_it_is_read():
    with pytest.raises(ContractError) as refused:
        _put(f"{BASE} " + "-q ab " * 10_000)

    assert refused.value.code is ErrorCode.INVALID_POLICY_CONTRACT
    assert "1024" in refused.value.message


@pytest.mark.parametrize(
    "arguments",
    [f"-b {MAX_BITS} --bag {MAX_MEMBERS} --cb_type dr", f"-b {MAX_BITS} --regcb --regcbopt",
     f"-b {MAX_BITS} --cover {MAX_MEMBERS}"],
)  # fmt: skip
def test_the_largest_policy_takes_what_its_bits_say(arguments):
    """Members share the weights: three arrays of 64 MiB, whatever else is asked for."""
    regressor = Learner(parse(f"{BASE} {arguments}")).regressor

    arrays = (regressor.weights, regressor.gradients, regressor.scales)
    assert [array.nbytes for array in arrays] == [64 << 20] * 3
