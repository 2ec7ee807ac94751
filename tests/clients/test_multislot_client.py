"""The retired service's newer Python package, unmodified, against a loop with slots."""

import uuid

import pytest
from azure.ai.personalizer import PersonalizerAdministrationClient, PersonalizerClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError

from tests.support.simulation import call

ACTIONS = [
    {"id": name, "features": [{"type": name}]} for name in ("News", "Sports", "Entertainment")
]
REQUEST = {
    "contextFeatures": [{"user": {"isNew": True}}],
    "actions": ACTIONS,
    "slots": [
        {
            "id": "Main Article",
            "baselineAction": "News",
            "features": [{"Size": "Large", "Position": "Top Middle"}],
            "excludedActions": ["Sports"],
        },
        {"id": "Side Bar", "baselineAction": "Sports", "features": [{"Size": "Small"}]},
    ],
}
POLICY = {"name": "mine", "arguments": "--ccb_explore_adf --epsilon 0.2 -q ::"}
REWARDS = {"reward": [{"slotId": "Main Article", "value": 1.0}]}


@pytest.fixture
def clients(running_app):
    """Both clients of a new loop, which goes when the app does."""
    name = "c" + uuid.uuid4().hex[:10]
    status, made = call(running_app, "PUT", f"loops/{name}")
    assert status == 201
    endpoint, key = f"{running_app.url}loops/{name}", AzureKeyCredential(made["keys"][0])
    with (
        PersonalizerClient(endpoint, key) as client,
        PersonalizerAdministrationClient(endpoint, key) as owner,
    ):
        yield client, owner


def switch_on(owner):
    configuration = owner.get_service_configuration()
    owner.update_service_configuration({**configuration, "isAutoOptimizationEnabled": False})
    return owner.update_policy(POLICY)


def refusal(method, *arguments):
    with pytest.raises(HttpResponseError) as refused:
        method(*arguments)
    return refused.value.status_code, refused.value.error.code


def test_rank_activate_and_reward(clients):
    client, owner = clients
    assert switch_on(owner)["arguments"] == POLICY["arguments"]
    event_id = f"python/{uuid.uuid4()}?#% ü"

    ranked = client.rank_multi_slot({**REQUEST, "eventId": event_id, "deferActivation": True})

    main, side = ranked["slots"]
    assert (ranked["eventId"], main["id"], side["id"]) == (event_id, "Main Article", "Side Bar")
    assert main["rewardActionId"] in ("News", "Entertainment")
    assert side["rewardActionId"] != main["rewardActionId"]
    assert client.activate_multi_slot(event_id) is None
    assert client.reward_multi_slot(event_id, REWARDS) is None
    assert client.rank_multi_slot(REQUEST)["eventId"]


def test_refusals(clients):
    client, owner = clients
    disabled = (400, "InvalidMultiSlotApiAccess")
    assert refusal(client.rank_multi_slot, REQUEST) == disabled
    assert refusal(client.reward_multi_slot, "e", REWARDS) == disabled
    assert refusal(client.activate_multi_slot, "e") == disabled
    incompatible = (403, "ProblemTypeIncompatibleWithAutoOptimization")
    assert refusal(owner.update_policy, POLICY) == incompatible

    switch_on(owner)
    client.rank_multi_slot(REQUEST)  # with it the process knows

    assert refusal(client.rank_multi_slot, {**REQUEST, "slots": []}) == (400, "InvalidRankRequest")
    assert refusal(client.rank, {"actions": ACTIONS}) == (403, "InvalidApiAccess")
    assert refusal(client.reward, "e", {"value": 1.0}) == (403, "InvalidApiAccess")
    assert refusal(client.activate, "e") == (403, "InvalidApiAccess")
    assert "--ccb_explore_adf" in owner.reset_policy()["arguments"]
