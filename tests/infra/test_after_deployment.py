"""What a deployment prints works as printed."""

import json
import os
import re
import shutil
import subprocess

import pytest

from tests.conftest import FAST
from tests.infra.bicep import INFRA, parsed

VAULT = "the-vault"


def test_the_printed_test_call_ranks(running_app, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: the printed call cannot be tried")
    # Stands in for the Azure CLI, which needs a subscription: knows one secret of one vault.
    az = tmp_path / "az"
    az.write_text(
        f'#!/bin/sh\n[ "$5 $7" = "{VAULT} personalizer-key-1" ] && '
        f"echo {FAST['PERSONALIZER_KEY_1']}\n"
    )
    az.chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PERSONALIZER_ENDPOINT": running_app.url.rstrip("/"),
        "PERSONALIZER_VAULT": VAULT,
    }
    printed = subprocess.run(
        [INFRA / "after_deployment.sh"], env=environ, capture_output=True, text=True, check=True
    ).stdout
    lines = printed.split("Try it:\n")[1].split("Check it")[0]
    called = subprocess.run(
        ["/bin/sh", "-c", lines],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert running_app.url.rstrip("/") in printed
    assert FAST["PERSONALIZER_KEY_1"] not in printed
    assert called.returncode == 0, called.stderr
    assert json.loads(called.stdout)["rewardActionId"] == "espresso"


def test_azd_runs_what_is_there():
    described = (INFRA.parent / "azure.yaml").read_text()
    commands = [
        line.split("run: ")[1].split(" #")[0] for line in described.splitlines() if "run: " in line
    ]
    makefile = (INFRA.parent / "Makefile").read_text()

    assert commands == ["make package", "infra/after_deployment.sh"]
    assert "\npackage: " in makefile
    assert os.access(INFRA / "after_deployment.sh", os.X_OK)


def test_what_the_deployment_prints_from_is_what_the_template_puts_out():
    used = set(re.findall(r"\$(PERSONALIZER_\w+)", (INFRA / "after_deployment.sh").read_text()))

    assert used - {"PERSONALIZER_KEY"} <= set(parsed("main.bicep")["outputs"])
