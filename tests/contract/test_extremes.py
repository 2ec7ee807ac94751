"""Requests at the edges: huge numbers, odd policies, large actions, strange URLs."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract import rank
from shared.contract.errors import ContractError, ErrorCode
from shared.contract.event_ids import event_id_from_url
from shared.contract.operations import no_operation
from shared.contract.policy import parse_policy
from shared.contract.rank import parse_rank
from shared.contract.reward import parse_reward
from shared.contract.service_configuration import (
    parse_service_configuration,
    render_service_configuration,
)
from shared.contract.versions import ApiVersion
from shared.learner.arguments import MAX_LENGTH, parse
from shared.learner.recently_used import RecentlyUsed
from shared.services.loop_settings import LoopSettings
from shared.services.loop_state import effective_arguments, fingerprint

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CURRENT = LoopSettings(policy_name="0" * 32, last_edit=NOW)
NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,20}|[1-9][0-9]{300,400})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,4})?",
    fullmatch=True,
).filter(str.isascii)
POLICY_WORDS = st.sampled_from(
    ["--epsilon", "--epsilon=0.3", "'--epsilon'", "0.1", "'0.1 '", "0.20000000298023224", "1e-9",
     "--id", '"x --epsilon 5"', "'--epsilon 0.7'", "-q", "::", " " * 300]
)  # fmt: skip
FEATURE = b'{"actions":[{"id":"a","features":[{"x":%b}]}]}'


def policy(arguments, current=CURRENT):
    body = json.dumps({"name": "mine", "arguments": arguments}).encode()
    return parse_policy(body, current, NOW)


def with_exploration(current, exploration):
    body = json.loads(render_service_configuration(current, ApiVersion.V1_0))
    body["explorationPercentage"] = exploration
    return parse_service_configuration(json.dumps(body).encode(), current, ApiVersion.V1_0, NOW)


@pytest.mark.parametrize("digits", [310, 400, 4000, 5000])
@pytest.mark.parametrize("written", [b"%b", b"[%b]", b'{"y":%b}', b"-%b"])
def test_an_integer_beyond_every_float_is_refused_as_a_feature(digits, written):
    with pytest.raises(ContractError) as refused:
        parse_rank(FEATURE % (written % (b"9" * digits)))

    assert refused.value.code is ErrorCode.INVALID_RANK_REQUEST
    assert refused.value.target.startswith("actions[0]")


@pytest.mark.parametrize("digits", [310, 4000, 5000])
@pytest.mark.parametrize("sign", [b"", b"-"])
def test_an_integer_beyond_every_float_is_refused_as_a_reward(digits, sign):
    with pytest.raises(ContractError) as refused:
        parse_reward(b'{"value":%b%b}' % (sign, b"9" * digits))

    assert (refused.value.code, refused.value.target) == (
        ErrorCode.INVALID_REWARD_REQUEST,
        "value",
    )


@given(NUMBERS)
def test_every_number_is_accepted_or_refused_with_400(text):
    for parser, body in (
        (parse_rank, FEATURE % text.encode()),
        (parse_rank, FEATURE % b"[0,%b]" % text.encode()),
        (parse_reward, b'{"value":%b}' % text.encode()),
    ):
        try:
            parser(body)
        except ContractError as error:
            assert error.code.status == 400


def test_an_integer_within_float32_stays_as_it_was_written():
    [action] = parse_rank(FEATURE % (b"1" + b"0" * 38)).actions

    assert action.features == b'[{"x":1%b}]' % (b"0" * 38)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"id": 7, "features": [{}]}, "id must be a string, not a number."),
        ({"id": "x" * 257, "features": [{}]}, "id must have 1 to 256 characters, not 257."),
        ({"id": "a\n", "features": [{}]}, "id holds characters that are not allowed."),
    ],
)
def test_the_message_about_an_action_id_is_a_sentence(action, message):
    with pytest.raises(ContractError) as refused:
        parse_rank(json.dumps({"actions": [action]}).encode())

    assert refused.value.message == message
    assert refused.value.target == "actions[0].id"


def test_an_action_that_cannot_be_read_is_named_in_the_message():
    with pytest.raises(ContractError) as refused:
        parse_rank(FEATURE % b"1e999")

    assert refused.value.message.startswith("An action cannot be read: ")
    assert refused.value.target == "actions[0]"


def test_actions_that_come_again_are_not_read_again():
    one, two = b'{"id":"a","features":[{"x":1}]}', b'{"id":"b","features":[{"x":2}]}'

    first = parse_rank(b'{"actions":[%b]}' % one)
    other = parse_rank(b'{"actions":[%b,%b]}' % (two, one))
    again = parse_rank(b'{"eventId":"e","actions":[%b,%b]}' % (two, one))

    assert other.actions[1] is first.actions[0]
    assert again.actions is other.actions


def test_what_is_remembered_of_actions_stays_within_its_budget(monkeypatch):
    """Features can be longer than what was sent: ``1e15`` is stored as ``1000000000000000.0``."""
    for name in ("_known_actions", "_known_lists"):
        monkeypatch.setattr(rank, name, RecentlyUsed(1 << 15))
    features = b",".join(b'"f%d":1e15' % number for number in range(150))
    sent = len(features) + 30

    for number in range(100):
        action = b'{"id":"%d","features":[{%b}]}' % (number, features)
        request = parse_rank(b'{"actions":[%b]}' % action)

    size = len(request.actions[0].features)
    assert size > 1.5 * sent
    assert 0 < len(rank._known_actions) * (sent + size) < 1 << 15
    assert 0 < len(rank._known_lists) * (sent + size) < 1 << 15


def test_large_actions_are_refused_like_small_ones():
    text = b'["%b"]' % (b"y" * 4096)
    with pytest.raises(ContractError) as refused:
        parse_rank(FEATURE % text)

    assert refused.value.target == "actions[0].features[0].x"


@given(st.lists(POLICY_WORDS, max_size=7), st.sampled_from([0, 0.2, 0.12345679, 1e-9, 1]))
def test_the_learner_can_use_every_policy_that_was_accepted(words, exploration):
    try:
        accepted = policy(" ".join(["--cb_explore_adf", *words]))
    except ContractError as error:
        assert error.code.status == 400
        return
    assert parse(effective_arguments(accepted)).epsilon == accepted.exploration
    try:
        changed = with_exploration(accepted, exploration)
    except ContractError as error:
        assert error.target == "explorationPercentage"
        return
    assert parse(effective_arguments(changed)).epsilon == changed.exploration


@pytest.mark.parametrize(
    "arguments",
    [
        "--cb_explore_adf".ljust(MAX_LENGTH - 4),
        "--cb_explore_adf --epsilon '0.3 '",
        '--cb_explore_adf --id "x --epsilon 5"',
    ],
    ids=["no room for the exploration", "quoted value", "epsilon inside an id"],
)
def test_a_policy_that_cannot_take_an_exploration_is_refused(arguments):
    with pytest.raises(ContractError) as refused:
        policy(arguments)

    assert refused.value.code is ErrorCode.INVALID_POLICY_CONFIGURATION
    assert refused.value.target == "arguments"


@pytest.mark.parametrize(
    "arguments",
    ["--cb_explore_adf --epsilon 0.2".ljust(MAX_LENGTH), "--cb_explore_adf '--epsilon' 0.3"],
    ids=["no room for more digits", "quoted name"],
)
def test_an_exploration_that_does_not_fit_the_policy_is_refused(arguments):
    accepted = policy(arguments)

    with pytest.raises(ContractError) as refused:
        with_exploration(accepted, 0.12345679)

    assert refused.value.code is ErrorCode.INVALID_SERVICE_CONFIGURATION
    assert refused.value.target == "explorationPercentage"


@pytest.mark.parametrize("epsilon", ["0.20000000298023224", "0.123456789012", "0.2", "0", "1e-9"])
@pytest.mark.parametrize("version", ApiVersion)
def test_putting_back_what_get_showed_changes_nothing(epsilon, version):
    before = policy(f"--cb_explore_adf --epsilon {epsilon} -q ::")
    shown = render_service_configuration(before, version)

    after = parse_service_configuration(shown, before, version, NOW)

    assert after == replace(before, last_edit=NOW)
    assert fingerprint(after) == fingerprint(before)


@pytest.mark.parametrize("url", ["http://[x/personalizer/v1.0/events", "", "//", "/events"])
def test_a_url_without_an_event_id_is_not_found(url):
    with pytest.raises(ContractError) as refused:
        event_id_from_url(url)

    assert refused.value.code is ErrorCode.RESOURCE_NOT_FOUND


@given(st.text(max_size=60))
def test_any_url_is_answered_with_a_documented_error(url):
    assert no_operation("GET", url).code.status in (404, 405)
    try:
        event_id_from_url(url)
    except ContractError as error:
        assert error.code.status in (400, 404)
