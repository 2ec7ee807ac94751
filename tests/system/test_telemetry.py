"""The running app sends its measurements to where a connection string says, and only then."""

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from devserver.app import LocalApp
from shared.services.meter import METRICS
from tests.conftest import FAST
from tools.smoke import App

KEY = "00000000-0000-0000-0000-000000000000"


class Ingestion(ThreadingHTTPServer):
    """Stands in for Application Insights' ingestion, which needs a subscription."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Track)
        self.received = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def connection_string(self):
        return f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:{self.server_port}/"

    def names(self):
        """Metrics that have arrived."""
        return {metric["name"] for data in self.received for metric in data["metrics"]}


class Track(BaseHTTPRequestHandler):
    """Takes what the exporter posts."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        items = json.loads(body)
        self.server.received += [item["data"]["baseData"] for item in items]
        count = len(items)
        answer = {"itemsReceived": count, "itemsAccepted": count, "errors": []}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def ingestion():
    server = Ingestion()
    yield server
    server.shutdown()
    server.server_close()


def test_calls_decisions_and_training_are_measured(ingestion):
    environ = {
        **os.environ,
        **FAST,
        "APPLICATIONINSIGHTS_CONNECTION_STRING": ingestion.connection_string,
        "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
    }
    rare = {
        "StorageRetries",
        "UnloggedDecisions",
        "ModelLoadFailures",
    }  # faults, which the services' tests provoke
    with LocalApp(environ) as app:
        client = App(app.url.rstrip("/"), app.key)
        path = "personalizer/v1.0/configurations/service"
        quick = {"rewardWaitTime": "PT1S", "modelExportFrequency": "PT1S"}
        client.must(200, "PUT", path, {**client.must(200, "GET", path), **quick})
        action = {"id": "a", "features": [{"x": 1}]}
        for number in range(5):
            body = {"eventId": f"e{number}", "actions": [action]}
            client.must(201, "POST", "personalizer/v1.0/rank", body)
            client.must(204, "POST", f"personalizer/v1.0/events/e{number}/reward", {"value": 1})
        deadline = time.monotonic() + 60
        while not ingestion.names() >= {metric.name for metric in METRICS} - rare:
            assert time.monotonic() < deadline, ingestion.names()
            time.sleep(0.2)

    sent = {metric.name: metric for metric in METRICS}
    ranked = 0
    for data in ingestion.received:
        [metric] = data["metrics"]
        assert set(data["properties"]) == set(sent[metric["name"]].attributes)
        if metric["name"] == "RankedEvents":
            ranked += metric["value"]
    assert ranked == 5


SERVE_ONE_CALL = """
import asyncio, json, sys
import function_app
from azure.functions import HttpRequest
from shared import wiring

async def main():
    process = await wiring.process()
    await (await process.application()).reward.reward("e", 1.0)

asyncio.run(main())
wiring.meter().flush()
print(json.dumps(sorted(m for m in sys.modules if "opentelemetry" in m)))
"""


def test_without_a_connection_string_nothing_of_opentelemetry_is_imported(app_environ):
    environ = {k: v for k, v in app_environ.items() if not k.startswith("APPLICATIONINSIGHTS")}
    ran = subprocess.run(
        [sys.executable, "-c", SERVE_ONE_CALL],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == []
