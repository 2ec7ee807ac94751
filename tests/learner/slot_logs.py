"""Seeded decision-service logs over slots: features of every kind, exclusions, one slot or five."""

import random
from collections.abc import Iterator

from shared.learner.learner import Outcome, SlotsExample
from tests.learner.logs import CITIES, TOPICS, decisions, text

PLACES = ["top", "side", "foot"]


def slot(rng: random.Random, index: int, n_actions: int) -> dict:
    features = [{"place": rng.choice(PLACES), "size": round(rng.random(), 2), "wide": False}]
    if rng.random() < 0.3:
        features.append({"Surroundings": {"ads": rng.randrange(3), "video": rng.random() < 0.5}})
    if rng.random() < 0.3:  # a letter that actions have too
        features.append({"media": {"length": rng.choice(["short", "long"])}})
    if rng.random() < 0.3:  # a letter that the context has too
        features.append({"Fold": {"above": True, "px": rng.choice([0.0, 0.5])}})
    found = {"_id": f"slot {index}", "sj": features}
    if rng.random() < 0.2:
        found["rank"] = index
        found["deep"] = {"er": 1}
    allowed = sorted(rng.sample(range(n_actions), rng.randrange(n_actions - 1, n_actions + 1)))
    if rng.random() < 0.3:
        features.append({"_inc": allowed})
    elif rng.random() < 0.3:
        found["_inc"] = allowed
    return found


def allowed(slot: dict, n_actions: int) -> list[int]:
    within = [each["_inc"] for each in slot["sj"] if "_inc" in each] if "sj" in slot else []
    return (within or [slot.get("_inc", range(n_actions))])[0]


def slot_decisions(count: int, seed: int) -> Iterator[dict]:
    rng = random.Random(seed)
    for decision in decisions(count, seed):
        n_actions = len(decision["_multi"])
        n_slots = rng.randrange(1, min(5, n_actions) + 1)
        slots = [slot(rng, index, n_actions) for index in range(n_slots)]
        for index, each in enumerate(slots):  # something is left for every slot
            if len(allowed(each, n_actions)) <= index:
                each.pop("_inc", None)
                each["sj"] = [{"place": "top"}]
        loose = {"rank": rng.choice(["a", "b c"])} if rng.random() < 0.2 else {}
        yield {**decision, **loose, "_slots": slots}


def slot_logged(count: int, seed: int) -> Iterator[dict]:
    """Yield dsjson events of a logging policy that explores uniformly half of the time."""
    rng = random.Random(seed)
    for index, decision in enumerate(slot_decisions(count, seed)):
        n_actions = len(decision["_multi"])
        left = list(range(n_actions))
        city = decision["FromUrl"][0]["city"]
        outcomes = []
        for at, each in enumerate(decision["_slots"]):
            offered = [action for action in left if action in allowed(each, n_actions)]
            n = len(offered)
            chosen = offered[0] if rng.random() < 0.5 else rng.choice(offered)
            probability = 0.5 / n + (0.5 if chosen == offered[0] else 0)
            left.remove(chosen)
            topic = decision["_multi"][chosen]["j"][0]["topic"]
            likes = 0.1 + 0.8 * ((TOPICS.index(topic) + CITIES.index(city) + at) % 3 == 0)
            cost = -1.0 if rng.random() < likes else rng.choice([0.0, 0.0, 0.25])
            rest = [action for action in offered if action != chosen]
            outcomes.append(
                {
                    "_label_cost": cost,
                    "_id": each["_id"],
                    "_a": [chosen, *rest],
                    "_p": [probability, *([0.5 / n] * len(rest))],
                    "_o": [],
                }
            )
        yield {
            "Timestamp": "2026-01-01T00:00:00.0000000Z",
            "Version": "1",
            "EventId": f"event{index}",
            "c": decision,
            "_outcomes": outcomes,
            "VWState": {"m": "N/A"},
        }


def slots_example(event: dict) -> SlotsExample:
    outcomes = tuple(
        Outcome(each["_a"][0], each["_label_cost"], each["_p"][0]) for each in event["_outcomes"]
    )
    return SlotsExample(text(event["c"]), outcomes, 1.0 / (1.0 - event.get("pdrop", 0.0)))
