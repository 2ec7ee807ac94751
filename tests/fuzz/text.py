"""Queries, addresses and bearer tokens."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jwt

from shared.contract.durations import parse_date, parse_duration, render_date, render_duration
from shared.contract.errors import ContractError, ErrorCode
from shared.contract.evaluations import check_series, parse_filter
from shared.contract.event_ids import event_id_at_end, event_id_from_url
from shared.contract.fields import refuser
from shared.contract.jobs import job_id_from_url, parse_page, render_page
from shared.contract.logs import next_page, parse_log_query
from shared.contract.loops import parse_key_number
from shared.contract.metrics import parse_range
from shared.contract.model_properties import is_signed
from shared.contract.operations import no_operation
from shared.contract.paths import path_of
from shared.contract.times import parse_time, render_time
from shared.contract.versions import parse_version
from shared.entra import TokenChecker
from shared.events.event_ids import draw, shard_of, storage_key
from shared.services.loop_registry import is_loop_name
from shared.services.metrics_store import levels
from shared.settings import EntraSettings
from tests.fuzz import known
from tests.fuzz.mutation import TEXTS, json_mutator, text_mutator
from tests.fuzz.target import Havoc, Target, refused

TIMES = (
    "2026-01-01T00:00:00Z", "2026-01-31", "2026-01-01T00:00:00 01:00", "0001-01-01", "20260101",
    "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "1999-12-31T23:59:59+00:00",
    "2199-12-31T23:59:59.999999-23:59", "2026-W05-1", "2026-01-01T24:00:00", "2026-02-30",
)  # fmt: skip
DURATIONS = ("PT1H", "P1D", "00:05:00", "PT5M", "P999999D", "PT999999999S", "1.00:00:00", "PT0.1S",
             "PT1.0000001S", "99:99:99.9999999")  # fmt: skip
NAMES = ("from", "to", "skip", "interval", "top", "maxpagesize", "filter", "startTime", "endTime",
         "window", "intervalInMinutes", "api-version", "signed", "number")  # fmt: skip
VALUES = (*TIMES, *DURATIONS, "0", "1", "2", "60", "-1", "999999999999", "9999999999", "2147483648",
          "Rolling", "Expanding", "true", "False", "evaluationType eq 'Manual'", "v1.0",
          "2022-09-01-preview", "٣", "1_0", " 1", "+1")  # fmt: skip
MEMBERS = tuple(f"{name}={value}" for name in NAMES for value in VALUES[:9])
_refuse = refuser(ErrorCode.BAD_REQUEST)


def _tried(parse: Callable[[], Any]) -> bool:
    try:
        parse()
    except ContractError as exc:
        return refused(exc)
    return True


def query(data: bytes) -> bool:
    """Every reader of a query gets every query."""
    given = dict(parse_qsl(data.decode(errors="replace"), keep_blank_values=True))
    readers = (_log_query, _range, _page, parse_filter, _series, _times, is_signed, _version, _key)
    return any([_tried(lambda reader=reader: reader(given)) for reader in readers])


def _log_query(given: dict[str, str]) -> None:
    found = parse_log_query(given, known.NOW)
    assert found.start <= found.end
    bucket = int(found.start.timestamp())
    link = next_page("/logs", found, bucket, found.skip)
    text = link.partition("?")[2].partition(">")[0]
    again = parse_log_query(dict(parse_qsl(text)), known.NOW)
    assert again.skip == found.skip
    assert (again.start, again.end) == (
        found.start.replace(microsecond=0),
        found.end.replace(microsecond=0),
    )


def _range(given: dict[str, str]) -> None:
    found = parse_range(given, levels(), known.NOW)
    assert found.start <= found.end
    assert (found.end - found.start) / found.level.width <= 760


def _page(given: dict[str, str]) -> None:
    page = parse_page(given)
    assert page.skip >= 0
    assert page.top >= 0
    assert 1 <= page.size <= 100
    body = json.loads(render_page([{"n": n} for n in range(130)], page, "http://h/p?x", given))
    assert len(body["value"]) <= page.size


def _series(given: dict[str, str]) -> None:
    start, end, minutes = check_series(given)
    assert minutes > 0
    assert start.tzinfo
    assert end.tzinfo


def _times(given: dict[str, str]) -> None:
    for name in ("from", "to"):
        found = parse_time(given, name)
        if found is not None:
            assert parse_time({"from": render_time(found)}, "from") == found.replace(
                microsecond=found.microsecond // 1000 * 1000
            )


def _version(given: dict[str, str]) -> None:
    parse_version(given.get("number"), given.get("api-version"))


def _key(given: dict[str, str]) -> None:
    assert parse_key_number(given.get("number", "")) in (1, 2)


def times(data: bytes) -> bool:
    """Durations and dates, which have a notation of their own."""
    text = data.decode(errors="replace")
    accepted = False
    try:
        duration = parse_duration(text)
    except (ValueError, OverflowError):
        pass
    else:
        assert parse_duration(render_duration(duration)) == duration
        accepted = True
    try:
        date = parse_date(text)
    except (ValueError, OverflowError):
        pass
    else:
        assert parse_date(render_date(date)) == date.replace(microsecond=0)
        accepted = True
    return accepted


def address(data: bytes) -> bool:
    """A URL as it is sent: event ids, ids of jobs, and what is said where nothing is."""
    url = data.decode("latin-1")
    path_of(url)
    assert no_operation("GET", url).code.status in (404, 405)
    is_loop_name(url)
    accepted = False
    for parse in (event_id_from_url, event_id_at_end, lambda u: job_id_from_url(u, _refuse)):
        try:
            found = parse(url)
        except ContractError as exc:
            refused(exc)
            continue
        accepted = True
        assert 1 <= len(found) <= 256
        key = storage_key(found)
        assert len(key) <= 350
        assert not set(key) & set("/\\#?%\t\r\n")
        assert 0 <= shard_of(found, 8) < 8
        assert 0.0 <= draw(found, "salt") < 1.0
    return accepted


ENTRA = EntraSettings(("api://open",), ("https://issuer/",), "http://127.0.0.1:9/keys")


@cache
def _issuer():
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class KnownKeys(TokenChecker):
    """Has its keys from here instead of from the network."""

    async def _fetch(self) -> dict[str, Any]:
        return {"one": _issuer().public_key()}


@cache
def _checker() -> KnownKeys:
    return KnownKeys(ENTRA, lambda: 0.0)


def bearer(data: bytes) -> bool:
    """A bearer token, before anything of it is trusted."""
    checking = _checker().roles(data.decode("latin-1"))
    try:
        checking.send(None)
    except StopIteration as done:
        assert all(type(role) is str for role in done.value)
        return True
    except ContractError as exc:
        assert exc.code is ErrorCode.UNAUTHORIZED, exc
        assert data.decode("latin-1") not in exc.message or len(data) < 20
        return False
    raise AssertionError("a token was waited for")


def _token(header: dict[str, Any], claims: Any) -> bytes:
    payload = json.dumps(claims).encode()
    return jwt.api_jws.encode(payload, _issuer(), "RS256", header).encode()


CLAIMS = {"exp": 4102444800, "iat": 1, "nbf": 1, "iss": "https://issuer/", "aud": "api://open",
          "roles": ["Personalizer.Owner"]}  # fmt: skip
_claims_mutator = json_mutator(tuple(CLAIMS), ("RS256", "none", "HS256", "one", "api://open"))


def mutate_bearer(data: bytes, rng, bytewise: Havoc) -> bytes:
    """Change a part of a token, now and then with a signature that holds."""
    parts = data.split(b".")
    if len(parts) != 3 or rng.random() < 0.2:
        return bytewise(data, rng)
    at = rng.randrange(2)
    try:
        decoded = [jwt.utils.base64url_decode(part) for part in parts]
        decoded[at] = _claims_mutator(decoded[at], rng, bytewise)
        if rng.random() < 0.1:
            signing = b".".join(jwt.utils.base64url_encode(part) for part in decoded[:2])
            algorithm = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
            decoded[2] = algorithm.sign(signing, _issuer())
        return b".".join(jwt.utils.base64url_encode(part) for part in decoded)
    except ValueError:
        return bytewise(data, rng)


def bearer_seeds() -> list[bytes]:
    good = {"kid": "one"}
    return [
        _token(good, CLAIMS),
        _token({"kid": "two"}, CLAIMS),
        _token(good, {**CLAIMS, "exp": 1}),
        _token(good, {**CLAIMS, "aud": ["x", "api://open"], "roles": "a"}),
        _token(good, [1]),
        b"a.b.c",
    ]


URLS = (
    "http://h/personalizer/v1.0/events/e/reward",
    "http://h/personalizer/events/%E6%9D%B1/activate",
    "/loops/shop/events/a%2Fb",
    "http://[x/events/a/b",
    "http://h/evaluations/x?api-version=1",
)
PARTS = ("/", "%", "%2F", "%00", "%FF", "%C3%A9", "%ED%A0%80", "events", "EVENTS", "/events/", "?",
         "#", "//", "://", "[", "]", "personalizer", "v1.0", "multislot", "reward", "activate",
         "loops", "a" * 256, "é")  # fmt: skip

TARGETS = (
    Target("query", query,
           lambda: [urlencode({"from": TIMES[0], "to": TIMES[1], "skip": 3}).encode(),
                    b"from=2026-01-01&to=2026-01-03&interval=PT1H&top=5&maxpagesize=2&skip=1",
                    b"startTime=2026-01-01&endTime=2026-01-02&window=Rolling&intervalInMinutes=60",
                    b"api-version=2022-09-01-preview&signed=true&number=1&filter=",
                    *(member.encode() for member in MEMBERS)],
           text_mutator([*(f"&{member}" for member in MEMBERS), "&", "=", *VALUES, *TEXTS[:12]])),
    Target("times", times, lambda: [each.encode() for each in (*TIMES, *DURATIONS)],
           text_mutator([*TIMES, *DURATIONS, "P", "T", "D", "H", "M", "S", ".", ":", "9" * 9, "-",
                         "+14:00", "Z", "٣"]), 128),
    Target("address", address, lambda: [each.encode() for each in URLS],
           text_mutator(PARTS), 600),
    Target("bearer-token", bearer, bearer_seeds, mutate_bearer),
)  # fmt: skip
