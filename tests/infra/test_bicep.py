"""What the templates set is what the code reads, and what the platform allows."""

import re

import pytest

from shared.settings import APP_SETTINGS
from tests.infra.bicep import FILES, INFRA, body, parsed, strings, value

APP = "modules/functionApp.bicep"
STORAGE = "modules/storage.bicep"
OPERATIONS = (INFRA.parent / "docs" / "operations.md").read_text()
NAMES = [str(path.relative_to(INFRA)) for path in FILES]

PLATFORM_SETTINGS = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
    "AzureWebJobsDisableHomepage",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
}
"""Read by the platform and its libraries."""

FORBIDDEN_ON_FLEX = {
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_EXTENSION_VERSION",
    "WEBSITE_RUN_FROM_PACKAGE",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "ENABLE_ORYX_BUILD",
    "FUNCTIONS_WORKER_PROCESS_COUNT",
    "FUNCTIONS_MAX_HTTP_CONCURRENCY",
}

ROLES = {  # built in, the same in every tenant
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_template_parses_and_describes_every_parameter(name):
    tree = parsed(name)

    for parameter, described in tree.get("parameters", {}).items():
        kinds = [decorator["type"] for decorator in described["decorators"]]
        assert "description" in kinds, f"{parameter} of {name} has no description"


def test_modules_are_local_files_and_get_the_parameters_that_they_have():
    modules = parsed("main.bicep")["modules"]

    assert len(modules) >= 7
    for module in modules.values():
        assert module["type"] == "local"  # a registry module would have to be pinned
        parameters = parsed(module["detail"]["path"])["parameters"]
        required = {name for name, p in parameters.items() if p.get("default") is None}
        given = set(body(module)["params"])
        assert required <= given <= set(parameters)


def test_every_parameter_of_the_deployment_is_documented():
    for name in parsed("main.bicep")["parameters"]:
        assert f"| `{name}` |" in OPERATIONS


def test_app_settings_that_templates_set_are_those_that_the_code_reads():
    set_by_bicep = set(value(APP, "settings"))
    read_by_code = {setting.name: setting for setting in APP_SETTINGS}

    assert set_by_bicep - set(read_by_code) == PLATFORM_SETTINGS
    for name in set(read_by_code) - set_by_bicep:
        assert read_by_code[name].default is not None, f"{name} is required, and not set"
    # Without a connection string the app needs all three, and training in Azure a schedule.
    needed = {"DATA_STORAGE__blobServiceUri", "DATA_STORAGE__tableServiceUri"}
    assert (
        needed
        | {
            "APPLICATIONINSIGHTS_CONNECTION_STRING",
            "DATA_STORAGE__clientId",
            "LOOPS",
            "TRAIN_SCHEDULE",
        }
        <= set_by_bicep
    )


def test_no_connection_string_and_no_setting_that_the_plan_forbids():
    for name in NAMES:
        found = set(strings(parsed(name)))
        assert not found & (FORBIDDEN_ON_FLEX | {"AzureWebJobsStorage", "DATA_STORAGE"})
        assert not any("AccountKey" in text or "listKeys" in text for text in found)


def test_role_ids_are_the_official_ones_and_every_grant_is_documented():
    ids = {name.strip("'"): id for name, id in value("modules/roles.bicep", "roleIds").items()}
    grants = [
        grant
        for granted in ("appGrants", "operatorGrants")
        for grant in value("modules/roles.bicep", granted)
    ]

    assert ids == ROLES
    assert {grant["role"] for grant in grants} == set(ROLES)
    for grant in grants:
        row = f"\\| {grant['on']} \\| {grant['role']} \\| `{ROLES[grant['role']]}` \\|"
        assert re.search(row, OPERATIONS), f"{grant} is not in docs/operations.md"


def test_every_grant_is_made_on_its_own_resource_only():
    resources = parsed("modules/roles.bicep")["resources"]
    scopes = {
        name: body(resource)["scope"]
        for name, resource in resources.items()
        if resource["type"] == "Microsoft.Authorization/roleAssignments"
    }

    assert scopes == {
        "onHost": "hostStorage",
        "onData": "dataStorage",
        "onVault": "vault",
        "onInsights": "insights",
    }


def test_every_private_endpoint_has_the_name_zone_of_its_group():
    zones = value("modules/endpoints.bicep", "zoneOfGroup")
    modules = parsed("main.bicep")["modules"].values()
    given = [body(module)["params"] for module in modules if "endpoints" in str(module["detail"])]

    assert len(given) == 2
    for parameters in given:
        groups = parameters["groups"]
        assert sorted({target["group"] for target in parameters["targets"]}) == sorted(groups)
        assert set(groups) <= set(zones)


def test_storage_is_private_to_identities():
    security = value(STORAGE, "security")

    assert security["allowSharedKeyAccess"] is False
    assert security["allowBlobPublicAccess"] is False
    assert security["minimumTlsVersion"] == "TLS1_2"
    assert security["supportsHttpsTrafficOnly"] is True
    for account in ("host", "data"):
        assert parsed(STORAGE)["resources"][account]["config"]["properties"] == "security"


def test_the_app_runs_on_a_python_that_it_supports_and_serves_calls_side_by_side():
    site = parsed(APP)["resources"]["app"]["config"]["properties"]
    config = site["functionAppConfig"]
    project = (INFRA.parent / "pyproject.toml").read_text()
    required = re.search(r'requires-python = ">=3\.(\d+)"', project)

    assert config["runtime"]["name"] == "python"
    assert int(config["runtime"]["version"].split(".")[1]) >= int(required[1])
    http = config["scaleAndConcurrency"]["triggers"]["http"]
    assert http["perInstanceConcurrency"] == "perInstanceConcurrency"
    assert parsed("main.bicep")["parameters"]["perInstanceConcurrency"]["default"] > 1
    assert site["httpsOnly"] is True


def test_names_stay_within_their_limits_for_the_longest_installation_name():
    tree = parsed("main.bicep")
    longest = next(
        decorator["argument"]
        for decorator in tree["parameters"]["name"]["decorators"]
        if decorator["type"] == "max_length"
    )
    unique = 13  # characters of uniqueString
    patterns = {"appName": tree["variables"]["appName"]["value"]}
    for module, key in {"storage": "hostName", "keys": "vaultName"}.items():
        patterns[key] = tree["modules"][module]["config"]["params"][key]

    def length(pattern):
        sizes = {"name": longest, "token": unique, "compact": 8, "take(token, 8)": 8}
        return len(re.sub(r"\$\{(.*?)\}", lambda part: "x" * sizes[part[1]], pattern))

    assert length(patterns["appName"]) < 32  # the host id is cut there
    assert length(patterns["hostName"]) <= 24
    assert length(patterns["vaultName"]) <= 24


def test_keys_are_referenced_without_a_version_and_made_only_once():
    outputs = parsed("modules/keys.bicep")["outputs"]
    references = [str(output["value"]) for output in outputs.values() if "KeyVault" in str(output)]

    assert len(references) == 2
    for reference in references:
        assert reference.startswith("@Microsoft.KeyVault(SecretUri=")
        assert reference.endswith(".name})")  # nothing after the secret's name
    text = (INFRA / "modules" / "keys.bicep").read_text()
    assert text.count("@onlyIfNotExists()\nresource key") == 2
