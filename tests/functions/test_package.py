"""The zip that a release makes holds what runs, nothing else, and starts by itself."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import FAST
from tests.support.worker import answers_of
from tools.package import ROOT, files, write


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The zip, unpacked into an empty folder."""
    folder = tmp_path_factory.mktemp("package")
    write(ROOT, folder / "app.zip")
    with zipfile.ZipFile(folder / "app.zip") as packed:
        packed.extractall(folder / "app")
    return folder / "app"


def test_the_package_holds_what_runs_and_nothing_else(package):
    top = {path.name for path in package.iterdir()}

    functions = {
        f"{kind}_function"
        for kind in (
            "rank",
            "reward",
            "train",
            "manage",
            "evaluate",
            "dashboard",
        )
    }
    assert top == functions | {
        "LICENSE",
        "__pycache__",
        "function_app.py",
        "host.json",
        "requirements.txt",
        "shared",
    }
    assert not any(path.suffix in (".md", ".bicep") for path in package.rglob("*"))


def test_every_module_of_the_app_is_in_the_package():
    folders = [path for path in ROOT.glob("*_function") if path.is_dir()] + [ROOT / "shared"]
    modules = {p.relative_to(ROOT).as_posix() for f in folders for p in f.rglob("*.py")}

    assert modules <= set(files(ROOT))


def test_an_instance_that_starts_compiles_no_module_of_the_app(package):
    loaded = subprocess.run(
        [sys.executable, "-Ev", "-c", "import function_app, train_function.run"],
        cwd=package,
        env={**os.environ, **FAST, "DATA_STORAGE": "UseDevelopmentStorage=true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stderr

    own = [line for line in loaded.splitlines() if f"code object from '{package}" in line]
    assert len(own) > 100
    assert all("__pycache__" in line for line in own)
    assert not any(bytes(ROOT) in path.read_bytes() for path in package.rglob("*.pyc"))


def test_the_page_and_what_it_needs_are_in_the_package(package):
    static = ROOT / "dashboard_function" / "static"
    needed = {path.relative_to(ROOT) for path in static.rglob("*") if path.is_file()}

    assert Path("dashboard_function/static/vendor/uPlot.iife.min.js") in needed
    assert all((package / path).exists() for path in needed if path.name != ".ready")


def test_the_same_tree_gives_the_same_bytes(tmp_path):
    for name in ("one.zip", "two.zip"):
        write(ROOT, tmp_path / name)

    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_the_unpacked_package_ranks_rewards_and_trains_under_the_worker_runtime(package, azurite):
    answers = answers_of(package, azurite)

    assert answers["folder"] == str(package)  # not the repository's own code
    assert answers["rank"]["status"] in (201, "201")
    assert answers["reward"]["status"] in (204, "204")
    assert answers["train"] == {"ok": True, "error": None}
