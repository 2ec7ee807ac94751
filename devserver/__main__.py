"""``python -m devserver``: what ``make run`` does."""

import argparse
import json
import os
import signal
import sys
import threading

from devserver.app import LocalApp, StartError, data_folder
from devserver.azurite import ROOT


def main() -> int:
    """Run the app until Ctrl-C; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m devserver",
        description="Run the whole app on this machine: emulator, API and timers.",
        epilog="App settings come from the environment, then from local.settings.json. "
        "EPHEMERAL=1 keeps nothing.",
    )
    parser.add_argument(
        "--port", type=int, default=int(os.environ.get("PORT") or 7071), help="0 for a free one"
    )
    port = parser.parse_args().port
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        with LocalApp(app_settings(), port=port, folder=data_folder()) as app:
            print(f"ready: {app.url} key: {app.key}", flush=True)
            while not stopping.wait(0.5):
                if app.ended:
                    print(f"{app.ended} ended; stopping the others", file=sys.stderr)
                    return 1
    except (StartError, RuntimeError) as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


def app_settings() -> dict[str, str]:
    """Return the environment over the ``Values`` of local.settings.json, if there is one."""
    path = ROOT / "local.settings.json"
    values = json.loads(path.read_text())["Values"] if path.exists() else {}
    return {**values, **os.environ}


if __name__ == "__main__":
    sys.exit(main())
