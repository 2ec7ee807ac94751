"""``make doctor``: what is wrong with a running loop, and what to do about it."""

import argparse
import json
import os
import sys
import textwrap
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MARKS = {"error": "ERROR  ", "warning": "warning", "info": "info   "}
_WIDTH = 88


class NoAnswer(Exception):
    """The app did not say; the message is for the person at the terminal."""


def main() -> None:
    """Ask a running app and print what it says; the exit code is 1 where a loop does not learn."""
    parser = argparse.ArgumentParser(prog="python -m tools.doctor", description=__doc__)
    parser.add_argument(
        "--endpoint",
        default=os.environ.get("PERSONALIZER_ENDPOINT") or _local(os.environ),
        help="where the app serves (PERSONALIZER_ENDPOINT; else the one of make run)",
    )
    parser.add_argument(
        "--key", default="", help="opens the loop (PERSONALIZER_KEY_1; else .data/key)"
    )
    parser.add_argument("--loop", default="default", help="its name")
    arguments = parser.parse_args()
    key = arguments.key or os.environ.get("PERSONALIZER_KEY_1") or local_key(ROOT / ".data")
    if not key:
        print("no key: set PERSONALIZER_KEY_1 to the one that the app printed", file=sys.stderr)
        sys.exit(2)
    try:
        diagnosis = ask(arguments.endpoint, key, arguments.loop)
    except NoAnswer as exc:
        print(exc, file=sys.stderr)
        sys.exit(2)
    print(report(diagnosis))
    sys.exit(any(finding["severity"] == "error" for finding in diagnosis["findings"]))


def ask(endpoint: str, key: str, loop: str) -> dict[str, Any]:
    """Return a loop's diagnosis.

    Raises:
        NoAnswer: There is no such app or loop, or the key is none of it.
    """
    path = f"loops/{urllib.parse.quote(loop, safe='')}/doctor"
    url = urllib.parse.urljoin(f"{endpoint.rstrip('/')}/", path)
    if not url.startswith(("http://", "https://")):
        raise NoAnswer(f"{endpoint} is not the address of an app")
    request = urllib.request.Request(url, headers={"Ocp-Apim-Subscription-Key": key})  # noqa: S310 (checked)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (checked)
            diagnosis: dict[str, Any] = json.load(answer)
            return diagnosis
    except urllib.error.HTTPError as exc:
        raise NoAnswer(f"{url} answered {exc.code}: {_message(exc)}") from exc
    except (OSError, ValueError) as exc:
        raise NoAnswer(f"{url} did not answer: {exc}") from exc


def report(diagnosis: Mapping[str, Any]) -> str:
    """Return a diagnosis as text."""
    lines = [
        f"Loop {diagnosis['loop']}, {diagnosis['events']:,} events "
        f"from {diagnosis['from']} to {diagnosis['to']}"
    ]
    for finding in diagnosis["findings"]:
        lines += ["", f"{MARKS[finding['severity']]} {finding['title']} ({finding['code']})"]
        for label, text in (
            ("Seen", finding["evidence"]),
            ("Likely", finding["cause"]),
            ("Do", finding["remedy"]),
        ):
            lines += textwrap.wrap(
                text, _WIDTH, initial_indent=f"  {label + ':':8}", subsequent_indent=" " * 10
            )
    if not diagnosis["findings"]:
        judged = (
            "Nothing is wrong." if diagnosis["events"] else "No closed events: nothing to judge."
        )
        lines += ["", judged]
    return "\n".join(lines)


def local_key(folder: Path) -> str:
    """Return the key that ``make run`` has made in its folder; empty if it has not."""
    path = folder / "key"
    return path.read_text().strip() if path.exists() else ""


def _local(environ: Mapping[str, str]) -> str:
    return f"http://127.0.0.1:{environ.get('PORT') or 7071}/"


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return error.reason


if __name__ == "__main__":
    main()
