"""Alerts and workbook ask for what the app sends, and for nothing else."""

import json
import re

import pytest

from shared.contract.operations import OPERATIONS
from shared.services.meter import METRICS
from tests.infra.bicep import INFRA, body, parsed, value

BY_NAME = {metric.name: metric for metric in METRICS}
OPERATIONS_PAGE = (INFRA.parent / "docs" / "operations.md").read_text()
ALERTS = {path.stem: path.read_text() for path in sorted((INFRA / "queries").glob("*.kql"))}
WORKBOOK = json.loads((INFRA / "workbook.json").read_text())


def panels():
    """Name and query of everything in the workbook that asks for data."""
    for item in WORKBOOK["items"]:
        if item["type"] == 3:
            yield item["name"], item["content"]["query"]
        elif item["type"] == 9:
            for parameter in item["content"]["parameters"]:
                if "query" in parameter:
                    yield parameter["name"], parameter["query"]


QUERIES = {**ALERTS, **dict(panels())}


def names_in(query):
    """Metrics that a query asks for by name."""
    single = re.findall(r"Name == '(\w+)'", query)
    listed = [
        name for names in re.findall(r"Name in \(([^)]*)\)", query) for name in names.split(",")
    ]
    return {name.strip(" '") for name in single + listed}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_names_metrics_that_the_app_sends(query):
    names = names_in(query)

    assert names
    assert names <= set(BY_NAME)
    assert query.count("AppMetrics") >= query.count("where Name") >= 1


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_uses_attributes_that_its_metrics_have(query):
    asked = set(re.findall(r"Properties\.(\w+)", query))

    assert asked <= set().union(*(BY_NAME[name].attributes for name in names_in(query)))


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_asks_for_operations_that_exist(query):
    asked = set(re.findall(r"Properties\.operation == '(\w+)'", query))

    assert asked <= {operation.name for operation in OPERATIONS}


def test_every_metric_is_shown_or_watched():
    used = set().union(*map(names_in, QUERIES.values()))

    assert used == set(BY_NAME)


def test_panels_that_show_one_loop_show_the_chosen_one():
    for name, query in panels():
        of_a_loop = any("loop" in BY_NAME[metric].attributes for metric in names_in(query))
        assert ("'{Loop}'" in query) == (of_a_loop and name != "Loop"), name


def test_every_query_file_is_an_alert_that_tells_somebody():
    rules = value("modules/alerts.bicep", "rules")
    loaded = {rule["name"]: str(rule["query"]) for rule in rules}
    alert = body(parsed("modules/alerts.bicep")["resources"]["alerts"])["properties"]

    assert set(loaded) == set(ALERTS)
    for name, query in loaded.items():
        assert f"queries/{name}.kql" in query
        assert "Value" in ALERTS[name]
    assert alert["criteria"]["allOf"][0]["metricMeasureColumn"] == "Value"
    assert alert["actions"]["actionGroups"]


def test_every_alert_is_explained():
    for name in ALERTS:
        assert f"### {name}\n" in OPERATIONS_PAGE
