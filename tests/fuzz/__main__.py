"""``make fuzz``: every parser in turn, each in a process of its own; one JSON line each.

``EXECUTIONS`` says how many inputs each parser gets (a million unless told), ``PARSERS`` which.
"""

import json
import os
import subprocess
import sys

from tests.fuzz.guided import ARTIFACTS
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Search all; exit with 1 if anything was found, or a search came to no end."""
    executions = os.environ.get("EXECUTIONS") or "1000000"
    names = (os.environ.get("PARSERS") or ",".join(TARGETS)).split(",")
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    found = []
    for name in names:
        command = [sys.executable, "-m", "tests.fuzz.guided", name, executions]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        line = done.stdout.strip().rpartition("\n")[2]
        if not line.startswith("{"):  # killed, or an input that took a minute
            print(done.stdout, file=sys.stderr)
            line = json.dumps({"parser": name, "exit": done.returncode, "crashes": 1})
        print(line, flush=True)
        found.append(bool(json.loads(line)["crashes"]))
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main())
