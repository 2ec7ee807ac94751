"""Sends the app's measurements to Application Insights, through OpenTelemetry.

Without a connection string nothing of OpenTelemetry is imported, and measuring costs next to
nothing. With one, its half a second of imports happens beside the serving of first requests.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.services.meter import METRICS, SILENT, Kind, Meter, Metric

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader

logger = logging.getLogger(__name__)

KEPT = 10_000
"""Measurements that wait for the exporter to be ready; more are dropped."""


def meter(connection: str) -> Meter:
    """Return what takes this process's measurements: nothing, without a connection string."""
    if not connection:
        return SILENT
    return LateMeter(lambda: OpenTelemetryMeter(_azure(connection)))


class OpenTelemetryMeter:
    """Hands measurements to the instruments of OpenTelemetry."""

    def __init__(self, provider: "MeterProvider") -> None:
        """Make instruments of ``provider`` as metrics come."""
        self._provider = provider
        self._meter = provider.get_meter("open-personalizer")
        self._take: dict[str, Callable[[float, dict[str, str]], None]] = {}

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """See ``Meter``."""
        take = self._take.get(metric.name)
        if take is None:
            take = self._take[metric.name] = self._instrument(metric)
        take(value, attributes)

    def flush(self) -> None:
        """See ``Meter``."""
        self._provider.force_flush()

    def _instrument(self, metric: Metric) -> Callable[[float, dict[str, str]], None]:
        if metric.kind is Kind.COUNTER:
            return self._meter.create_counter(metric.name, metric.unit, metric.about).add
        if metric.kind is Kind.HISTOGRAM:
            return self._meter.create_histogram(metric.name, metric.unit, metric.about).record
        return self._meter.create_gauge(metric.name, metric.unit, metric.about).set


class LateMeter:
    """Keeps measurements until the meter that takes them has been made, in a thread."""

    def __init__(self, make: Callable[[], Meter]) -> None:
        """Make the meter when there is something to record."""
        self._make = make
        self._made: Meter | None = None
        self._making: threading.Thread | None = None
        self._kept: list[tuple[Metric, float, dict[str, str]]] = []
        self._lock = threading.Lock()

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """See ``Meter``."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._keep(metric, value, attributes)
                    return
        self._made.record(metric, value, **attributes)

    def flush(self) -> None:
        """See ``Meter``."""
        if self._making is not None:
            self._making.join()
        if self._made is not None:
            self._made.flush()

    def _keep(self, metric: Metric, value: float, attributes: dict[str, str]) -> None:
        if len(self._kept) < KEPT:
            self._kept.append((metric, value, attributes))
        if self._making is None:
            self._making = threading.Thread(target=self._start, daemon=True)
            self._making.start()

    def _start(self) -> None:
        try:
            made = self._make()
        except Exception as exc:  # noqa: BLE001 (whatever fails here must not stop the app)
            # Its message may repeat the connection string.
            logger.error("metrics are not sent: %s", type(exc).__name__)
            made = SILENT
        with self._lock:
            for metric, value, attributes in self._kept:
                made.record(metric, value, **attributes)
            self._kept.clear()
            self._made = made


def provider(reader: "MetricReader") -> "MeterProvider":
    """Return a provider of instruments that ``reader`` reads."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.view import View
    from opentelemetry.sdk.resources import Resource

    resource = Resource(
        {
            "service.name": os.environ.get("WEBSITE_SITE_NAME", "open-personalizer"),
            "service.instance.id": socket.gethostname(),
        }
    )
    # The SDK writes an instrument's name in small letters; a view gives it back as it was.
    views = [View(instrument_name=m.name.lower(), name=m.name) for m in METRICS]
    return MeterProvider([reader], resource, views=views)


def _azure(connection: str) -> "MeterProvider":
    from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    # It reads APPLICATIONINSIGHTS_AUTHENTICATION_STRING itself, to send by identity.
    exporter = AzureMonitorMetricExporter(
        connection_string=connection, disable_offline_storage=True
    )
    return provider(PeriodicExportingMetricReader(exporter))  # once a minute
