"""Measurements reach OpenTelemetry as the table says, and cost nothing where nobody wants them."""

import threading

import pytest
from azure.monitor.opentelemetry.exporter.export.metrics._exporter import (
    APPLICATION_INSIGHTS_METRIC_TEMPORALITIES,
    AzureMonitorMetricExporter,
)
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from shared import telemetry
from shared.services import meter
from shared.services.meter import METRICS, SILENT, Metric, record_call
from shared.telemetry import LateMeter, OpenTelemetryMeter

NOWHERE = (
    "InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint=http://127.0.0.1:9/"
)


class Recorded:
    """Remembers what it is given."""

    def __init__(self):
        self.values = []
        self.flushed = 0

    def record(self, metric, value, **attributes):
        self.values.append((metric.name, value, attributes))

    def flush(self):
        self.flushed += 1


@pytest.fixture
def reader():
    """Keeps what would be sent, added up as Application Insights wants it."""
    return InMemoryMetricReader(preferred_temporality=APPLICATION_INSIGHTS_METRIC_TEMPORALITIES)


@pytest.fixture
def official(reader):
    """A meter over the official SDK."""
    provider = telemetry.provider(reader)
    yield OpenTelemetryMeter(provider)
    provider.shutdown()


def points(reader):
    """All that was recorded since the last call: (name, attributes) -> point."""
    data = reader.get_metrics_data()
    if data is None:
        return {}
    return {
        (metric.name, tuple(sorted(point.attributes.items()))): point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def test_names_are_unique_and_every_metric_of_the_module_is_in_the_table():
    declared = [value for value in vars(meter).values() if isinstance(value, Metric)]

    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert sorted(declared, key=lambda m: m.name) == sorted(METRICS, key=lambda m: m.name)


def test_counters_add_up_and_gauges_keep_the_last_value(official, reader):
    for value in (2, 3):
        official.record(meter.STORAGE_RETRIES, value, loop="a")
        official.record(meter.TRAINING_LAG, value, loop="a")
        official.record(meter.LATENCY, value, operation="Rank")

    found = points(reader)
    assert found["StorageRetries", (("loop", "a"),)].value == 5
    assert found["TrainingLag", (("loop", "a"),)].value == 3
    latency = found["Latency", (("operation", "Rank"),)]
    assert (latency.sum, latency.count) == (5, 2)


def test_what_was_counted_and_sent_is_not_sent_again(official, reader):
    official.record(meter.STORAGE_RETRIES, 1, loop="a")
    points(reader)
    official.record(meter.STORAGE_RETRIES, 4, loop="a")

    found = points(reader)
    assert [(name, point.value) for (name, _), point in found.items()] == [("StorageRetries", 4)]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_becomes_what_the_queries_read(official, reader, metric):
    attributes = {name: "x" for name in metric.attributes}
    official.record(metric, 7, **attributes)
    [((name, _), point)] = points(reader).items()
    exporter = AzureMonitorMetricExporter(connection_string=NOWHERE, disable_offline_storage=True)
    sent = exporter._point_to_envelope(point, name).data.base_data

    assert sent.metrics[0].name == metric.name
    assert sent.metrics[0].value == 7  # the column Sum of the table AppMetrics
    assert sent.properties == attributes


@pytest.mark.parametrize(
    ("milliseconds", "band"), [(0, "5"), (5, "5"), (5.1, "10"), (2_500, "2500"), (99_999, "10000")]
)
def test_a_call_is_counted_in_the_band_of_its_duration(milliseconds, band):
    recorded = Recorded()
    record_call(recorded, "Rank", 201, milliseconds / 1_000)

    assert recorded.values[0] == (
        "TotalCalls",
        1,
        {"operation": "Rank", "status": "201", "upTo": band},
    )
    assert recorded.values[1] == ("Latency", pytest.approx(milliseconds), {"operation": "Rank"})


def test_nothing_is_lost_while_the_meter_is_being_made():
    ready = threading.Event()
    recorded = Recorded()

    def make():
        ready.wait(30)
        return recorded

    late = LateMeter(make)
    for value in range(3):
        late.record(meter.LATENCY, value, operation="Rank")
    before = list(recorded.values)
    ready.set()
    late.flush()
    late.record(meter.LATENCY, 3, operation="Rank")

    assert before == []
    assert [value for _, value, _ in recorded.values] == [0, 1, 2, 3]
    assert recorded.flushed == 1


def test_a_meter_that_cannot_be_made_stops_nothing_and_tells_no_secret(caplog):
    def make():
        raise ValueError("InstrumentationKey=secret")

    late = LateMeter(make)
    late.record(meter.LATENCY, 1, operation="Rank")
    late.flush()
    late.record(meter.LATENCY, 2, operation="Rank")

    assert "metrics are not sent: ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_without_a_connection_string_there_is_no_meter():
    assert telemetry.meter("") is SILENT
