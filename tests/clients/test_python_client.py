"""The retired service's own Python package, unmodified, against the running app."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

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


@pytest.fixture
def client(endpoint):
    with PersonalizerClient(endpoint.url, CognitiveServicesCredentials(endpoint.key)) as client:
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


def test_a_wrong_key_is_refused(endpoint):
    wrong = CognitiveServicesCredentials("not-a-key-of-this-app")
    with (
        PersonalizerClient(endpoint.url, wrong) as client,
        pytest.raises(ErrorResponseException) as refused,
    ):
        client.rank(rank_request())

    assert refused.value.response.status_code == 401
    assert refused.value.error.error.code == "401"


FIRST = Path(sys.prefix) / "clients" / "personalizer-0.1.0"
SCRIPT = """
import json, sys
from azure.cognitiveservices.personalizer import PersonalizerClient, models, version
from msrest.authentication import CognitiveServicesCredentials

client = PersonalizerClient(sys.argv[1], CognitiveServicesCredentials(sys.argv[2]))
actions = [models.RankableAction(id=i, features=[{"kind": i}]) for i in ("pasta", "salad")]
request = models.RankRequest(actions=actions, excluded_actions=["pasta"], event_id="first/0.1.0")
ranked = client.rank(request)
client.events.activate(ranked.event_id)
client.events.reward(ranked.event_id, 1.0)
try:
    client.rank(models.RankRequest(actions=[]))
except models.ErrorResponseException as refused:
    code = refused.error.error.code
print(json.dumps([version.VERSION, ranked.event_id, ranked.reward_action_id, code]))
"""


def test_its_first_version_works_too(endpoint):
    if not FIRST.exists():
        pytest.skip("azure-cognitiveservices-personalizer 0.1.0 is not there; `make setup` gets it")
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, endpoint.url, endpoint.key],
        env={**os.environ, "PYTHONPATH": str(FIRST)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == ["0.1.0", "first/0.1.0", "salad", "InvalidRankRequest"]
