"""The proxy itself: what each fault does to a real request to a real emulator."""

import uuid

import pytest
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient, LinearRetry

from devserver.azurite import Azurite
from tests.faults.proxy import (
    RESET_AFTER,
    RESET_BEFORE,
    SERVER_ERROR,
    THROTTLED,
    TIMED_OUT_AFTER,
    TRUNCATED,
    Fault,
    FaultProxy,
    Kind,
    Plan,
)

NO_RETRIES = {"retry_total": 0, "read_timeout": 0.5}


@pytest.fixture
def proxy(azurite):
    with FaultProxy(azurite) as proxy:
        yield proxy


@pytest.fixture
def table(azurite, proxy):
    """A table reached through the proxy, by a client that never tries again, and directly."""
    name = f"t{uuid.uuid4().hex}"
    with (
        TableServiceClient.from_connection_string(azurite) as direct,
        TableServiceClient.from_connection_string(proxy.connection_string, **NO_RETRIES) as through,
    ):
        direct.create_table(name)
        yield through.get_table_client(name), direct.get_table_client(name)
        direct.delete_table(name)


def is_there(table, key):
    return key in [row["RowKey"] for row in table.list_entities()]


@pytest.mark.parametrize(
    ("fault", "error", "takes_effect"),
    [
        (RESET_BEFORE, (ServiceRequestError, ServiceResponseError), False),
        (RESET_AFTER, ServiceResponseError, True),
        (Fault(Kind.HANG_BEFORE, seconds=5), ServiceResponseError, False),
        (Fault(Kind.HANG_AFTER, seconds=5), ServiceResponseError, True),
        (SERVER_ERROR, HttpResponseError, False),
        (THROTTLED, HttpResponseError, False),
        (TIMED_OUT_AFTER, HttpResponseError, True),
        (Fault(Kind.LATENCY, seconds=0.1), None, True),
    ],
    ids=lambda value: value.label if isinstance(value, Fault) else "",
)
def test_each_fault_reaches_the_client_and_storage_did_or_did_not_do_it(
    proxy, table, fault, error, takes_effect
):
    through, direct = table
    proxy.inject(fault, "POST ")
    row = {"PartitionKey": "p", "RowKey": "r"}

    if error is None:
        through.create_entity(row)
    else:
        with pytest.raises(error):
            through.create_entity(row)

    assert is_there(direct, "r") is takes_effect
    assert proxy.injected == {fault.label: 1}
    through.create_entity({"PartitionKey": "p", "RowKey": "next"})  # it was broken only once


def test_an_injected_refusal_is_read_as_storage_own(proxy, table):
    through, _ = table
    proxy.inject(THROTTLED, "POST ")

    with pytest.raises(HttpResponseError) as refused:
        through.create_entity({"PartitionKey": "p", "RowKey": "r"})

    assert refused.value.status_code == 503
    assert "ServerBusy" in str(refused.value)
    assert refused.value.response.headers["Retry-After"] == "1"


@pytest.mark.parametrize("hanging", [False, True])
def test_storage_is_away_and_comes_back(proxy, table, hanging):
    through, direct = table
    proxy.away(hanging=hanging)
    with pytest.raises(AzureError):
        through.create_entity({"PartitionKey": "p", "RowKey": "away"})
    proxy.back()

    through.create_entity({"PartitionKey": "p", "RowKey": "back"})

    assert is_there(direct, "back")
    assert not is_there(direct, "away")


def test_half_an_answer_is_noticed(azurite):
    with (
        FaultProxy(azurite) as proxy,
        BlobServiceClient.from_connection_string(proxy.connection_string, retry_total=0) as service,
        service.get_container_client(f"c{uuid.uuid4().hex}") as container,
    ):
        container.create_container()
        container.upload_blob("blob", b"a whole answer")
        proxy.inject(TRUNCATED, "GET ", times=10)

        with pytest.raises(AzureError):
            container.download_blob("blob").readall()


def test_clients_that_try_again_come_through_random_faults(azurite):
    plan = Plan(dict.fromkeys((RESET_BEFORE, RESET_AFTER, TRUNCATED, TIMED_OUT_AFTER), 0.05))
    with (
        FaultProxy(azurite, plan=plan, seed=1) as proxy,
        BlobServiceClient.from_connection_string(
            proxy.connection_string,
            retry_policy=LinearRetry(backoff=0, retry_total=10, random_jitter_range=0),
        ) as service,
        service.get_container_client(f"c{uuid.uuid4().hex}") as container,
    ):
        container.create_container()
        for number in range(40):
            container.upload_blob("blob", bytes(number), overwrite=True)
            assert container.download_blob("blob").readall() == bytes(number)

        assert proxy.injected.total() > 5


def test_it_follows_an_emulator_that_is_started_anew(tmp_path):
    first = Azurite(tmp_path)
    with FaultProxy(first.connection_string) as proxy:
        with BlobServiceClient.from_connection_string(proxy.connection_string) as service:
            container = service.create_container("kept")
            container.upload_blob("blob", b"data")
            first.stop()
            second = Azurite(tmp_path)
            proxy.move(second.connection_string)

            assert container.download_blob("blob").readall() == b"data"
        second.stop()
