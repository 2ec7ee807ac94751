"""The retired service's npm package of v1.1-preview.3, unmodified, over its whole surface."""

import json
import subprocess
from pathlib import Path

import pytest

from devserver.azurite import find_node

SCRIPT = Path(__file__).with_name("rest_client.cjs")
GENUINE = Path(__file__).parents[1] / "contract" / "data" / "genuine-export.zip"
DEFAULT = "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"


@pytest.fixture(scope="module")
def got(endpoint):
    """What each call of the client came back with."""
    ran = subprocess.run(
        [find_node(), str(SCRIPT), endpoint.url.rstrip("/"), endpoint.key, str(GENUINE)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    printed = json.loads(ran.stdout)
    return printed["got"] | {"eventId": printed["eventId"]}


STATUSES = {
    "rank": 201, "activate": 204, "reward": 204,
    "service": 200, "serviceUpdated": 200, "serviceBack": 200,
    "policyUpdated": 200, "policy": 200, "policyReset": 200,
    "evaluationMade": 201, "evaluation": 200, "evaluations": 200, "evaluationGone": 204,
    "modelImported": 204, "model": 200, "modelProperties": 200, "modelReset": 204,
    "logProperties": 200, "logsGone": 204,
    "automatic": 200, "slotsOn": 200, "slotsRanked": 201, "slotsActivated": 204,
    "slotsRewarded": 204, "slotsOff": 200, "automaticAgain": 200,
}  # fmt: skip
REFUSED = {
    "applied": (404, "EvaluationNotFound"),
    "interactions": (400, "InvalidRequest"),
    "observations": (400, "InvalidRequest"),
    "unauthorized": (401, "401"),
}


def test_every_call_has_its_status(got):
    assert {name: got[name]["status"] for name in STATUSES} == STATUSES
    assert set(got) == STATUSES.keys() | REFUSED.keys() | {"eventId"}


def test_refusals_are_errors_that_the_client_reads(got):
    found = {name: (got[name]["status"], got[name]["body"]["error"]["code"]) for name in REFUSED}

    assert found == REFUSED
    assert all(got[name]["unexpected"] for name in REFUSED)


def test_the_client_expects_what_it_gets(got, endpoint):
    if "/loops/" in endpoint.url:
        pytest.skip("the client's isUnexpected takes any endpoint with a path for unexpected")
    # So it does with paths that have a parameter.
    with_parameter = {"activate", "reward", "evaluation", "evaluationGone"}
    with_parameter |= {"slotsActivated", "slotsRewarded"}

    assert {name for name in STATUSES if got[name]["unexpected"]} == with_parameter


def test_the_answers_say_what_was_asked(got):
    assert got["rank"]["body"]["eventId"] == got["eventId"]
    assert got["rank"]["body"]["ranking"][2] == {"id": "film", "probability": 0}
    assert got["service"]["body"]["rewardWaitTime"] == "PT10M"
    assert got["serviceUpdated"]["body"]["rewardWaitTime"] == "PT20M"
    assert got["policyUpdated"]["body"] == got["policy"]["body"]
    assert got["policyReset"]["body"]["arguments"] == DEFAULT
    assert got["evaluationMade"]["body"] in got["evaluations"]["body"]
    assert got["evaluationMade"]["location"].endswith(f"/{got['evaluation']['body']['id']}")
    assert got["model"]["body"] > 1000
    assert got["slotsRanked"]["body"]["slots"][0]["rewardActionId"] in ("news", "sports", "film")
