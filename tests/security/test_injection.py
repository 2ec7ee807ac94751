"""Whatever a caller calls things, it reads and hits its own rows and blobs only."""

import json
import os
import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import wiring
from shared.contract.errors import ContractError
from shared.contract.jobs import parse_page, render_page
from shared.events.event_ids import KEY_BYTES, storage_key
from shared.events.interaction import Interaction
from shared.events.observation import Observation
from shared.services.jobs import Job, JobKind, JobService
from shared.services.loop_registry import is_loop_name
from shared.services.ports import EventSpace
from shared.settings import Settings
from shared.storage.event_codec import interaction_keys, observation_keys, table_name
from tests.contract.test_odd_requests import exchange  # noqa: F401 (a fixture)

NOW = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)
BUCKET = int(NOW.timestamp()) - 30

HOSTILE = [
    "e", "E", "e ", " e", "e'", "e''", "' or '1' eq '1", "e' or RowKey ge '", "e&$filter=true",
    "e/../f", "../../_loops/default", "..", ".", "e%2F..%2Ff", "e%252F", "e\\f", "e?x", "e#x",
    "e/", "/e", "e.", "e.1", "e~", "~e", "ZQ", "e\x7f", "e\x85", "e\u2028", "e\u200b", "é",
    "e\u0301", "ｅ", "\U0001f600", "CON",
    "e" * 255, "e" * 256, "ü" * 128, "ü" * 128 + "e", "ü" * 256,
    "~" + "0" * 64, "e\u0000".strip("\0") + "-null", "<script>", "${jndi:ldap://x}", "{{7*7}}",
]  # fmt: skip

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256) | st.sampled_from(
    HOSTILE
)


@given(one=ids, other=ids)
def test_keys_are_different_and_hold_nothing_that_means_anything(one, other):
    key = storage_key(one)

    assert re.fullmatch(r"[A-Za-z0-9_-]+|~[0-9a-f]{64}", key)
    assert len(key) <= (KEY_BYTES * 4 + 2) // 3
    assert (key == storage_key(other)) == (one == other)


@given(one=ids, other=ids, observation=st.sampled_from(["0000000000001.abcd", "x"]))
def test_a_range_of_one_events_keys_holds_no_other_events(one, other, observation):
    theirs = storage_key(other), f"{storage_key(other)}.{observation}"
    for key, (low, high) in zip(
        theirs, (interaction_keys(one), observation_keys(one)), strict=True
    ):
        assert (low <= key < high) == (one == other)


@given(st.text(max_size=30) | st.sampled_from(HOSTILE))
def test_only_plain_names_are_loops_and_tables(name):
    if is_loop_name(name):
        table = table_name("interactions", EventSpace(name, 9999, 64, 60), BUCKET)
        assert re.fullmatch(r"[a-z][a-z0-9]{2,62}", table)
    else:
        assert not re.fullmatch(r"[a-z][a-z0-9]{2,19}", name)
    for around in ("{}\n", "\n{}", "{}/", "_{}", "{}e0000d20260101{}x"):
        other = around.format(name, name)
        assert not is_loop_name(other) or re.fullmatch("[a-z0-9]{3,20}", other)


@pytest.fixture
async def stores(azurite):
    environ = {**os.environ, "DATA_STORAGE": azurite, "PERSONALIZER_KEY_1": "k" * 16}
    async with wiring.azure_stores(Settings.from_environ(environ)) as opened:
        yield opened


async def test_each_event_is_found_by_its_id_alone_in_real_tables(stores):
    space = EventSpace("t" + uuid.uuid4().hex[:12], epoch=0, shards=1, bucket_seconds=60)
    await stores.events.prepare(space, NOW)
    for event_id in HOSTILE:
        interaction = Interaction(event_id, NOW, b"{}", ("a",), (0,), (1.0,), "v")
        await stores.events.add_interaction(space, BUCKET, interaction)
        await stores.events.add_observation(space, BUCKET, Observation(event_id, "1.a", NOW, 1.0))

    for event_id in HOSTILE:
        rows, seen = await stores.events.event(space, event_id, BUCKET, BUCKET + 60)
        assert [each.event_id for each in (*rows, *seen)] == [event_id, event_id]
    everything = await stores.events.interactions(space, BUCKET, BUCKET + 60)
    assert sorted(each.event_id for _, each in everything) == sorted(set(HOSTILE))


async def test_each_job_is_a_blob_of_its_own_below_its_loop(stores):
    loop = "t" + uuid.uuid4().hex[:12]
    jobs = JobService(loop, stores.blobs)
    for name in HOSTILE:
        job = Job(name, name, NOW, NOW + timedelta(days=1), NOW)
        await jobs.create(JobKind.EVALUATION, job)

    for name in HOSTILE:
        assert (await jobs.find(JobKind.EVALUATION, name)).id == name
    below = [name async for name in stores.blobs.names(f"{loop}/")]
    assert len(below) == len(set(HOSTILE))
    assert all(re.fullmatch(rf"{loop}/evaluations/[\w~-]+\.json", name) for name in below)
    for name in HOSTILE:
        await jobs.delete(JobKind.EVALUATION, name)
    assert [name async for name in stores.blobs.names(f"{loop}/")] == []


V1 = "/personalizer/v1.0"
INJECTED = ("%0d%0aX-Injected:%20yes", "%0aX-Injected:%20yes", "%E5%98%8D%E5%98%8AX-Injected:yes")


@pytest.mark.parametrize("tail", INJECTED)
def test_no_header_can_be_slipped_in(exchange, tail):  # noqa: F811 (the fixture)
    targets = [
        ("POST", f"{V1}/events/{tail}/reward", b'{"value":1}'),
        ("GET", f"{V1}/evaluations/{tail}", b""),
        ("GET", f"/personalizer/evaluations?api-version=2022-09-01-preview&skip={tail}", b""),
        ("GET", f"/loops/{tail}", b""),
        ("GET", f"/loops/default/decisions/{tail}", b""),
        ("GET", f"/loops/default/log?from={tail}", b""),
        ("GET", f"/demo/{tail}/", b""),
        ("GET", f"/static/{tail}", b""),
        ("POST", f"{V1}/rank?{tail}", b'{"actions":[{"id":"a","features":[{"x":1}]}]}'),
    ]
    for method, target, body in targets:
        status, headers, _ = exchange(method, target, body)
        assert status < 500
        assert "x-injected" not in headers
        assert not any("injected" in value.lower() for value in headers.values())


def test_an_evaluations_address_holds_only_an_id_of_ours(exchange):  # noqa: F811 (the fixture)
    body = {"name": "x\u2028\r\nX-Injected: yes", "policies": []}
    body |= {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-02T00:00:00Z"}
    refused, _, _ = exchange("POST", f"{V1}/evaluations", json.dumps(body).encode())
    body["name"] = "x\u2028X-Injected: yes"
    made, headers, _ = exchange("POST", f"{V1}/evaluations", json.dumps(body).encode())

    assert (refused, made) == (400, 201)
    assert re.fullmatch(rf"{V1}/evaluations/[0-9a-f-]{{36}}", headers["location"])


@pytest.mark.parametrize(
    "target",
    ["/loops/_loops", "/loops/default%2F..%2Fother", "/loops/..%2f_loops", "/loops/DEFAULT'",
     "/loops/default%00", "/loops/defaulte0000d20260101", "/loops/x' or 'a' eq 'a"],
)  # fmt: skip
def test_a_hostile_loop_is_none(exchange, target):  # noqa: F811 (the fixture)
    status, _, body = exchange("GET", target.replace(" ", "%20"))

    assert status in (400, 401, 404)
    assert b"serviceConfiguration" not in body


@given(st.dictionaries(st.sampled_from(["skip", "top", "maxpagesize"]), st.text(max_size=12)))
def test_a_page_is_three_numbers_or_refused(parameters):
    try:
        page = parse_page(parameters)
    except ContractError as exc:
        assert exc.target in parameters
        return
    body = json.loads(render_page([{}] * 3, page, "http://h/p", parameters))

    assert len(body["value"]) <= 3
