"""Requests that no client should send, byte by byte: an answer that fits, and never a 5xx."""

import json
import socket
from urllib.parse import urlsplit

import pytest

RANK = b'{"actions":[{"id":"a","features":[{"x":1}]}]}'
V1 = "/personalizer/v1.0"
SERIES = "startTime=2026-01-01&endTime=2026-02-01"
NEWEST = "api-version=2022-09-01-preview"


@pytest.fixture
def exchange(running_app):
    """Send bytes, as they are, and return status, headers and body of the answer."""
    where = urlsplit(running_app.url)

    def send(method, target, body=b"", **changes):
        headers = {
            "Host": where.netloc,
            "Ocp-Apim-Subscription-Key": running_app.key,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
        text = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
        with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
            connection.sendall(text)
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        head, _, rest = answer.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        named = {name.lower(): value for name, value in (f.split(": ", 1) for f in fields)}
        return int(first.split()[1]), named, rest

    return send


def code(body):
    return json.loads(body)["error"]["code"]


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        (f"{V1}/rank", "POST"),
        (f"{V1}/events/e/reward", "POST"),
        (f"{V1}/configurations/policy", "DELETE, GET, PUT"),
        (f"/personalizer/evaluations/x?{NEWEST}", "DELETE, GET, PUT"),
        ("/loops/default/personalizer/v1.0/rank", "POST"),
        ("/loops/default/train", "POST"),
    ],
)
@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PATCH"])
def test_other_methods_are_told_which_there_are(exchange, method, target, allowed):
    status, headers, body = exchange(method, target)

    assert (status, headers["allow"]) == (405, allowed)
    assert (body == b"") == (method == "HEAD")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW", "rank"])
def test_methods_that_nobody_has_are_refused(exchange, method):
    assert 400 <= exchange(method, f"{V1}/rank")[0] < 500


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("POST", f"{V1}/rank/", RANK, 201),
        ("POST", f"/{V1}/rank", RANK, 201),
        ("POST", f"{V1}/events/e/reward/", b'{"value":1}', 204),
        ("POST", f"{V1}/events/e/activate/", b"", 204),
        ("GET", f"{V1}/configurations/policy/", b"", 200),
        ("GET", f"/personalizer/evaluations/nosuch/?{NEWEST}&{SERIES}", b"", 404),
        ("POST", "/PERSONALIZER/V1.0/RANK", RANK, 201),
        ("GET", "/loops/", b"", 200),
    ],
)  # fmt: skip
def test_slashes_at_the_end_and_case_do_not_matter(exchange, method, target, body, status):
    assert exchange(method, target, body)[0] == status


@pytest.mark.parametrize(
    ("target", "status", "error"),
    [
        (f"{V1}/events/%/reward", 204, None),
        (f"{V1}/events/%zz/reward", 204, None),
        (f"{V1}/events/%E0%A4/reward", 400, "InvalidEventIdToActivate"),
        (f"{V1}/events/%FF%2F/reward", 400, "InvalidEventIdToActivate"),
        (f"{V1}/events/%0A/reward", 400, "InvalidEventIdToActivate"),
        (f"{V1}/events/%2F%2F/reward", 204, None),
        (f"{V1}/events//reward", 404, "ResourceNotFound"),
        (f"{V1}/events/../rank/reward", 404, "ResourceNotFound"),
        ("/personalizer/%FF/rank", 404, "ResourceNotFound"),
        ("/personalizer/v1.0%2Frank", 404, "ResourceNotFound"),
        ("/personalizer/v1.1/rank", 404, "ResourceNotFound"),
        ("/personalizer/v1.1-preview/rank", 404, "ResourceNotFound"),
        ("/personalizer/rank?api-version=%FF", 400, "BadRequest"),
        ("/personalizer/rank?api-version=", 400, "BadRequest"),
        ("/personalizer/rank?api-version=v1.0", 400, "BadRequest"),
        ("/personalizer/rank?api-version=2022-09-01-preview&api-version=x", 400, "BadRequest"),
        ("/personalizer/rank?API-VERSION", 400, "BadRequest"),
        ("/personalization/v1.0/rank", 404, "ResourceNotFound"),
        ("/personalization", 404, None),
        ("/loops/%FF/train", 404, "ResourceNotFound"),
        ("/loops/..%2F..%2F/train", 404, "ResourceNotFound"),
        ("/loops/NUL/personalizer/v1.0/rank", 404, "ResourceNotFound"),
    ],
)
def test_odd_targets_have_documented_answers(exchange, target, status, error):
    found, _, body = exchange("POST", target, b'{"value":1}')

    assert found == status, body
    if error:
        assert code(body) == error


@pytest.mark.parametrize(
    "target",
    [
        f"/personalizer/evaluations?{NEWEST}&skip=-1&top=x&maxpagesize=1e9",
        f"/personalizer/evaluations?{NEWEST}&filter=%00%FF",
        f"{V1}/evaluations?top=%D9%A3",
        f"{V1}/model?signed=1",
        "/loops/default/log?from=0001-01-01&to=0001-01-01",
        "/loops/default/log?to=0001-01-01T00:00:00%2B23:59",
        "/loops/default/log?from=9999-12-31T23:59:59-23:59&to=9999-12-31",
        "/loops/default/log?to=9999-12-31T23:59:59.999999",
        "/loops/default/metrics?from=0001-01-01&to=9999-12-31&interval=P999999D",
        "/loops/default/metrics?interval=PT0S",
    ],
)
def test_odd_queries_never_fail(exchange, target):
    status, _, body = exchange("GET", target)

    assert status in (200, 400), body


@pytest.mark.parametrize("host", ["[", "[::1", "a b", "]", "", "h:99999", "%", "é"])
@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", f"{V1}/evaluations/x", b""),
        ("POST", f"{V1}/events/e/reward", b'{"value":1}'),
        ("GET", "/loops/default/log", b""),
        ("GET", "/personalizer/nothing", b""),
        ("GET", f"/personalizer/evaluations?{NEWEST}", b""),
    ],
)
def test_a_host_that_is_none_never_fails(exchange, host, method, target, body):
    assert exchange(method, target, body, Host=host)[0] < 500


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "text/plain",
        "application/json; charset=utf-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "nonsense",
        "application/json; charset=\xff",
    ],
)
def test_the_media_type_of_a_request_does_not_matter(exchange, media_type):
    assert exchange("POST", f"{V1}/rank", RANK, Content_Type=media_type)[0] == 201


def test_a_byte_order_mark_is_no_part_of_a_body(exchange):
    assert exchange("POST", f"{V1}/rank", b"\xef\xbb\xbf" + RANK)[0] == 201
    assert exchange("POST", f"{V1}/rank", b"\xef\xbb\xbf\xef\xbb\xbf" + RANK)[0] == 400


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-be", "cp037"])
def test_a_body_in_another_encoding_is_refused(exchange, encoding):
    status, _, body = exchange("POST", f"{V1}/rank", RANK.decode().encode(encoding))

    assert (status, code(body)) == (400, "BadRequest")


def test_of_a_name_that_comes_twice_the_last_value_counts(exchange):
    body = b'{"eventId":1,"eventId":"e","actions":1,' + RANK[1:]

    status, _, answer = exchange("POST", f"{V1}/rank", body)

    assert (status, json.loads(answer)["eventId"]) == (201, "e")


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Large": "x" * 70_000},
        {"Ocp_Apim_Subscription_Key": "k" * 40_000},
        {"Ocp_Apim_Subscription_Key": "\xff\xfe"},
        {"Ocp_Apim_Subscription_Key": None, "Authorization": "Bearer " + "a." * 20_000},
        {"Ocp_Apim_Subscription_Key": None, "Authorization": "Bearer"},
        {"Ocp_Apim_Subscription_Key": None, "Authorization": "\xff"},
        {"If_None_Match": '"' * 30_000},
        {"Accept_Encoding": "gzip;q=x, \xff"},
        {"Content_Length": "-1"},
        {"Content_Length": "x"},
        {"Transfer_Encoding": "gzip"},
    ],
)
def test_odd_headers_never_fail(exchange, headers):
    for method, target in (("POST", f"{V1}/rank"), ("GET", "/openapi.json")):
        assert exchange(method, target, **headers)[0] < 500


@pytest.mark.parametrize("target", ["*", "rank", "http://other/personalizer/v1.0/rank", "/%", "//"])
def test_odd_forms_of_the_target_never_fail(exchange, target):
    assert exchange("GET", target)[0] < 500


def test_the_path_of_2019_is_told_the_right_one(exchange):
    status, _, body = exchange("POST", "/personalization/v1.0/rank", RANK)

    assert status == 404
    assert "/personalizer/v1.0/" in json.loads(body)["error"]["message"]
