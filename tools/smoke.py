"""Asks a deployed app whether it works: ``PERSONALIZER_KEY=... python -m tools.smoke URL``.

Health, a Rank, its Reward, and that the training timer has fired since. Nothing is learned from
it: the decision is deferred and never activated.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

PAUSE = 2.0


class SmokeError(Exception):
    """The app does not work; the message says what was asked and what came back."""


class App:
    """A deployed app, seen from outside."""

    def __init__(self, url: str, key: str) -> None:
        """Ask the app at ``url``, which ends without a slash."""
        if urlsplit(url).scheme not in ("http", "https"):
            raise SmokeError(f"{url} is not a URL of a web service")
        self._url = url
        self._key = key

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON body of an answer; 0 where there is none."""
        request = urllib.request.Request(  # noqa: S310 (the scheme was checked)
            f"{self._url}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Ocp-Apim-Subscription-Key": self._key},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (same)
                return answer.status, _body(answer.read())
        except urllib.error.HTTPError as exc:
            return exc.code, _body(exc.read())
        except OSError as exc:
            return 0, {"error": str(exc)}

    def must(
        self, expected: int, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the body of an answer that has to have a status.

        Raises:
            SmokeError: It has another one.
        """
        status, answer = self.ask(method, path, body)
        if status != expected:
            raise SmokeError(f"{method} {path}: {status or 'no answer'} {answer}")
        return answer


def smoke(app: App, *, ready_within: float, train_within: float) -> None:
    """Check the app.

    Args:
        app: The app.
        ready_within: Seconds to wait until it is ready.
        train_within: Seconds to wait until the timer has trained; 0 to leave that out.

    Raises:
        SmokeError: It does not work.
    """
    started = datetime.now(UTC)
    _until(
        lambda: app.ask("GET", "health/ready")[0] == 200,
        ready_within,
        "GET health/ready is not 200",
    )
    print("ready")
    event = f"smoke-{uuid.uuid4().hex}"
    ranked = app.must(
        201,
        "POST",
        "personalizer/v1.0/rank",
        {
            "eventId": event,
            "deferActivation": True,
            "actions": [{"id": "smoke", "features": [{"smoke": True}]}],
        },
    )
    if ranked.get("eventId") != event:
        raise SmokeError(f"Rank answered for another event: {ranked}")
    print("ranked")
    app.must(204, "POST", f"personalizer/v1.0/events/{event}/reward", {"value": 0})
    print("rewarded")
    if train_within:
        _until(lambda: _trained(app) >= started, train_within, "the timer has not trained")
        print("trained")


def _trained(app: App) -> datetime:
    last = app.ask("GET", "health")[1].get("lastTraining")
    return datetime.fromisoformat(last) if last else datetime.min.replace(tzinfo=UTC)


def _until(holds: Callable[[], bool], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SmokeError(f"{otherwise} after {seconds:.0f} seconds")
        time.sleep(PAUSE)


def _body(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data or b"{}")
    except ValueError:
        return {"text": data[:200].decode(errors="replace")}
    return found if isinstance(found, dict) else {"body": found}


def main(words: Sequence[str]) -> int:
    """Check the app that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("url")
    parser.add_argument("--ready-within", type=float, default=300, metavar="SECONDS")
    parser.add_argument("--train-within", type=float, default=300, metavar="SECONDS")
    options = parser.parse_args(words)
    key = os.environ.get("PERSONALIZER_KEY", "")
    try:
        smoke(
            App(options.url.rstrip("/"), key),
            ready_within=options.ready_within,
            train_within=options.train_within,
        )
    except SmokeError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
