"""The retired service's own Python package, unmodified, against the running app."""

import uuid

import pytest
from azure.cognitiveservices.personalizer import PersonalizerClient
from azure.cognitiveservices.personalizer.models import (
    ErrorResponseException,
    RankableAction,
    RankRequest,
)
from msrest.authentication import CognitiveServicesCredentials
from msrest.exceptions import HttpOperationError

pytestmark = pytest.mark.filterwarnings("ignore")  # a client of 2020 on today's Python

ACTIONS = [
    RankableAction(id=name, features=[{"kind": name}]) for name in ("pasta", "salad", "soup")
]


@pytest.fixture(params=["", "/"])
def client(request, running_app):
    endpoint = running_app.url.rstrip("/") + request.param
    with PersonalizerClient(endpoint, CognitiveServicesCredentials(running_app.key)) as client:
        yield client


def rank_request(**changes):
    fields = {"actions": ACTIONS, "context_features": [{"time": "noon"}], **changes}
    return RankRequest(**fields)


def test_rank_and_reward(client):
    event_id = str(uuid.uuid4())

    ranked = client.rank(rank_request(event_id=event_id))
    client.events.reward(event_id, 0.5)

    assert ranked.event_id == event_id
    assert ranked.reward_action_id in {"pasta", "salad", "soup"}
    assert sum(action.probability for action in ranked.ranking) == pytest.approx(1.0)


def test_the_same_event_id_gets_the_same_decision(client):
    event_id = str(uuid.uuid4())

    chosen = {client.rank(rank_request(event_id=event_id)).reward_action_id for _ in range(3)}

    assert len(chosen) == 1


def test_an_event_id_is_made_when_none_is_given(client):
    assert len(client.rank(rank_request()).event_id) == 38


def test_an_excluded_action_keeps_its_place_and_is_never_chosen(client):
    ranked = client.rank(rank_request(excluded_actions=["salad"]))

    assert ranked.ranking[1].id == "salad"
    assert ranked.ranking[1].probability == 0.0
    assert ranked.reward_action_id != "salad"


@pytest.mark.parametrize("event_id", ["plain", "a/b?c#d%e f", "ü€", "100%25", "%2F"])
def test_a_deferred_event_with_any_id_is_activated_and_rewarded(client, event_id):
    event_id = f"{event_id} {uuid.uuid4()}"
    ranked = client.rank(rank_request(event_id=event_id, defer_activation=True))

    client.events.activate(event_id)
    client.events.reward(event_id, 1.0)

    assert ranked.event_id == event_id


def test_an_invalid_request_is_an_error_that_the_client_understands(client):
    with pytest.raises(ErrorResponseException) as refused:
        client.rank(rank_request(actions=[]))

    assert refused.value.response.status_code == 400
    assert refused.value.error.error.code == "InvalidRankRequest"
    assert refused.value.error.error.target == "actions"


def test_a_reward_out_of_range_is_refused(client):
    with pytest.raises(HttpOperationError) as refused:
        client.events.reward("e", 1.5)

    assert refused.value.response.status_code == 400


def test_a_wrong_key_is_refused(running_app):
    wrong = CognitiveServicesCredentials("not-a-key-of-this-app")
    with (
        PersonalizerClient(running_app.url, wrong) as client,
        pytest.raises(ErrorResponseException) as refused,
    ):
        client.rank(rank_request())

    assert refused.value.response.status_code == 401
    assert refused.value.error.error.code == "401"
