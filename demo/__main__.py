"""``make demo``: a loop that learns what a coffee shop's visitors like.

It opens the demo page. Without a screen, or with ``TERMINAL=1``, the retired service's own Python
client plays the visitors, and the learning curve is drawn in the terminal.
"""

import argparse
import os
import random
import signal
import sys
import threading
import time
import urllib.request
import warnings
import webbrowser
from pathlib import Path

import msgspec
import plotext
from azure.cognitiveservices.personalizer import PersonalizerClient
from azure.cognitiveservices.personalizer.models import RankableAction, RankRequest
from matplotlib import pyplot
from msrest.authentication import CognitiveServicesCredentials
from tqdm import tqdm

from demo.audience import BEST, DRINKS, RANDOM, SHOP, visitor
from devserver.app import LocalApp

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
    parser.add_argument("--terminal", action="store_true", help="play here, open no page")
    parser.add_argument("--visitors", type=int, default=5000, help="who play in the terminal")
    parser.add_argument("--endpoint", help="an app that already runs; its loop is reconfigured")
    parser.add_argument("--key", default=os.environ.get("PERSONALIZER_KEY_1", ""))
    arguments = parser.parse_args()
    if arguments.endpoint:
        play(arguments.endpoint, arguments.key, arguments.visitors)
        return
    with LocalApp({**os.environ, **IMPATIENT}) as app:
        print(f"page: {app.url}demo key: {app.key}", flush=True)
        if arguments.terminal or not opened(f"{app.url}demo"):
            play(app.url, app.key, arguments.visitors)
        else:
            wait_for_interrupt()


def opened(url: str) -> bool:
    """Open a page in a browser, if there is one and a screen to show it on."""
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        return False
    return webbrowser.open(url)


def wait_for_interrupt() -> None:
    """Return when Ctrl-C is pressed, also where a shell has had that ignored."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    print("type the key into the page; Ctrl-C ends the app", flush=True)
    stopping.wait()


def play(endpoint: str, key: str, visitors: int) -> None:
    """Let visitors come, then show how well they were served."""
    warnings.simplefilter("ignore")  # a client of 2020 on today's Python
    configure(endpoint, key)
    show(simulate(endpoint, key, visitors))


def simulate(endpoint: str, key: str, visitors: int) -> list[float]:
    """Let visitors come, half of them before tastes change; return their rewards."""
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
    for name, body in (("service", SHOP["settings"]), ("policy", SHOP["policy"])):
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
