"""The retired service's own npm package, unmodified, against the running app."""

import json
import subprocess
from pathlib import Path

from devserver.azurite import find_node

SCRIPT = Path(__file__).with_name("javascript_client.cjs")


def test_rank_activate_reward_and_errors(endpoint):
    ran = subprocess.run(
        [find_node(), str(SCRIPT), endpoint.url.rstrip("/"), endpoint.key],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    got = json.loads(ran.stdout)

    assert got["ranked"]["status"] == 201
    assert got["ranked"]["same"]
    assert got["ranked"]["rewardActionId"] == "salad"
    assert got["ranked"]["ranking"] == [
        {"id": "pasta", "probability": 0},
        {"id": "salad", "probability": 1},
    ]
    assert (got["activated"], got["rewarded"]) == (204, 204)
    assert got["invalid"] == {"status": 400, "code": "InvalidRankRequest"}
    assert got["unauthorized"] == {"status": 401, "code": "401"}
