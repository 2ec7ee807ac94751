"""Seeded decision-service logs with every kind of feature that the JSON format has."""

import json
import random
from collections.abc import Iterator

CITIES = ["Berlin", "São Paulo", "new york", "東京", "a|b:c", "42"]
TOPICS = ["sport", "politics", "tech", "food", "travel"]


def catalogue(size: int, seed: int) -> list[dict]:
    rng = random.Random(seed)
    items = []
    for index in range(size):
        features = [
            {
                "topic": rng.choice(TOPICS),
                "fresh": rng.random() < 0.5,
                "price": round(rng.random(), 3),
            },
            {"media": {"length": rng.choice(["short", "long"]), "size": rng.randrange(4)}},
        ]
        if index % 3 == 0:
            features.append({"tags": [round(rng.random(), 2), 0, 1.5], "n/a": "null"})
        if index % 4 == 0:  # shares its first letter with the context's FromUrl
            features.append({"Format": {"wide": True}})
        if index % 5 == 0:  # a namespace of the same letter opens and closes among the features
            features.append({"before": 1.5, "joint": {"within": "x", "on": True}, "after": "y"})
        name = f"item {index}"
        items.append({"_tag": name, "i": {"constant": 1, "id": name}, "j": features})
    return items


def decisions(count: int, seed: int) -> Iterator[dict]:
    rng = random.Random(seed)
    items = catalogue(40, seed=1)
    for _ in range(count):
        context = [
            {"city": rng.choice(CITIES), "age": rng.randrange(5), "member": rng.random() < 0.3},
            {"User": {"device": rng.choice(["phone", "desk"]), "7": rng.choice([0.5, -2, 0])}},
        ]
        if rng.random() < 0.5:
            context.append({"2nd": {"weekday": rng.randrange(7), "late": rng.random() < 0.5}})
        if rng.random() < 0.2:
            context.append({"recent": [0.25, 3], "referrer": "mail"})
        yield {"FromUrl": context, "_multi": rng.sample(items, rng.choice([2, 3, 5, 8]))}


def logged(count: int, seed: int) -> Iterator[dict]:
    """Yield dsjson events of a logging policy that explores uniformly half of the time."""
    rng = random.Random(seed)
    for index, decision in enumerate(decisions(count, seed)):
        n = len(decision["_multi"])
        chosen = 0 if rng.random() < 0.5 else rng.randrange(n)
        probability = 0.5 / n + (0.5 if chosen == 0 else 0)
        topic = decision["_multi"][chosen]["j"][0]["topic"]
        city = decision["FromUrl"][0]["city"]
        likes = 0.1 + 0.8 * ((TOPICS.index(topic) + CITIES.index(city)) % 3 == 0)
        cost = -1.0 if rng.random() < likes else rng.choice([0.0, 0.0, 0.25])
        yield {
            "_label_cost": cost,
            "_label_probability": probability,
            "_label_Action": chosen + 1,
            "_labelIndex": chosen,
            "o": [],
            "Timestamp": "2026-01-01T00:00:00.0000000Z",
            "Version": "1",
            "EventId": f"event{index}",
            "a": [chosen + 1, *(i + 1 for i in range(n) if i != chosen)],
            "c": decision,
            "p": [probability] + [0.5 / n] * (n - 1),
            "VWState": {"m": "N/A"},
        }


def unlabelled(event: dict) -> dict:
    """Return an event whose outcome nobody knows: something to predict only."""
    return {name: value for name, value in event.items() if not name.startswith("_label")}


def text(value: dict) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
