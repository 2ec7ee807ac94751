"""Settings with which the app must not start, or not as it seems."""

import pytest

from shared.settings import Settings, SettingsError

KEY = "a-key-of-the-tests"
UNRESOLVED = (
    "@Microsoft.KeyVault(SecretUri=https://example.vault.azure.net/secrets/personalizer-key-1)"
)


def settings(**given):
    return Settings.from_environ({"DATA_STORAGE": "UseDevelopmentStorage=true", **given})


def test_a_reference_that_the_platform_could_not_resolve_is_not_a_key():
    assert settings(PERSONALIZER_KEY_1=UNRESOLVED, PERSONALIZER_KEY_2=KEY).keys == (KEY,)


def test_the_app_does_not_start_when_no_key_could_be_resolved():
    with pytest.raises(SettingsError, match="PERSONALIZER_KEY_1"):
        settings(PERSONALIZER_KEY_1=UNRESOLVED)


@pytest.mark.parametrize("seconds", ["0", "61", "never"])
def test_an_impossible_time_for_unlogged_decisions_is_refused(seconds):
    assert settings(PERSONALIZER_KEY_1=KEY).unlogged_after is None
    with pytest.raises(SettingsError, match="SERVE_UNLOGGED_AFTER_SECONDS"):
        settings(PERSONALIZER_KEY_1=KEY, SERVE_UNLOGGED_AFTER_SECONDS=seconds)


def test_an_identity_needs_both_endpoints_and_no_connection_string():
    uris = {
        "DATA_STORAGE": "",
        "DATA_STORAGE__blobServiceUri": "https://x.blob.core.windows.net",
        "DATA_STORAGE__tableServiceUri": "https://x.table.core.windows.net",
    }

    assert settings(PERSONALIZER_KEY_1=KEY, **uris).connection_string == ""
    with pytest.raises(SettingsError, match="tableServiceUri"):
        settings(PERSONALIZER_KEY_1=KEY, **{**uris, "DATA_STORAGE__tableServiceUri": ""})
