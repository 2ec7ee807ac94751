"""What is deployed is pinned, by hash, to what was looked at."""

import importlib.metadata
import json
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.txt").read_text()
WORKFLOWS = ROOT / ".github" / "workflows"
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def _entries(text):
    """Yield each requirement of a file with what stands behind it."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        line = line.partition(" #")[0].strip()
        if line and not line.startswith("#"):
            requirement, *rest = line.split(" --hash=")
            yield Requirement(requirement), [f"--hash={each.strip()}" for each in rest]


def _names(text):
    return {canonicalize_name(requirement.name) for requirement, _ in _entries(text)}


def _environment(python):
    return {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
    }


def _locked(python):
    """The version of each package that this Python gets in Azure."""
    found = {}
    for requirement, _ in _entries(LOCK):
        if requirement.marker is None or requirement.marker.evaluate(_environment(python)):
            name = canonicalize_name(requirement.name)
            assert name not in found
            (found[name],) = (each.version for each in requirement.specifier)
    return found


def test_every_line_is_one_version_with_hashes():
    entries = list(_entries(LOCK))

    assert len(entries) > 20
    for requirement, hashes in entries:
        assert [each.operator for each in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert all(HASH.fullmatch(each) for each in hashes), requirement


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_what_is_asked_for(python):
    locked = _locked(python)

    for requirement, _ in _entries((ROOT / "requirements.in").read_text()):
        if requirement.marker is None or requirement.marker.evaluate(_environment(python)):
            assert locked[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_the_lock_has_what_these_need_themselves():
    """By what the packages say that are installed here; versions may differ."""
    locked = _locked(PYTHONS[0])
    wanted = [
        (requirement.name, tuple(requirement.extras))
        for requirement, _ in _entries((ROOT / "requirements.in").read_text())
    ]
    seen = set()
    while wanted:
        name, extras = wanted.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        assert canonicalize_name(name) in locked
        for text in importlib.metadata.requires(name) or ():
            needed = Requirement(text)
            marks = ({**_environment(PYTHONS[0]), "extra": extra} for extra in ("", *extras))
            if needed.marker is None or any(needed.marker.evaluate(each) for each in marks):
                wanted.append((needed.name, tuple(needed.extras)))

    assert {"aiohttp", "numpy", "cryptography", "msal"} <= {name for name, _ in seen}


def test_what_is_tested_is_what_is_deployed():
    for requirement, _ in _entries(LOCK):
        if requirement.marker is None or requirement.marker.evaluate():
            installed = importlib.metadata.version(requirement.name)
            assert installed in requirement.specifier, requirement


def test_the_lock_names_no_registry():
    assert "://" not in LOCK
    assert "index-url" not in LOCK


def test_a_lock_with_less_would_be_noticed():
    without_hash = "a==1.0 \\\n    # via b\n"
    ((requirement, hashes),) = _entries(without_hash)

    assert (str(requirement), hashes) == ("a==1.0", [])
    assert _names("a==1 --hash=sha256:00\nb==2\n") == {"a", "b"}


def test_npm_packages_are_pinned_by_hash():
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    named = {name: each for name, each in packages.items() if name and not each.get("link")}

    assert len(named) > 50
    assert [name for name, each in named.items() if "integrity" not in each] == []
    asked = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    assert all(re.fullmatch(r"\d[\w.-]*", version) for version in asked.values())


def test_releases_are_signed_before_they_are_published():
    release = (WORKFLOWS / "release.yml").read_text()

    made, signed, published = (
        release.index(step)
        for step in ("- run: make package", "attest-build-provenance", "gh release create")
    )
    assert made < signed < published
    assert "subject-path: dist/open-personalizer.zip" in release


def test_advisories_are_looked_up_whenever_what_is_used_changes_and_every_week():
    audit = (WORKFLOWS / "audit.yml").read_text()
    makefile = (ROOT / "Makefile").read_text()

    assert "- run: make audit\n" in audit
    assert "schedule:" in audit
    assert "--require-hashes" in audit
    assert "pip-audit --strict" in makefile
    assert "npm audit" in makefile


def test_updates_are_proposed_for_everything_that_is_pinned():
    dependabot = (ROOT / ".github" / "dependabot.yml").read_text()

    ecosystems = re.findall(r"package-ecosystem: ([\w-]+)", dependabot)
    assert sorted(ecosystems) == ["github-actions", "npm", "uv"]
