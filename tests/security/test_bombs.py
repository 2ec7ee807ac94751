"""What unpacks to gigabytes takes no gigabytes here."""

import io
import os
import resource
import struct
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.contract.model_export import (
    CERTIFICATE,
    MODEL,
    SIGNATURE,
    ModelExportError,
    SignatureError,
    new_signer,
    read,
    write,
)

MOST = 128 << 20
"""Bytes of memory that a bomb may take beside its own, well below any of the bombs."""

MEASURED = """
import sys, tracemalloc
from shared.contract.model_export import ModelExportError, read
data = open(sys.argv[1], "rb").read()
tracemalloc.start()
try:
    read(data)
    said = "read"
except ModelExportError as exc:
    said = str(exc)
print(tracemalloc.get_traced_memory()[1], said)
"""


def _zip(members, method=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def _with_model(model, method=zipfile.ZIP_DEFLATED):
    return _zip({MODEL: model, CERTIFICATE: b"x", SIGNATURE: b"x"}, method)


def _many_entries(count):
    """A zip whose list has ``count`` entries: 46 bytes each here, 500 when zipfile has read it."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[0] * 16)
    return entry * count + struct.pack(
        "<4s4H2LH", b"PK\6\6"[:2] + b"\5\6", 0, 0, 3, 3, 46 * count, 0, 0
    )  # it says that there are three


def _taken(bomb, folder):
    """Return the bytes of memory that reading took, and what came of it."""
    path = folder / "bomb.zip"
    path.write_bytes(bomb)
    root = Path(__file__).parents[2]
    answer = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)],
        cwd=root, capture_output=True, text=True, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)),
    )  # fmt: skip
    taken, _, said = answer.stdout.partition(" ")
    return int(taken), said.strip()


@pytest.mark.parametrize(
    ("bomb", "says"),
    [
        (lambda: _with_model(bytes(250 << 20)), "too large"),
        (lambda: _with_model(bytes(250 << 20), zipfile.ZIP_BZIP2), "deflated or stored"),
        (lambda: _with_model(bytes(1 << 20), zipfile.ZIP_LZMA), "deflated or stored"),
        (lambda: _many_entries(1_000_000), "no more"),
    ],
    ids=["zeros", "bzip2", "lzma", "entries"],
)
def test_a_bomb_is_refused_and_takes_little_memory(bomb, says, tmp_path):
    taken, said = _taken(bomb(), tmp_path)

    assert says in said
    assert taken < MOST


def test_what_is_measured_can_be_too_much(tmp_path):
    """A model of that size that could be a real one is unpacked, and that is seen."""
    taken, said = _taken(_with_model((os.urandom(2000) + bytes(198_000)) * 1000), tmp_path)

    assert "certificate" in said
    assert taken > MOST


def test_a_zip_within_the_zip_is_a_model_like_any_other():
    signer = new_signer("x", datetime(2026, 11, 24, tzinfo=UTC))
    inner = _with_model(bytes(1 << 20))

    assert read(write(inner, signer)).model == inner
    with pytest.raises(SignatureError):
        read(_with_model(inner))


def test_a_list_of_members_that_is_elsewhere_is_refused():
    """Zip64 keeps it where the record at the end does not say."""
    whole = _with_model(b"model")
    at = whole.rindex(b"PK\5\6")
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)

    for bomb in (whole[:at] + locator + whole[at:], whole[:-2], b"PK\3\4", b"PK" + bytes(100)):
        with pytest.raises(ModelExportError):
            read(bomb)
