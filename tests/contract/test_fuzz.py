"""Requests made up from the API's own description, good and bad: every answer is described.

``make test`` sends some hundred; ``make fuzz-api`` sends more than 20,000 and writes what came back
to ``artifacts/fuzz-api.json``.
"""

import copy
import json
import os
from collections import Counter, defaultdict
from contextlib import ExitStack
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.contract.operations import KEY_HEADER
from tests.support.api_description import DOCUMENT
from tests.support.loops import new_loop

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5"))
SLOW = {
    "Rank": 4, "Rank_versionless": 4, "MultiSlot_Rank": 4, "MultiSlot_Rank_versionless": 4,
    "Loops_Train": 20, "Loops_Put": 4, "Loops_Delete": 4,
}  # fmt: skip
"""By what the examples of an operation are divided: features, processes and loops take time."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SLOTS = 1
"""Place of the loop that decides for slots."""

API = schemathesis.openapi.from_dict(copy.deepcopy(DOCUMENT))
OPERATIONS = {
    item[method]["operationId"]: API[path][method.upper()]
    for path, item in DOCUMENT["paths"].items()
    for method in ("get", "put", "post", "delete")
    if method in item
}
REPORT = Path(__file__).parents[2] / "artifacts" / "fuzz-api.json"


@pytest.fixture(scope="module")
def loops(running_app):
    """Names of loops that are there to be ruined; one of them decides for slots."""
    slots = {"policy": {"arguments": "--ccb_explore_adf --epsilon 0.2"}}
    with ExitStack() as made:
        yield [
            made.enter_context(new_loop(running_app, document)).name
            for document in (None, slots, None)
        ]


@pytest.fixture(scope="module")
def statuses():
    """How often each operation answered with each status; written down after a long run."""
    found = defaultdict(Counter)
    yield found
    if "FUZZ_EXAMPLES" in os.environ:
        total = sum((Counter(answers) for answers in found.values()), Counter())
        REPORT.parent.mkdir(exist_ok=True)
        report = {"requests": total.total(), "statuses": total, "operations": found}
        REPORT.write_text(json.dumps(report, indent=1, sort_keys=True))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_described(running_app, loops, statuses, name):
    operation = OPERATIONS[name]
    own = operation.path.startswith(("/loops", "/openapi"))
    below = "" if own else f"/loops/{loops[SLOTS if 'multislot' in operation.path else 0]}"
    base = running_app.url.rstrip("/") + below
    strategy = operation.as_strategy() | operation.as_strategy(
        generation_mode=GenerationMode.NEGATIVE
    )

    @seed(1)
    @settings(
        max_examples=max(2, EXAMPLES // SLOW.get(name, 1)),
        suppress_health_check=list(HealthCheck),
        database=None,
        deadline=None,
    )
    @given(strategy, st.sampled_from(loops))
    def check(case, loop):
        if "loop" in case.path_parameters:
            case.path_parameters["loop"] = loop
        answer = case.call(base_url=base, headers={KEY_HEADER: running_app.key}, timeout=60)
        statuses[name][str(answer.status_code)] += 1
        case.validate_response(answer, checks=CHECKS)

    check()

    assert statuses[name]


def test_every_operation_of_the_description_is_sent_to():
    described = {m["operationId"] for i in DOCUMENT["paths"].values() for m in i.values()
                 if isinstance(m, dict)}  # fmt: skip

    assert set(OPERATIONS) == described
