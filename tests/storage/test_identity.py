"""The path by managed identity: tokens over TLS, and no connection string anywhere."""

import json
import os
import subprocess
import sys

import pytest

from devserver.azurite import Azurite
from tests.conftest import FAST


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate for the loopback address."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", str(key), "-out", str(cert), "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed: no certificate for the emulator")
    return cert, key


def test_the_loop_runs_by_identity_alone(certificate):
    cert, key = certificate
    emulator = Azurite(None, "--oauth", "basic", "--cert", str(cert), "--key", str(key))
    try:
        account = "https://{}/devstoreaccount1"
        environ = {
            **os.environ,
            **FAST,
            "DATA_STORAGE": "",
            "DATA_STORAGE__blobServiceUri": account.format(emulator.addresses["Blob"]),
            "DATA_STORAGE__tableServiceUri": account.format(emulator.addresses["Table"]),
            "SSL_CERT_FILE": str(cert),
        }
        ran = subprocess.run(
            [sys.executable, "-m", "tests.support.identity_run"],
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        emulator.stop()

    assert ran.returncode == 0, ran.stderr[-2000:]
    assert json.loads(ran.stdout) == {"chosen": "a", "outcome": "trained"}
