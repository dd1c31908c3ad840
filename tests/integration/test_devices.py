"""GetDevice and SearchDevices on a database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from sqlalchemy import Connection, insert

from braketeer.devices.catalogue import Catalogue
from braketeer.devices.listed import DM1, STABILIZER, SV1
from braketeer.domain.accounts import DEFAULT_ACCOUNT_ID, Caller, Role
from braketeer.domain.clock import SystemClock
from braketeer.domain.errors import ResourceNotFoundException, ValidationException
from braketeer.services.braket.devices import Devices
from braketeer.store import devices
from braketeer.store.database import Database
from braketeer.store.devices import DeviceState
from braketeer.store.tables import jobs, quantum_tasks

GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
CATALOGUE = Catalogue(2**30)
MODEL = botocore.session.Session().get_service_model("braket")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def service(database: Database) -> Devices:
    return Devices(database, CATALOGUE, SystemClock(), b"a key")


def _caller(region: str) -> Caller:
    return Caller(DEFAULT_ACCOUNT_ID, region, "AKIATEST", Role.USER, "request-1")


def _get(service: Devices, arn: str, region: str) -> dict[str, Any]:
    answer = asyncio.run(service.get_device(_caller(region), {"deviceArn": arn}))
    assert not ParamValidator().validate(answer, MODEL.shape_for("GetDeviceResponse")).has_errors()
    return answer


def _search(service: Devices, region: str, **request: Any) -> dict[str, Any]:
    answer = asyncio.run(service.search_devices(_caller(region), {"filters": [], **request}))
    assert not ParamValidator().validate(answer, MODEL.shape_for("SearchDevicesResponse")).has_errors()
    return answer


def _arns(answer: dict[str, Any]) -> list[str]:
    return [device["deviceArn"] for device in answer["devices"]]


def _add_tasks(connection: Connection, count: int, device_arn: str, **columns: Any) -> None:
    row = {
        "account": "111111111111",
        "region": "us-west-2",
        "device_arn": device_arn,
        "status": "QUEUED",
        "shots": 1,
        "output_bucket": "b",
        "output_prefix": "p",
        "device_parameters": "{}",
        "action_type": "braket.ir.openqasm.program",
        "created_at": 0,
        **columns,
    }
    identity = f"{device_arn[-3:]}-{'-'.join(map(str, columns.values()))}"
    connection.execute(insert(quantum_tasks), [{**row, "id": f"{identity}-{number}"} for number in range(count)])


def _add_jobs(connection: Connection, count: int, device_arn: str, status: str) -> None:
    row = {
        "account": "111111111111",
        "region": "us-west-2",
        "name": "n",
        "device_arn": device_arn,
        "status": status,
        "request": {},
        "events": [],
        "created_at": 0,
        "ingested": {},
    }
    names = [f"{device_arn[-3:]}-{status}-{number}" for number in range(count)]
    connection.execute(insert(jobs), [{**row, "id": name, "job_token": name} for name in names])


def _queue_sizes(service: Devices, arn: str, region: str) -> dict[str, str]:
    queues = _get(service, arn, region)["deviceQueueInfo"]
    return {queue.get("queuePriority", queue["queue"]): queue["queueSize"] for queue in queues}


def test_a_device_with_everything_the_model_has(service: Devices) -> None:
    answer = _get(service, SV1, "us-east-1")
    assert set(answer) == set(MODEL.shape_for("GetDeviceResponse").members)
    assert (answer["deviceName"], answer["providerName"]) == ("SV1", "Amazon Braket")
    assert (answer["deviceType"], answer["deviceStatus"]) == ("SIMULATOR", "ONLINE")
    assert json.loads(answer["deviceCapabilities"])["paradigm"]["qubitCount"] == 24


def test_a_qpu_answers_in_its_region_only(service: Devices) -> None:
    assert _get(service, GARNET, "eu-north-1")["deviceType"] == "QPU"
    for arn, region in ((GARNET, "us-east-1"), ("arn:aws:braket:::device/none", "us-east-1"), ("SV1", "us-east-1")):
        with pytest.raises(ResourceNotFoundException):
            _get(service, arn, region)


def test_what_the_operator_set_holds(database: Database, service: Devices) -> None:
    database.write_now(lambda tx: devices.set_status(tx.connection, SV1, "OFFLINE", 1))
    database.write_now(lambda tx: devices.set_status(tx.connection, SV1, "RETIRED", 2))
    assert database.read_now(lambda connection: devices.state(connection, SV1)) == DeviceState("RETIRED", False)
    assert database.read_now(lambda connection: devices.state(connection, DM1)) is None
    assert _get(service, SV1, "us-east-1")["deviceStatus"] == "RETIRED"
    statuses = {device["deviceArn"]: device["deviceStatus"] for device in _search(service, "us-east-1")["devices"]}
    assert (statuses[SV1], statuses[DM1]) == ("RETIRED", "ONLINE")


def test_our_own_devices_are_found_once_switched_on(database: Database, service: Devices) -> None:
    assert STABILIZER not in _arns(_search(service, "us-east-1"))
    assert _get(service, STABILIZER, "us-east-1")["deviceStatus"] == "ONLINE"
    for status, found in (("ONLINE", True), ("OFFLINE", False)):
        database.write_now(lambda tx, status=status: devices.set_status(tx.connection, STABILIZER, status, 1))
        assert (STABILIZER in _arns(_search(service, "us-east-1"))) is found


def test_queue_depths_are_of_all_accounts_and_only_of_what_waits(database: Database, service: Devices) -> None:
    assert _queue_sizes(service, SV1, "us-east-1") == {"Normal": "0", "Priority": "0", "JOBS_QUEUE": "0"}

    def fill(connection: Connection) -> None:
        _add_tasks(connection, 3, SV1)
        _add_tasks(connection, 2, SV1, priority=0)
        _add_tasks(connection, 4, SV1, status="RUNNING")
        _add_tasks(connection, 5, DM1)
        _add_jobs(connection, 6, SV1, "QUEUED")
        _add_jobs(connection, 1, SV1, "RUNNING")

    database.write_now(lambda tx: fill(tx.connection))
    assert _queue_sizes(service, SV1, "us-east-1") == {"Normal": "3", "Priority": "2", "JOBS_QUEUE": "6"}


def test_queue_depths_are_capped(database: Database, service: Devices) -> None:
    def fill(connection: Connection) -> None:
        _add_tasks(connection, 4001, SV1)
        _add_tasks(connection, 4000, SV1, priority=0)
        _add_jobs(connection, 1001, SV1, "QUEUED")

    database.write_now(lambda tx: fill(tx.connection))
    assert _queue_sizes(service, SV1, "us-east-1") == {"Normal": ">4000", "Priority": "4000", "JOBS_QUEUE": ">1000"}


def test_an_idle_jobs_queue_of_a_qpu_tells_of_the_running_job(database: Database, service: Devices) -> None:
    database.write_now(lambda tx: _add_jobs(tx.connection, 1, GARNET, "RUNNING"))
    assert _queue_sizes(service, GARNET, "eu-north-1")["JOBS_QUEUE"] == "0 (1 prioritized job(s) running)"


def test_every_region_lists_simulators_and_its_own_qpus_once(service: Devices) -> None:
    regions = ("us-east-1", "us-west-1", "us-west-2", "eu-west-2", "eu-north-1")
    seen = [arn for region in regions for arn in _arns(_search(service, region))]
    assert sorted(set(seen)) == sorted(device.arn for device in CATALOGUE if not device.unlisted)
    assert all(seen.count(arn) == (1 if "/qpu/" in arn else len(regions)) for arn in seen)
    assert _arns(_search(service, "ap-south-1")) == [
        device.arn for device in CATALOGUE if device.is_simulator and not device.unlisted
    ]


def test_filters_and_pages(service: Devices) -> None:
    filters = [{"name": "deviceArn", "values": [SV1, GARNET, "unknown"]}]
    assert _arns(_search(service, "us-east-1", filters=filters)) == [SV1]
    assert _arns(_search(service, "eu-north-1", filters=filters)) == [SV1, GARNET]
    with pytest.raises(ValidationException, match="deviceName"):
        _search(service, "us-east-1", filters=[{"name": "deviceName", "values": ["SV1"]}])
    found, token = [], {}
    while True:
        page = _search(service, "us-west-1", maxResults=4, **token)
        assert len(page["devices"]) <= 4
        found += _arns(page)
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert found == _arns(_search(service, "us-west-1"))
    for wrong in ({"nextToken": "nonsense"}, {**token, "filters": filters}):
        with pytest.raises(ValidationException):
            _search(service, "us-west-1", **wrong)
