"""Evaluations and feature importances are kept, listed, shown and deleted, on every version."""

import http.client
import json
from urllib.parse import quote, urlsplit

import pytest

from shared.services.jobs import JobKind
from tests.support.simulation import call

NEWEST = "?api-version=2022-09-01-preview"
SERIES = "&startTime=2026-01-01T00:00:00Z&endTime=2026-02-01T00:00:00Z"
ASKED = {
    "name": "mine",
    "startTime": "2026-01-01T00:00:00Z",
    "endTime": "2026-02-01T00:00:00Z",
    "policies": [{"name": "p", "arguments": "--cb_explore_adf --epsilon 0.1"}],
}


@pytest.fixture
def ask(running_app):
    """Send a request to the default loop, which has no jobs before and after."""

    def forget(path):
        for job in call(running_app, "GET", f"personalizer/{path}{NEWEST}")[1]["value"]:
            job_id = quote(job["id"], safe="")
            call(running_app, "DELETE", f"personalizer/{path}/{job_id}{NEWEST}")

    def send(method, path, body=None):
        return call(running_app, method, f"personalizer/{path}", body)

    yield send
    for path in ("evaluations", "featureImportances"):
        forget(path)


def asked(**changes):
    body = {**ASKED, **changes}
    return {name: value for name, value in body.items() if value is not ...}


@pytest.mark.parametrize("version", ["v1.0", "v1.1-preview.1", "v1.1-preview.2", "v1.1-preview.3"])
def test_an_evaluation_is_kept_and_says_that_it_has_not_run(ask, version):
    status, made = ask("POST", f"{version}/evaluations", ASKED)

    assert (status, made["status"]) == (201, "notSubmitted")
    assert made["policyResults"][0]["name"] == "p"
    assert ("optimalPolicy" in made) == (version != "v1.0")
    assert ask("GET", f"{version}/evaluations/{made['id']}") == (200, made)
    assert ask("GET", f"{version}/evaluations") == (200, [made])
    assert ask("DELETE", f"{version}/evaluations/{made['id']}")[0] == 204
    status, refused = ask("GET", f"{version}/evaluations/{made['id']}")
    assert (status, refused["error"]["code"]) == (404, "EvaluationNotFound")


def test_a_new_evaluation_says_where_it_is(running_app):
    connection = http.client.HTTPConnection(urlsplit(running_app.url).netloc, timeout=30)
    headers = {"Ocp-Apim-Subscription-Key": running_app.key}
    connection.request("POST", "/personalizer/v1.0/evaluations", json.dumps(ASKED), headers)
    answer = connection.getresponse()
    made = json.loads(answer.read())
    connection.close()

    location = answer.headers["Location"]
    assert location == f"/personalizer/v1.0/evaluations/{made['id']}"
    assert call(running_app, "GET", location[1:])[1] == made
    assert call(running_app, "DELETE", location[1:])[0] == 204


def test_the_newest_version_names_evaluations_itself(ask):
    path = f"evaluations/{quote('my/id?', safe='')}{NEWEST}"
    assert ask("PUT", path, ASKED) == (200, None)

    status, refused = ask("PUT", path, ASKED)
    assert (status, refused["error"]["code"]) == (400, "EvaluationAlreadyExists")
    status, shown = ask("GET", path + SERIES)
    assert (status, shown["id"], shown["status"]) == (200, "my/id?", "NotSubmitted")
    assert shown["content"]["value"] == []
    listed = ask("GET", f"evaluations{NEWEST}")[1]
    assert [job["id"] for job in listed["value"]] == ["my/id?"]
    assert ask("GET", f"evaluations{NEWEST}&filter=evaluationType%20eq%20'Auto'")[1]["value"] == []


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("", "startTime"),
        ("&startTime=2026-01-01", "endTime"),
        ("&startTime=x&endTime=2026-01-01", "startTime"),
        (f"{SERIES}&intervalInMinutes=7", "intervalInMinutes"),
        (f"{SERIES}&intervalInMinutes=60", "intervalInMinutes"),
        (f"{SERIES}&window=Rolling", "intervalInMinutes"),
        (f"{SERIES}&window=Sliding", "window"),
    ],
)
def test_a_wrong_series_is_refused_by_name(ask, query, target):
    status, refused = ask("GET", f"evaluations/x{NEWEST}{query}")

    assert (status, refused["error"]["target"]) == (400, target)


@pytest.mark.parametrize(
    ("body", "code", "target"),
    [
        (asked(name=...), "InvalidEvaluationContract", "name"),
        (asked(startTime=...), "InvalidEvaluationContract", "startTime"),
        (asked(endTime="soon"), "InvalidEvaluationContract", "endTime"),
        (asked(endTime="2025-01-01"), "InvalidEvaluationContract", "endTime"),
        (asked(policies=...), "InvalidEvaluationContract", "policies"),
        (asked(policies={}), "InvalidEvaluationContract", "policies"),
        (asked(policies=[7]), "InvalidEvaluationContract", "policies[0]"),
        (asked(policies=[{"name": "p"}]), "InvalidEvaluationContract", "policies[0].arguments"),
        (asked(policies=ASKED["policies"] * 2), "DuplicateCustomPolicyNames", "policies"),
        (
            asked(policies=[{"name": f"{i}", "arguments": ""} for i in range(11)]),
            "InvalidEvaluationContract",
            "policies",
        ),
        (
            asked(enableOfflineExperimentation="yes"),
            "InvalidEvaluationContract",
            "enableOfflineExperimentation",
        ),
    ],
)
def test_a_wrong_evaluation_is_refused_by_name(ask, body, code, target):
    status, refused = ask("POST", "v1.1-preview.3/evaluations", body)

    assert (status, refused["error"]["code"], refused["error"]["target"]) == (400, code, target)


def test_long_lists_come_in_pages(ask):
    for number in range(5):
        assert ask("PUT", f"featureImportances/{number}{NEWEST}", asked(policies=...))[0] == 200

    ids, path = [], f"featureImportances{NEWEST}&maxpagesize=2&skip=1"
    while path:
        listed = ask("GET", path)[1]
        ids += [job["id"] for job in listed["value"]]
        path = listed.get("nextLink", "").partition("/personalizer/")[2]

    assert ids == ["3", "2", "1", "0"]
    assert len(ask("GET", f"featureImportances{NEWEST}&top=3")[1]["value"]) == 3
    assert ask("GET", f"featureImportances{NEWEST}&maxpagesize=0")[1]["error"]["target"]


def test_a_feature_importance_is_kept_and_says_that_it_has_not_run(ask):
    path = f"featureImportances/mine{NEWEST}"
    assert ask("PUT", path, asked(policies=...)) == (200, None)

    status, shown = ask("GET", path)
    assert (status, shown["status"], shown["featureScores"]) == (200, "NotSubmitted", [])
    status, refused = ask("PUT", path, asked(policies=...))
    assert (status, refused["error"]["code"]) == (400, "FeatureImportanceAlreadyExists")
    assert ask("PUT", f"featureImportances/x{NEWEST}", {})[1]["error"]["code"] == "InvalidContract"
    assert ask("DELETE", path)[0] == 204
    for method in ("GET", "DELETE"):
        assert ask(method, path)[1]["error"]["code"] == "FeatureImportanceNotFound"


def test_nothing_can_be_applied_before_an_evaluation_has_run(ask):
    path = "v1.1-preview.3/configurations/applyFromEvaluation"
    made = ask("POST", "v1.1-preview.3/evaluations", ASKED)[1]

    codes = [
        ask("POST", path, {"evaluationId": evaluation, "policyName": policy})[1]["error"]["code"]
        for evaluation, policy in (("none", "p"), (made["id"], "q"), (made["id"], "p"))
    ]

    assert codes == ["EvaluationNotFound", "LearningSettingsNotFound", "BadRequest"]
    assert ask("POST", path, {"evaluationId": "x"})[1]["error"]["target"] == "policyName"


def test_jobs_of_both_kinds_do_not_share_ids(ask):
    assert ask("PUT", f"evaluations/same{NEWEST}", ASKED)[0] == 200
    assert ask("PUT", f"featureImportances/same{NEWEST}", asked(policies=...))[0] == 200
    assert len(set(JobKind)) == 2


@pytest.mark.parametrize("path", ["interactions", "observations"])
def test_batches_of_local_inference_are_refused(ask, path):
    status, refused = ask("POST", f"v1.1-preview.2/logs/{path}", {"any": "thing"})

    assert (status, refused["error"]["code"]) == (400, "InvalidRequest")
