"""``make demo``: the retired service's own Python client, a loop that learns, and its curve."""

import argparse
import os
import random
import time
import urllib.request
import warnings
from pathlib import Path

import msgspec
import plotext
from azure.cognitiveservices.personalizer import PersonalizerClient
from azure.cognitiveservices.personalizer.models import RankableAction, RankRequest
from matplotlib import pyplot
from msrest.authentication import CognitiveServicesCredentials
from tqdm import tqdm

from demo.audience import BEST, DRINKS, RANDOM, visitor
from devserver.app import LocalApp

POLICY = "--cb_explore_adf --epsilon 0.1 --cb_type mtr -l 0.5 --power_t 0 -q ::"
CONFIGURATION = {
    "rewardWaitTime": "PT1S",
    "defaultReward": 0.0,
    "rewardAggregation": "earliest",
    "explorationPercentage": 0.1,
    "modelExportFrequency": "PT1S",
    "logRetentionDays": 90,
}
IMPATIENT = {
    "TRAIN_SCHEDULE": "* * * * * *",
    "BUCKET_SECONDS": "1",
    "WRITE_DEADLINE_SECONDS": "1",
    "MODEL_POLL_SECONDS": "0.5",
}
WINDOW = 200
PER_SECOND = 100
"""Visitors; rewards close some four seconds after their Rank, so haste only hides learning."""
ARTIFACTS = Path("artifacts")


def main() -> None:
    """Run the demonstration on an app of its own, or on one that already runs."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--visitors", type=int, default=5000)
    parser.add_argument("--endpoint", help="an app that already runs; its loop is reconfigured")
    parser.add_argument("--key", default=os.environ.get("PERSONALIZER_KEY_1", ""))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # a client of 2020 on today's Python
    if arguments.endpoint:
        rewards = simulate(arguments.endpoint, arguments.key, arguments.visitors)
    else:
        with LocalApp({**os.environ, **IMPATIENT}) as app:
            rewards = simulate(app.url, app.key, arguments.visitors)
    show(rewards)


def simulate(endpoint: str, key: str, visitors: int) -> list[float]:
    """Let visitors come, half of them before tastes change; return their rewards."""
    configure(endpoint, key)
    rng = random.Random(11)
    actions = [RankableAction(id=name, features=[about]) for name, about in DRINKS.items()]
    rewards: list[float] = []
    with PersonalizerClient(endpoint, CognitiveServicesCredentials(key)) as client:
        started = time.monotonic()
        progress = tqdm(range(visitors), unit=" visitors", ncols=88)
        for number in progress:
            guest = visitor(rng, changed=number >= visitors // 2)
            ranked = client.rank(RankRequest(actions=actions, context_features=guest.context))
            reward = float(guest.buys(ranked.reward_action_id, rng))
            client.events.reward(ranked.event_id, reward)
            rewards.append(reward)
            time.sleep(max(0.0, started + number / PER_SECOND - time.monotonic()))
            if number % 20 == 0:
                recent = rewards[-WINDOW:]
                progress.set_postfix_str(f"mean reward {sum(recent) / len(recent):.2f}")
    return rewards


def configure(endpoint: str, key: str) -> None:
    """Set wait time and policy, which the old client cannot do."""
    policy = {"name": "demo", "arguments": POLICY}
    for name, body in (("service", CONFIGURATION), ("policy", policy)):
        request = urllib.request.Request(  # noqa: S310 (the endpoint is the user's own)
            f"{endpoint.rstrip('/')}/personalizer/v1.0/configurations/{name}",
            msgspec.json.encode(body),
            {"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310 (likewise)
    time.sleep(1)  # until the trainer has seen it


def show(rewards: list[float]) -> None:
    """Draw the learning curve in the terminal and as a picture."""
    curve = [
        sum(rewards[max(0, i - WINDOW) : i]) / min(i, WINDOW) for i in range(20, len(rewards), 10)
    ]
    visitors = list(range(20, len(rewards), 10))
    plotext.plotsize(88, 22)
    plotext.theme("clear")
    plotext.plot(visitors, curve, label="the loop")
    plotext.hline(BEST)
    plotext.hline(RANDOM)
    plotext.ylim(0, 1)
    plotext.xlabel("visitors (tastes change half-way)")
    plotext.ylabel(f"mean reward, last {WINDOW}")
    plotext.show()
    print(f"best possible {BEST:.2f}, random {RANDOM:.2f}; last {WINDOW}: {curve[-1]:.2f}")
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    axes.plot(visitors, curve, color="#0b63ce", label="the loop")
    axes.axhline(BEST, color="#2e7d32", linestyle="--", label="best possible")
    axes.axhline(RANDOM, color="#8a8a8a", linestyle=":", label="random")
    axes.axvline(len(rewards) / 2, color="#c62828", linewidth=0.8, label="tastes change")
    axes.set(xlabel="visitors", ylabel=f"mean reward of the last {WINDOW}", ylim=(0, 1.1))
    axes.legend(loc="upper center", ncols=4, frameon=False)
    ARTIFACTS.mkdir(exist_ok=True)
    path = ARTIFACTS / "learning_curve.png"
    figure.savefig(path, dpi=150)
    print(f"picture: {path}")


if __name__ == "__main__":
    main()
