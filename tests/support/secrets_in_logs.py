"""Finds in logs what must never be there."""

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path

from devserver.azurite import KEY

MARK = "dontlog"
"""Part of everything that a test sends and that no log may hold; no code of ours has it."""

_PATTERNS = {
    "a bearer token": re.compile(r"\beyJ[\w-]{10,}\.[\w-]+"),
    "a signature of a SAS": re.compile(r"\bsig=(?!REDACTED)[\w%+/-]{16,}"),
    "an authorization": re.compile(r"\bSharedKey(Lite)? \w+:[\w+/=]{16,}"),
    "an account key": re.compile(r"AccountKey=[\w+/=]{16,}"),
}


def spellings(secret: str) -> Iterator[str]:
    """Yield how a text may stand in a log: as it is, and as it travels or is stored."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield urllib.parse.quote(secret, safe="")
    for before in range(3):  # where it begins within three bytes
        coded = base64.urlsafe_b64encode(b"\0" * before + secret.encode()).decode()
        core = coded[(before * 8 + 5) // 6 : len(coded) - 4]
        yield core
        yield core.replace("-", "+").replace("_", "/")


def leaks(text: str, secrets: Iterable[str]) -> set[str]:
    """Return which secrets, in any spelling, and which kinds of secret a text holds."""
    found = {secret for secret in secrets if any(each in text for each in spellings(secret))}
    return found | {kind for kind, pattern in _PATTERNS.items() if pattern.search(text)}


def leaks_in(folder: Path, secrets: Iterable[str]) -> dict[str, set[str]]:
    """Return the leaks of each file of a folder that has any."""
    wanted = {*secrets, MARK, KEY}
    found = {path.name: leaks(path.read_text(errors="replace"), wanted) for path in _files(folder)}
    return {name: what for name, what in found.items() if what}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
