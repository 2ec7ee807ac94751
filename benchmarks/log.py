"""The seeded log that the benchmarks use: news articles, four kinds of features."""

import json
import random
from collections.abc import Iterator
from typing import Any

_TOPICS = ["sport", "politics", "tech", "food", "travel", "music", "film", "health"]
_CITIES = ["seattle", "berlin", "tokyo", "paris", "lagos", "quito", "delhi", "perth"]


def catalogue(size: int, seed: int) -> list[dict[str, Any]]:
    """Return actions as the learner gets them."""
    rng = random.Random(seed)
    return [
        {
            "_tag": f"a{seed}-{i}",
            "i": {"constant": 1, "id": f"a{seed}-{i}"},
            "j": [
                {
                    "topic": rng.choice(_TOPICS),
                    "length": rng.choice(["short", "long"]),
                    "premium": rng.random() < 0.5,
                    "age": round(rng.random(), 3),
                    "tone": rng.choice(["calm", "fun", "serious"]),
                }
            ],
        }
        for i in range(size)
    ]


def context(rng: random.Random) -> list[dict[str, Any]]:
    """Return context features."""
    return [
        {
            "city": rng.choice(_CITIES),
            "device": rng.choice(["phone", "desk"]),
            "member": rng.random() < 0.3,
            "spend": round(rng.random(), 3),
            "hour": rng.randrange(24),
        }
    ]


def decisions(count: int, actions: int, seed: int, *, new: bool = False) -> Iterator[bytes]:
    """Yield decision texts over one fixed catalogue, or over actions never seen before."""
    rng = random.Random(seed)
    fixed = catalogue(actions, 1)
    for number in range(count):
        offered = catalogue(actions, 1000 + number) if new else fixed
        yield text({"FromUrl": context(rng), "_multi": offered})


def log(count: int, actions: int, seed: int, *, new: bool = False) -> Iterator[bytes]:
    """Yield lines of a joined log."""
    rng = random.Random(seed)
    for number, decision in enumerate(decisions(count, actions, seed, new=new)):
        chosen = rng.randrange(actions)
        line = {
            "_label_cost": -float(rng.random() < 0.3),
            "_label_probability": 1 / actions,
            "_label_Action": chosen + 1,
            "_labelIndex": chosen,
            "o": [],
            "Timestamp": "2026-01-01T00:00:00Z",
            "Version": "1",
            "EventId": f"e{number}",
            "a": [chosen + 1, *(i + 1 for i in range(actions) if i != chosen)],
            "p": [1 / actions] * actions,
            "VWState": {"m": "N/A"},
            "_original_label_cost": 0.0,
            "Bucket": 0,
        }
        yield text(line)[:-1] + b',"c":' + decision + b"}\n"


def slots_decisions(count: int, actions: int, slots: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield decisions over slots with features, and over one fixed catalogue."""
    rng = random.Random(seed)
    fixed = catalogue(actions, 1)
    for _ in range(count):
        places = [
            {"_id": f"s{i}", "sj": [{"place": f"p{i}", "size": rng.choice(["small", "large"])}]}
            for i in range(slots)
        ]
        yield {"FromUrl": context(rng), "_multi": fixed, "_slots": places}


def slots_log(count: int, actions: int, slots: int, seed: int) -> Iterator[bytes]:
    """Yield lines of a joined log of decisions over slots."""
    rng = random.Random(seed)
    for number, decision in enumerate(slots_decisions(count, actions, slots, seed)):
        left = list(range(actions))
        outcomes = []
        for slot in decision["_slots"]:
            chance = 1 / len(left)
            chosen = left.pop(rng.randrange(len(left)))
            outcomes.append(
                {
                    "_label_cost": -float(rng.random() < 0.3),
                    "_id": slot["_id"],
                    "_a": [chosen, *left],
                    "_p": [chance] * (len(left) + 1),
                    "_o": [],
                    "_original_label_cost": 0.0,
                }
            )
        line = {
            "Timestamp": "2026-01-01T00:00:00Z",
            "Version": "1",
            "EventId": f"e{number}",
            "c": decision,
            "_outcomes": outcomes,
            "_ba": list(range(slots)),
            "VWState": {"m": "N/A"},
            "o": [],
            "Bucket": 0,
        }
        yield text(line) + b"\n"


def text(value: Any) -> bytes:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()
