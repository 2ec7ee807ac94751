"""Models leave and enter a running loop as files: Vowpal Wabbit's, signed, and Azure's own."""

import http.client
import json
import time
import urllib.parse
from pathlib import Path

import pytest

from shared.contract.model_export import read
from shared.learner import vw_model
from tests.learner.test_parity import read_predictions, run
from tests.support.simulation import call

GENUINE = Path(__file__).parents[1] / "contract" / "data" / "genuine-export.zip"
PATH = "personalizer/v1.1-preview.3/model"
POLICY = "personalizer/v1.0/configurations/policy"
DEFAULT = "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"
RANKED = {
    "contextFeatures": [
        {"dietary_preferences": "low_carb", "avg_order_price": "0-20", "browser_type": "edge"},
        {"location": "west"},
        {"time_of_day": "morning"},
        {"application_type": "edge"},
    ],
    "actions": [
        {"id": name, "features": [{"attributes": {"qty": 1, "cuisine": "italian", "price": price}}]}
        for name, price in (("pasta", 12), ("salad", 8), ("bbq", 20))
    ],
}


def send(app, method, path, body=None, key=None):
    """Return status, media type and bytes of one request."""
    url = urllib.parse.urlsplit(app.url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    headers = {"Ocp-Apim-Subscription-Key": key or app.key}
    try:
        connection.request(method, f"/{path}", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get_content_type(), answer.read()
    finally:
        connection.close()


@pytest.fixture
def app(running_app):
    """The app with the default policy and no model, before and after."""
    assert call(running_app, "DELETE", POLICY)[0] == 200
    assert send(running_app, "DELETE", PATH)[0] == 204
    yield running_app
    assert call(running_app, "DELETE", POLICY)[0] == 200
    assert send(running_app, "DELETE", PATH)[0] == 204


def probabilities(app):
    status, ranked = call(app, "POST", "personalizer/v1.0/rank", RANKED)
    assert status == 201
    return {action["id"]: action["probability"] for action in ranked["ranking"]}


def wait_until(found):
    ends = time.monotonic() + 30
    while not found():
        assert time.monotonic() < ends
        time.sleep(0.2)


def test_a_model_that_azure_signed_is_served_and_exported_again(app, tmp_path):
    assert send(app, "GET", PATH)[::2] == (200, b"")
    assert send(app, "PUT", PATH, GENUINE.read_bytes())[0] == 204

    wait_until(lambda: max(probabilities(app).values()) > 0.8)

    model = read(GENUINE.read_bytes()).model
    decision = {
        "FromUrl": RANKED["contextFeatures"],
        "_multi": [
            {"_tag": a["id"], "i": {"constant": 1, "id": a["id"]}, "j": a["features"]}
            for a in RANKED["actions"]
        ],
    }
    (tmp_path / "decision").write_text(json.dumps(decision) + "\n")
    (tmp_path / "azure").write_bytes(model)
    status, media_type, exported = send(app, "GET", PATH)
    assert (status, media_type) == (200, "application/octet-stream")
    (tmp_path / "ours").write_bytes(exported)
    for name in ("azure", "ours"):
        run(f"-i {tmp_path / name} -t --json -d {tmp_path / 'decision'} -p {tmp_path / name}.p")
    expected = read_predictions(tmp_path / "azure.p")
    assert read_predictions(tmp_path / "ours.p") == expected
    names = [action["id"] for action in RANKED["actions"]]
    assert probabilities(app) == pytest.approx(
        {names[a]: probability for a, probability in expected[0].items()}, abs=1e-6
    )
    properties = call(app, "GET", f"{PATH}/properties")[1]
    assert not properties["creationTime"].startswith("0001")


def test_an_export_that_we_signed_comes_back(app):
    send(app, "PUT", PATH, GENUINE.read_bytes())

    first, second = (send(app, "GET", f"{PATH}?signed=true")[2] for _ in range(2))

    assert first == second
    assert send(app, "PUT", PATH, first)[0] == 204
    assert read(send(app, "GET", f"{PATH}?signed=true")[2]).model == read(first).model


def test_a_reset_forgets_the_model(app):
    send(app, "PUT", PATH, GENUINE.read_bytes())
    wait_until(lambda: max(probabilities(app).values()) > 0.8)

    assert send(app, "DELETE", PATH)[0] == 204

    wait_until(lambda: max(probabilities(app).values()) < 0.4)
    assert call(app, "GET", f"{PATH}/properties")[1]["creationTime"].startswith("0001")


def test_an_earlier_model_is_published_again(app):
    def state():
        return call(app, "GET", "loops/default")[1]["state"]

    send(app, "PUT", PATH, GENUINE.read_bytes())
    earlier = state()["publishedModel"]["version"]
    send(app, "PUT", PATH, GENUINE.read_bytes())
    send(app, "DELETE", PATH)
    publish = "loops/default/models/{}/publish"

    assert earlier in state()["earlierModels"]
    assert call(app, "POST", publish.format("none"))[0] == 404
    assert call(app, "POST", publish.format(earlier))[0] == 204
    assert state()["publishedModel"]["version"] == earlier
    wait_until(lambda: max(probabilities(app).values()) > 0.8)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "InvalidModelImportFormat"),
        (b"not a model", "InvalidModelImportFormat"),
        (b"PK\x03\x04 not a zip", "InvalidModelImportFormat"),
        (GENUINE.read_bytes()[:-30], "InvalidModelImportFormat"),
        ("raw, damaged", "InvalidModelImportFormat"),
        ("forged", "InvalidModelImportSignature"),
    ],
    ids=["nothing", "no model", "no zip", "cut zip", "damaged", "forged"],
)
def test_what_is_not_a_model_is_refused_and_changes_nothing(app, body, code):
    if body == "raw, damaged":
        body = read(GENUINE.read_bytes()).model[:-3]
    if body == "forged":
        from tests.contract.test_model_export import members, zipped

        parts = members(GENUINE.read_bytes())
        body = zipped(**parts | {"model__vw": parts["model__vw"][:-16]})

    status, _, answer = send(app, "PUT", PATH, body)

    error = json.loads(answer)["error"]
    assert (status, error["code"], error["target"]) == (400, code, "body")
    assert send(app, "GET", PATH)[2] == b""


def test_a_model_of_other_settings_is_refused_with_the_settings_that_it_needs(app):
    policy = {"name": "x", "arguments": "--cb_explore_adf -q Fi"}
    assert call(app, "PUT", POLICY, policy)[0] == 200

    status, _, answer = send(app, "PUT", PATH, GENUINE.read_bytes())

    error = json.loads(answer)["error"]
    assert (status, error["code"]) == (400, "InvalidModelImportFormat")
    assert "--quadratic ::" in error["message"]


def test_signed_is_true_or_false(app):
    status, _, answer = send(app, "GET", f"{PATH}?signed=maybe")

    assert (status, json.loads(answer)["error"]["target"]) == (400, "signed")


def test_the_exported_model_is_one_that_can_be_gone_on_from(app):
    send(app, "PUT", PATH, GENUINE.read_bytes())

    learner = vw_model.loads(send(app, "GET", PATH)[2])

    assert learner.learned == 4719
    assert learner.regressor.norms[0] > 0
