"""A small world with a known best action, seen through HTTP."""

import json
import random
import urllib.error
import urllib.request

ACTIONS = ["news", "sport", "food", "music"]
BEST = {"morning": "news", "noon": "food", "evening": "sport", "night": "music"}


def call(app, method, path, body=None, key=None, headers=None):
    """Return status and decoded body of one request; ``headers`` take the place of the key."""
    data = None if body is None else json.dumps(body).encode()
    headers = headers or {"Ocp-Apim-Subscription-Key": key or app.key}
    headers = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(app.url + path, data, headers, method=method)  # noqa: S310 (loopback)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 (loopback)
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text else None


def visit(app, rng):
    """Rank for one visitor and reward it; return the reward."""
    context = {
        "time": rng.choice(list(BEST)),
        "device": rng.choice(["phone", "desk"]),
        "weather": rng.choice(["sun", "rain", "snow"]),
    }
    actions = [{"id": name, "features": [{"kind": name}]} for name in ACTIONS]
    status, ranked = call(
        app, "POST", "personalizer/v1.0/rank", {"contextFeatures": [context], "actions": actions}
    )
    assert status == 201
    reward = 1.0 if ranked["rewardActionId"] == BEST[context["time"]] else 0.0
    status, _ = call(
        app, "POST", f"personalizer/v1.0/events/{ranked['eventId']}/reward", {"value": reward}
    )
    assert status == 204
    return reward


def visits(app, count, seed):
    """Return the rewards of several visitors."""
    rng = random.Random(seed)
    return [visit(app, rng) for _ in range(count)]
