"""The document of security names what there is."""

import re
from pathlib import Path

from shared.contract.features import MAX_DEPTH
from shared.contract.fields import MAX_BODY_BYTES, MAX_ID
from shared.contract.model_export import _MAX_DIRECTORY, _MAX_RATIO, MAX_MODEL
from shared.contract.operations import MAX_MODEL_BYTES
from shared.contract.rank import MAX_ACTIONS
from shared.learner.arguments.options import (
    MAX_BITS,
    MAX_INTERACTIONS,
    MAX_LENGTH,
    MAX_MEMBERS,
    MAX_ORDER,
)
from shared.learner.effort import MOST
from shared.learner.interactions import MAX_COMBINATIONS, MAX_TERMS
from shared.settings import MIN_KEY

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()


def test_every_file_that_is_named_is_there():
    named = set(re.findall(r"`((?:tests|shared|tools|infra|docs)/[\w./]*)`", TEXT))

    assert len(named) > 15
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_limits_are_those_of_the_code():
    for stated in (
        f"{MAX_BODY_BYTES >> 10} KiB",
        f"{MAX_MODEL_BYTES >> 20} MiB for a model",
        f"{MAX_MODEL >> 20} MiB and at most {_MAX_RATIO} times",
        f"at most {_MAX_DIRECTORY >> 10} KiB",
        f"{MAX_ACTIONS} actions",
        f"ids of {MAX_ID} characters",
        f"{MAX_DEPTH} levels",
        f"{MAX_TERMS:,} terms and {MAX_COMBINATIONS:,} combinations",
        f"{MOST // 10**6} million units of effort",
        f"{MAX_LENGTH:,} characters, `-b` {MAX_BITS}, {MAX_MEMBERS} members",
        f"{MAX_INTERACTIONS} interactions of at most {MAX_ORDER} namespaces",
        f"at least {MIN_KEY} characters",
    ):
        assert stated in TEXT, stated


def test_it_can_be_found():
    for name in ("README.md", "SECURITY.md"):
        assert "(docs/security.md)" in (ROOT / name).read_text()
    assert "(../SECURITY.md)" in TEXT
