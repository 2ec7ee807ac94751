"""The API's description says what the parsers accept, and answers are as it says."""

import copy
import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.core import NOT_SET

from shared.contract import openapi
from shared.contract.descriptions import DESCRIPTIONS, TAGS
from shared.contract.errors import ContractError, ErrorCode
from shared.contract.evaluations import MAX_POLICIES, parse_evaluation, parse_reference
from shared.contract.feature_importances import parse_feature_importance
from shared.contract.fields import MAX_ID
from shared.contract.loop_document import parse_loop_document
from shared.contract.multislot import parse_slots_rank
from shared.contract.operations import (
    APPLY_FROM_EVALUATION,
    CREATE_EVALUATION,
    CREATE_FEATURE_IMPORTANCE,
    MULTI_SLOT_RANK,
    MULTI_SLOT_REWARD,
    OPERATIONS,
    PUT_EVALUATION,
    PUT_LOOP,
    PUT_POLICY,
    PUT_SERVICE,
    RANK,
    REWARD,
)
from shared.contract.policy import parse_policy
from shared.contract.rank import MAX_ACTIONS, parse_rank
from shared.contract.reward import parse_reward, parse_slot_rewards
from shared.contract.service_configuration import parse_service_configuration
from shared.contract.versions import ApiVersion
from shared.services.loop_settings import LoopSettings
from tests.golden.test_golden import GOLDEN
from tests.support.api_description import (
    DOCUMENT,
    codes,
    described,
    is_newest,
    json_schema,
    validator,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CURRENT = LoopSettings(policy_name="p", last_edit=NOW)
ROOT = Path(__file__).resolve().parent.parent.parent
PARSERS = {
    RANK: parse_rank,
    REWARD: parse_reward,
    MULTI_SLOT_RANK: parse_slots_rank,
    MULTI_SLOT_REWARD: parse_slot_rewards,
    PUT_POLICY: lambda body: parse_policy(body, CURRENT, NOW),
    CREATE_EVALUATION: lambda body: parse_evaluation(body, "e", NOW),
    PUT_EVALUATION: lambda body: parse_evaluation(body, "e", NOW),
    APPLY_FROM_EVALUATION: parse_reference,
    CREATE_FEATURE_IMPORTANCE: lambda body: parse_feature_importance(body, "f", NOW),
    PUT_LOOP: lambda body: parse_loop_document(body, lambda: NOW),
}
VARIANTS = [(operation, False) for operation in (*PARSERS, PUT_SERVICE)] + [(PUT_SERVICE, True)]
variants = pytest.mark.parametrize(
    ("operation", "newest"), VARIANTS, ids=lambda v: getattr(v, "name", "newest" if v else "")
)
API = schemathesis.openapi.from_dict(copy.deepcopy(DOCUMENT))


def parse(operation, newest, body):
    """Parse a body as the app does; return the refusal's code, or None."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    version = openapi.NEWEST if newest else ApiVersion.V1_0
    try:
        if operation is PUT_SERVICE:
            parse_service_configuration(text, CURRENT, version, NOW)
        else:
            PARSERS[operation](text)
    except ContractError as refused:
        return refused.code.text
    return None


def request_of(operation, newest):
    return described(operation, newest=newest)["requestBody"]


def requests_validator(operation, newest):
    return validator(json_schema(request_of(operation, newest)))


def test_the_document_is_valid_openapi():
    API.validate()

    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_every_operation_is_described_once():
    ids = [m["operationId"] for i in DOCUMENT["paths"].values() for m in i.values()
           if isinstance(m, dict)]  # fmt: skip

    assert set(DESCRIPTIONS) == set(OPERATIONS)
    assert len(set(ids)) == len(ids)
    assert {operation.name for operation in OPERATIONS} < set(ids)
    assert {description.tag for description in DESCRIPTIONS.values()} == set(TAGS)


def test_every_error_code_is_described():
    found = set().union(*(codes(o, newest=True) for o in OPERATIONS))
    elsewhere = {ErrorCode.METHOD_NOT_ALLOWED}  # it is the answer where there is no operation

    assert found == {code.text for code in ErrorCode} - {code.text for code in elsewhere}


def test_its_version_is_the_projects():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert DOCUMENT["info"]["version"] == project["version"]


def test_every_json_request_has_a_parser_here():
    with_json = {o for o in OPERATIONS if json_schema(described(o).get("requestBody", {}))}

    assert with_json == {operation for operation, _ in VARIANTS}


@variants
def test_examples_are_accepted_by_schema_and_parser(operation, newest):
    content = request_of(operation, newest)["content"]["application/json"]

    assert content["examples"]
    for example in content["examples"].values():
        requests_validator(operation, newest).validate(example["value"])
        assert parse(operation, newest, example["value"]) is None


def test_examples_of_answers_fit():
    for operation in OPERATIONS:
        for response in described(operation)["responses"].values():
            content = response.get("content", {}).get("application/json", {})
            for example in content.get("examples", {}).values():
                validator(content["schema"]).validate(example["value"])


@pytest.mark.parametrize("name", [name for name, golden in GOLDEN.items() if "response" in golden])
def test_answers_of_the_retired_service_fit(name):
    golden = GOLDEN[name]
    operation = next(o for o in OPERATIONS if o.name == golden["operation"])
    answer = described(operation, newest=is_newest(golden["version"]))["responses"]

    validator(json_schema(answer[str(operation.success)])).validate(golden["response"])


@pytest.mark.parametrize(
    ("operation", "newest"),
    [v for v in VARIANTS if v[0] not in (RANK, MULTI_SLOT_RANK)],  # features take minutes
    ids=lambda v: getattr(v, "name", "newest" if v else ""),
)
def test_what_the_schema_allows_is_accepted_or_refused_with_a_described_code(operation, newest):
    path = next(p for p, item in DOCUMENT["paths"].items() if described(operation, newest=newest)
                in item.values())  # fmt: skip
    accepted = set()

    @settings(max_examples=40, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(API[path][operation.method].as_strategy())
    def check(case):
        code = parse(operation, newest, b"" if case.body is NOT_SET else case.body)
        assert code is None or code in codes(operation, newest=newest)
        accepted.add(code)

    check()
    assert accepted


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**40), 2**40)
    | st.sampled_from(["", "_a", "a", "P1D", "PT10M", "2026-03-01", "--cb_explore_adf", "e" * 257]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "b", "_c", "id", "features", ""]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@st.composite
def nearly(draw, example):
    """An example with one place in it replaced by anything, or taken away."""
    body = copy.deepcopy(example)
    at = body
    while True:
        place = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        inner = at[place]
        if not (isinstance(inner, dict | list) and inner and draw(st.booleans())):
            break
        at = inner
    if draw(st.integers(0, 4)) == 0:
        del at[place]
    else:
        at[place] = draw(JSON)
    return body


@variants
def test_parser_and_schema_refuse_the_same(operation, newest):
    """What the parser accepts the schema allows; what only the parser refuses has a known code."""
    content = request_of(operation, newest)["content"]["application/json"]
    examples = [example["value"] for example in content["examples"].values()]
    check_schema = requests_validator(operation, newest)

    @settings(max_examples=300, derandomize=True)
    @given(st.sampled_from(examples).flatmap(nearly))
    def check(body):
        code = parse(operation, newest, body)
        if code is None:
            check_schema.validate(body)
        else:
            assert code in codes(operation, newest=newest)

    check()


def action(name, **features):
    return {"id": name, "features": [features or {"x": 1}]}


@pytest.mark.parametrize(
    ("operation", "body", "fits"),
    [
        (RANK, {"actions": [action(str(i)) for i in range(MAX_ACTIONS)]}, True),
        (RANK, {"actions": [action(str(i)) for i in range(MAX_ACTIONS + 1)]}, False),
        (RANK, {"actions": []}, False),
        (RANK, {"actions": [action("a" * MAX_ID)]}, True),
        (RANK, {"actions": [action("a" * (MAX_ID + 1))]}, False),
        (RANK, {"actions": [action("a\n")]}, False),
        (RANK, {"actions": [action("a", x={"y": {"z": [1, 2]}})]}, True),
        (RANK, {"actions": [action("a", x=["b"])]}, False),
        (RANK, {"actions": [action("a", **{"": 1})]}, False),
        (RANK, {"actions": [action("a", x=1e39)]}, False),
        (RANK, {"actions": [action("a")], "eventId": ""}, False),
        (MULTI_SLOT_REWARD, {"reward": [{"slotId": "", "value": 1}]}, False),
        (MULTI_SLOT_REWARD, {"reward": [{"slotId": "a", "value": 2}]}, False),
        (MULTI_SLOT_RANK, {"actions": [action("a")], "slots": []}, False),
        (MULTI_SLOT_RANK, {"actions": [action("a")], "slots": [{"id": "s"}]}, False),
        (REWARD, {"value": 1}, True),
        (REWARD, {"value": 1.01}, False),
        (REWARD, {}, False),
        (PUT_POLICY, {"name": "p", "arguments": "--cb_explore_adf".ljust(1025)}, False),
        (
            CREATE_EVALUATION,
            {
                "name": "e",
                "startTime": "2026-01-01",
                "endTime": "2026-01-02",
                "policies": [{"name": str(i), "arguments": ""} for i in range(MAX_POLICIES + 1)],
            },
            False,
        ),
        (PUT_LOOP, {"servceConfiguration": {}}, False),
    ],
)
def test_limits_of_schema_and_parser_are_the_same(operation, body, fits):
    assert requests_validator(operation, False).is_valid(body) == fits
    assert (parse(operation, False, body) is None) == fits


def test_it_is_generated_once_and_its_tag_follows_its_content():
    text, tag = openapi.document()

    assert openapi.document() == (text, tag)
    assert msgspec.json.decode(text) == DOCUMENT
    assert tag.startswith('"')
