"""What clients were recorded to send is answered in the shape that was recorded."""

import pytest

from shared.contract.operations import OPERATIONS
from tests.golden.test_golden import GOLDEN
from tests.support.loops import new_loop
from tests.support.simulation import call

RECORDED = {
    name: golden for name, golden in GOLDEN.items() if golden["source"].startswith("recorded")
}
OPERATION = {operation.name: operation for operation in OPERATIONS}
SLOTS = "--ccb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"


def shape(value):
    """Return a value's members and types; numbers are one type, as in JSON."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return "number" if type(value) in (int, float) else type(value).__name__


@pytest.fixture
def loop(running_app):
    """The path of a new loop."""
    with new_loop(running_app) as loop:
        yield f"loops/{loop.name}"


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_request_gets_an_answer_of_the_recorded_shape(running_app, loop, name):
    golden = RECORDED[name]
    operation = OPERATION[golden["operation"]]
    if operation.name.startswith("MultiSlot"):
        document = {
            "serviceConfiguration": {"isAutoOptimizationEnabled": False},
            "policy": {"arguments": SLOTS},
        }
        assert call(running_app, "PUT", loop, document)[0] == 200

    status, answer = call(
        running_app,
        operation.method,
        f"{loop}/personalizer/{golden['version']}/{operation.path}",
        golden.get("request"),
    )

    assert status == operation.success, answer
    assert shape(answer) == shape(golden["response"])
    assert answer.get("eventId") == golden.get("request", {}).get("eventId", answer.get("eventId"))


def test_there_are_recordings_of_rank_settings_and_policy():
    found = {golden["operation"] for golden in RECORDED.values()}

    assert {"Rank", "ServiceConfiguration_Get", "Policy_Update"} <= found
