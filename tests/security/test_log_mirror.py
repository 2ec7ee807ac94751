"""The address that logs were mirrored to is checked, kept as a secret, and never contacted."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.contract.errors import ContractError
from shared.contract.sas_uri import MAX_LENGTH
from shared.contract.service_configuration import (
    parse_service_configuration,
    render_service_configuration,
)
from shared.contract.versions import ApiVersion
from shared.services.loop_settings import LoopSettings

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CURRENT = LoopSettings("name", NOW)
SAS = "se=2020-08-13T00%3A00Z&sp=rwl&spr=https&sv=2018-11-09&sr=c&sig=signature"
GOOD = f"https://testblob.blob.core.windows.net/container?{SAS}"
ROOT = Path(__file__).resolve().parents[2]


def _put(uri, version=ApiVersion.V1_1_PREVIEW_3):
    body = json.loads(render_service_configuration(CURRENT, version))
    body["logMirrorSasUri"] = uri
    return parse_service_configuration(json.dumps(body).encode(), CURRENT, version, NOW)


@pytest.mark.parametrize(
    "uri",
    [GOOD, GOOD.replace(".net/", ".net:443/"), GOOD.replace("container?", "container/?"),
     GOOD.replace("core.windows.net", "core.usgovcloudapi.net"),
     GOOD.replace("core.windows.net", "core.chinacloudapi.cn"),
     GOOD.replace("testblob.blob.core.windows.net", "testblob.z01.blob.storage.azure.net"),
     "https://a12.blob.core.windows.net/$logs?sig=x", ""],
)  # fmt: skip
def test_a_container_with_a_sas_is_kept_and_shown(uri):
    changed = _put(uri)

    assert changed.log_mirror.sas_uri == uri
    shown = json.loads(render_service_configuration(changed, ApiVersion.V1_0))
    assert shown["logMirrorSasUri"] == uri


@pytest.mark.parametrize(
    "uri",
    [
        f"http://testblob.blob.core.windows.net/container?{SAS}",
        f"ftp://testblob.blob.core.windows.net/container?{SAS}",
        f"https://169.254.169.254/metadata/instance?{SAS}",
        f"https://127.0.0.1/container?{SAS}",
        f"https://[::1]/container?{SAS}",
        f"https://2130706433/container?{SAS}",
        f"https://0x7f.1/container?{SAS}",
        f"https://localhost/container?{SAS}",
        f"https://testblob.blob.core.windows.net.evil.example/container?{SAS}",
        f"https://evil.example/testblob.blob.core.windows.net/container?{SAS}",
        f"https://evilblob.core.windows.net/container?{SAS}",
        f"https://testblob.table.core.windows.net/container?{SAS}",
        f"https://testblob.blob.core.windows.net@evil.example/container?{SAS}",
        f"https://user:password@testblob.blob.core.windows.net/container?{SAS}",
        f"https://testblob.blob.core.windows.net:22/container?{SAS}",
        f"https://testblob.blob.core.windows.net:4430/container?{SAS}",
        f"https://testblob.blob.core.windows.net\\@evil.example/container?{SAS}",
        f"https://evil.example#.blob.core.windows.net/container?{SAS}",
        f"https://evil.example/#.blob.core.windows.net/container?{SAS}",
        f"https://testblob.blob.core.windows.net./container?{SAS}",
        f"https://.blob.core.windows.net/container?{SAS}",
        f"https://a.b.blob.core.windows.net/container?{SAS}",
        f"https://testblob.blob.core.windows.net/container/../other?{SAS}",
        f"https://testblob.blob.core.windows.net/container/blob?{SAS}",
        f"https://testblob.blob.core.windows.net/?{SAS}",
        f"https://tеstblob.blob.core.windows.net/container?{SAS}",  # a Cyrillic letter
        f"https://testblob.blob.core.windows.net/container?{SAS}\r\nHost: evil.example",
        f"https://testblob.blob.core.windows.net/container?{SAS}\n",
        f" {GOOD}",
        "https://testblob.blob.core.windows.net/container?sv=2018-11-09",
        "https://testblob.blob.core.windows.net/container?sig=",
        "https://testblob.blob.core.windows.net/container?notsig=x",
        f"{GOOD}#fragment",
        GOOD + "x" * MAX_LENGTH,
        "?" + "sig=" * 1000,
        7,
        [GOOD],
    ],
)
def test_any_other_address_is_refused_by_name_and_not_repeated(uri):
    with pytest.raises(ContractError) as refused:
        _put(uri)

    assert refused.value.code.status == 400
    assert refused.value.target == "logMirrorSasUri"
    assert "evil" not in refused.value.message
    assert "sig=" not in refused.value.message


def test_it_is_a_secret():
    settings = _put(GOOD)

    assert "sig" not in repr(settings)
    assert "sig" not in str(settings.log_mirror)


def test_nothing_reads_it_but_the_configuration_that_shows_it():
    """So nothing can send it anywhere; and what reads it can send nothing."""
    folders = [ROOT / "shared", *ROOT.glob("*_function")]
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text()
        for folder in folders
        for path in folder.rglob("*.py")
    }
    readers = {path for path, text in texts.items() if re.search(r"log_mirror|sas_uri", text)}

    assert readers == {
        "shared/contract/bodies.py",
        "shared/contract/sas_uri.py",
        "shared/contract/service_configuration.py",
        "shared/services/loop_settings.py",
    }
    sending = re.compile(r"^(import|from) (aiohttp|http|urllib|socket|azure)", re.MULTILINE)
    assert [path for path in readers if sending.search(texts[path])] == []
    assert sending.search(texts["shared/storage/table_account.py"])
