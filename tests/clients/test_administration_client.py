"""The retired service's Python package of 2022-09-01-preview, unmodified: its whole surface."""

import io
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from azure.ai.personalizer import PersonalizerAdministrationClient, PersonalizerClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # a client of 2022 on today's Python

GENUINE = Path(__file__).parents[1] / "contract" / "data" / "genuine-export.zip"
POLICY = {"name": "mine", "arguments": "--cb_explore_adf --epsilon 0.2 --cb_type ips -q ::"}
DEFAULT = "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"
ASKED = {"name": "n", "startTime": "2026-01-01T00:00:00Z", "endTime": "2026-02-01T00:00:00Z"}
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
ACTIONS = [{"id": i, "features": [{"kind": i}]} for i in ("news", "sports", "film")]


@pytest.fixture
def client(endpoint):
    """The client of the administrator."""
    key = AzureKeyCredential(endpoint.key)
    with PersonalizerAdministrationClient(endpoint.url, key) as client:
        yield client


@pytest.fixture
def caller(endpoint):
    """The client of the application."""
    with PersonalizerClient(endpoint.url, AzureKeyCredential(endpoint.key)) as client:
        yield client


def test_rank_activate_and_reward(caller):
    event_id = f"a/b?c#d%e {uuid.uuid4()}"

    ranked = caller.rank(
        {
            "eventId": event_id,
            "actions": ACTIONS,
            "excludedActions": ["film"],
            "deferActivation": True,
        }
    )
    caller.activate(event_id)
    caller.reward(event_id, {"value": 1.0})

    assert ranked["eventId"] == event_id
    assert ranked["rewardActionId"] in ("news", "sports")
    assert ranked["ranking"][2] == {"id": "film", "probability": 0.0}


def test_the_service_configuration(client):
    before = client.get_service_configuration()

    changed = client.update_service_configuration({**before, "rewardWaitTime": "PT20M"})

    assert changed["rewardWaitTime"] == "PT20M"
    assert client.update_service_configuration(before)["rewardWaitTime"] == "PT10M"
    assert changed["modelRetrainDays"] == before["modelRetrainDays"]


def test_the_policy(client):
    put = client.update_policy(POLICY)

    assert put["arguments"] == POLICY["arguments"]
    assert client.get_policy() == put
    assert client.reset_policy()["arguments"] == DEFAULT


def test_evaluations_in_pages(client):
    ids = [f"e {number}" for number in range(3)]
    for evaluation in ids:
        assert client.create_evaluation(evaluation, {**ASKED, "policies": [POLICY]}) is None

    listed = [job["id"] for job in client.list_evaluations(params={"maxpagesize": 2})]

    assert listed == list(reversed(ids))
    assert [job["id"] for job in client.list_evaluations(top=1, skip=1)] == ["e 1"]
    shown = client.get_evaluation("e 0", start_time=START, end_time=END)
    assert (shown["name"], shown["status"]) == ("n", "NotSubmitted")
    for evaluation in ids:
        client.delete_evaluation(evaluation)
    assert list(client.list_evaluations()) == []
    with pytest.raises(ResourceNotFoundError):
        client.delete_evaluation("e 0")


def test_nothing_can_be_applied_yet(client):
    with pytest.raises(ResourceNotFoundError) as refused:
        client.apply_from_evaluation({"evaluationId": "none", "policyName": "mine"})

    assert refused.value.response.headers["x-ms-error-code"] == "EvaluationNotFound"
    assert refused.value.error.code == "EvaluationNotFound"


def test_feature_importances(client):
    assert client.create_feature_importance("f", ASKED) is None

    assert client.get_feature_importance("f")["name"] == "n"
    assert [job["id"] for job in client.list_feature_importances()] == ["f"]
    client.delete_feature_importance("f")
    with pytest.raises(ResourceNotFoundError):
        client.get_feature_importance("f")


def test_the_model(client):
    client.import_model(io.BytesIO(GENUINE.read_bytes()))

    assert b"".join(client.export_model(signed=True))[:2] == b"PK"
    assert len(b"".join(client.export_model())) > 1000
    assert not client.get_model_properties()["creationTime"].startswith("0001")
    client.reset_model()
    assert client.get_model_properties()["creationTime"].startswith("0001")


def test_the_logs(client):
    assert isinstance(client.get_log_properties(), dict)
    assert client.delete_logs() is None


def test_refusals_are_errors_that_the_client_understands(caller, endpoint):
    with pytest.raises(HttpResponseError) as refused:
        caller.rank({"actions": []})
    assert refused.value.status_code == 400
    assert (refused.value.error.code, refused.value.error.target) == (
        "InvalidRankRequest", "actions",
    )  # fmt: skip

    wrong = PersonalizerAdministrationClient(
        endpoint.url, AzureKeyCredential("not-a-key-of-this-app")
    )
    with wrong, pytest.raises(ClientAuthenticationError):
        wrong.get_policy()
