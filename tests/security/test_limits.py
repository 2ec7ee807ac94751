"""What a request may cost to read is bounded, and is refused with a name where it is too much."""

import gzip
import json
import time

import pytest

from shared.contract.errors import ContractError
from shared.contract.fields import MAX_BODY_BYTES
from shared.contract.multislot import parse_slots_rank
from shared.contract.rank import MAX_ACTIONS, parse_rank
from shared.learner.features import FeatureError, shared_features
from tests.contract.test_odd_requests import code, exchange  # noqa: F401 (a fixture)

MOST = MAX_BODY_BYTES - 200


def _with_features(features):
    return b'{"actions":[{"id":"a","features":[' + features + b"]}]}"


def _filled(unit, count=None, joined=b","):
    return joined.join([unit] * (count or MOST // (len(unit) + len(joined))))


def _processor_seconds(function, *args):
    started = time.process_time()
    try:
        function(*args)
        refused = None
    except (ContractError, FeatureError) as exc:
        refused = exc
    return time.process_time() - started, refused


DEEP = {
    "arrays in features": _with_features(b"[" * 100_000 + b"]" * 100_000),
    "arrays that never end": _with_features(b"[" * MOST),
    "objects": _with_features(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "in a member that nobody knows": b'{"x":' + b"[" * 400_000 + b"]" * 400_000 + b"}",
    "in the event id": b'{"eventId":' + b"[" * 400_000 + b"]" * 400_000 + b"}",
    "in an action": b'{"actions":[' + b"[" * 400_000 + b"]" * 400_000 + b"]}",
    "mixed": _with_features(b'{"a":[' * 100_000 + b"]}" * 100_000),
}


@pytest.mark.parametrize("body", DEEP.values(), ids=list(DEEP))
@pytest.mark.parametrize("parse", [parse_rank, parse_slots_rank])
def test_no_depth_is_too_much_for_the_stack(parse, body):
    with pytest.raises(ContractError) as refused:
        parse(body)

    assert refused.value.code.status == 400


LARGE = {
    "members": b"{" + b",".join(b'"m%d":1' % n for n in range(60_000)) + b"}",
    "a member again and again": b"{" + _filled(b'"actions":[]') + b"}",
    "features": _with_features(b"{" + b",".join(b'"%d":1' % n for n in range(80_000)) + b"}"),
    "numbers": _with_features(b'{"a":[' + _filled(b"1") + b"]}"),
    "small numbers of many digits": _with_features(
        b'{"a":[' + _filled(b"1234567890.12345678901234567e-300") + b"]}"
    ),
    "digits": _with_features(b'{"a":' + b"9" * MOST + b"}"),
    "digits at the limit of integers": _with_features(b'{"a":[' + _filled(b"9" * 4300) + b"]}"),
    "digits behind the point": _with_features(b'{"a":0.' + b"9" * MOST + b"}"),
    "a text": _with_features(b'{"a":"' + b"x" * MOST + b'"}'),
    "escapes": _with_features(b'{"a":"' + b"\\u0041" * (MOST // 6) + b'"}'),
    "a name": _with_features(b'{"' + b"k" * MOST + b'":1}'),
    "objects": _with_features(_filled(b"{}")),
    "nulls": _with_features(_filled(b"null")),
    "actions": b'{"actions":[' + _filled(b"1") + b"]}",
    "ids": b'{"actions":[{"id":"a","features":[{"x":1}]}],"excludedActions":['
    + _filled(b'""')
    + b"]}",
    "white space": b" " * MOST + b"{}",
}


@pytest.mark.parametrize("body", LARGE.values(), ids=list(LARGE))
def test_no_body_takes_minutes_to_read(body):
    """A guard against growth with the square of the bytes, not a measure of speed."""
    assert len(body) <= MAX_BODY_BYTES
    whole, refused = _processor_seconds(parse_rank, body)

    assert whole < 3.0  # a tenth of that, and less, was measured
    assert refused is None or refused.code.status == 400


def test_one_byte_more_is_refused_before_it_is_read():
    with pytest.raises(ContractError) as refused:
        parse_rank(b"[" * (MAX_BODY_BYTES + 1))

    assert (refused.value.code.text, refused.value.target) == ("PayloadSizeExceeded", "body")


def test_a_context_of_the_largest_size_does_not_take_minutes_to_hash():
    wide = {f"f{number}": number for number in range(70_000)}
    took, refused = _processor_seconds(shared_features, {"FromUrl": json.dumps([wide]).encode()})

    assert took < 3.0
    assert refused is None


@pytest.mark.parametrize("count", [MAX_ACTIONS, MAX_ACTIONS + 1])
def test_there_is_a_limit_of_actions(count):
    body = json.dumps(
        {"actions": [{"id": f"a{n}", "features": [{"x": 1}]} for n in range(count)]}
    ).encode()
    _, refused = _processor_seconds(parse_rank, body)

    assert (refused is None) == (count == MAX_ACTIONS)
    assert refused is None or refused.target == "actions"


RANK = b'{"actions":[{"id":"a","features":[{"x":1}]}]}'


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_is_packed_is_never_unpacked(exchange, coding):  # noqa: F811 (the fixture)
    bomb = gzip.compress(b" " * (64 << 20) + RANK)
    status, _, body = exchange("POST", "/personalizer/v1.0/rank", bomb, Content_Encoding=coding)

    assert (status, code(body)) == (400, "BadRequest")


def test_who_has_no_key_is_refused_before_the_body_counts(exchange):  # noqa: F811 (the fixture)
    huge = b"[" * (2 << 20)
    status, _, _ = exchange("POST", "/personalizer/v1.0/rank", huge, Ocp_Apim_Subscription_Key=None)

    assert status == 401
