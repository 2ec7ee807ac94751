"""Settings over HTTP, on every version; training on demand; health."""

import pytest

from tests.support.simulation import call

VERSIONS = ["v1.0", "v1.1-preview.1", "v1.1-preview.2", "v1.1-preview.3"]
PATHS = [(f"personalizer/{version}/", "") for version in VERSIONS]
PATHS.append(("personalizer/", "?api-version=2022-09-01-preview"))
DEFAULT = "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"


@pytest.mark.parametrize(("prefix", "query"), PATHS, ids=[*VERSIONS, "2022-09-01-preview"])
def test_every_operation_answers_on_every_version(running_app, prefix, query):
    def ask(method, path, body=None):
        return call(running_app, method, f"{prefix}{path}{query}", body)

    status, service = ask("GET", "configurations/service")
    assert status == 200
    assert ask("PUT", "configurations/service", service) == (
        200,
        ask("GET", "configurations/service")[1],
    )
    arguments = "--cb_explore_adf --epsilon 0.25 --dsjson"
    status, policy = ask("PUT", "configurations/policy", {"name": "x", "arguments": arguments})
    assert (status, policy["arguments"]) == (200, arguments)
    assert ask("GET", "configurations/policy")[1] == policy
    status, policy = ask("DELETE", "configurations/policy")
    assert (status, policy["arguments"]) == (200, DEFAULT)
    assert len(policy["name"]) == 32
    assert set(ask("GET", "model/properties")[1]) == {"creationTime", "lastModifiedTime"}
    body = {"actions": [{"id": "a", "features": [{"x": 1}]}]}
    status, ranked = ask("POST", "rank", body)
    assert (status, ranked["rewardActionId"]) == (201, "a")
    assert ask("POST", f"events/{ranked['eventId']}/activate")[0] == 204
    assert ask("POST", f"events/{ranked['eventId']}/reward", {"value": -1})[0] == 204


def test_the_second_key_opens_too(running_app):
    path = "personalizer/v1.0/configurations/policy"

    assert call(running_app, "GET", path, key="second-key-of-the-tests")[0] == 200


def test_training_on_demand_reports_what_it_did(running_app):
    status, report = call(running_app, "POST", "loops/default/train")

    assert status == 200
    assert report["outcome"] in {"trained", "idle", "busy"}
    assert call(running_app, "POST", "loops/other/train")[0] == 404
    assert call(running_app, "POST", "loops/default/train", key="wrong-key-of-the-tests")[0] == 401


def test_health_needs_no_key(running_app):
    status, health = call(running_app, "GET", "health", key="none at all")

    assert status == 200
    assert (health["alive"], health["ready"], health["storage"]) == (True, True, "reachable")
