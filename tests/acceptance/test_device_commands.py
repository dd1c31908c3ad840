"""The operator's hand on devices, as it is typed and as clients feel it at once."""

from __future__ import annotations

import json
import os
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from braketeer.cli.problems import Problem
from tests import processes
from tests.services import GARNET, SV1, RunningService, running

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.aws import AwsDevice
    from braket.circuits import Circuit
    from braket.devices import Devices

TN1 = "arn:aws:braket:::device/quantum-simulator/amazon/tn1"
DM1 = "arn:aws:braket:::device/quantum-simulator/amazon/dm1"
STABILIZER = "arn:aws:braket:::device/quantum-simulator/braketeer/stabilizer"
HARMONY = "arn:aws:braket:us-east-1::device/qpu/ionq/Harmony"


# About a second of work.
HEAVY = "OPENQASM 3.0;\nqubit[23] q;\n" + "".join(
    f"h q[{i}];\ncnot q[{i}], q[{(i + 1) % 23}];\nrx(0.7) q[{i}];\n" for _ in range(6) for i in range(23)
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service of our own: what is switched here, others must not feel."""
    with running(tmp_path_factory.mktemp("devices"), BRAKETEER_TASK_SLOTS="1", BRAKETEER_JOB_SLOTS="1") as started:
        started.client("s3").create_bucket(Bucket="results")
        yield started


def device(service: RunningService, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    here = {**clean, "BRAKETEER_DATA_DIR": str(service.data_dir)}
    return processes.run(["braketeer", "device", *arguments], here, timeout=60)


def told(service: RunningService, *arguments: str) -> Any:
    found = device(service, *arguments, "--json")
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def status(service: RunningService, arn: str, region: str = "us-east-1") -> str:
    return str(service.client("braket", region).get_device(deviceArn=arn)["deviceStatus"])


def found_by_search(service: RunningService) -> dict[str, str]:
    answer = service.client("braket").search_devices(filters=[])
    return {one["deviceArn"]: one["deviceStatus"] for one in answer["devices"]}


def refusal(service: RunningService, arn: str, **more: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        service.create_task(deviceArn=arn, **more)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def switch(service: RunningService, name: str, to: str) -> None:
    """As the command does, without waiting for a process to start."""
    service.access.call("PUT", f"devices/{name}/status", {"status": to})


def test_offline_refuses_creates_and_lets_queued_work_wait(service: RunningService) -> None:
    running, waiting, cancelled = service.create_task(HEAVY, shots=10), service.create_task(), service.create_task()
    switch(service, "SV1", "OFFLINE")
    braket = service.client("braket")
    assert braket.get_quantum_task(quantumTaskArn=waiting)["status"] == "QUEUED"
    assert status(service, SV1) == found_by_search(service)[SV1] == "OFFLINE"
    assert refusal(service, SV1) == ("DeviceOfflineException", 424)
    assert braket.cancel_quantum_task(quantumTaskArn=cancelled)["cancellationStatus"] == "CANCELLED"
    assert service.wait_for_task(running)["status"] == "COMPLETED"  # what runs goes on
    other = service.create_task(deviceArn=DM1)
    assert service.wait_for_task(other)["status"] == "COMPLETED"  # the slot is free for other devices
    assert braket.get_quantum_task(quantumTaskArn=waiting)["status"] == "QUEUED"
    assert told(service, "show", "SV1")["queued"] == "1"
    assert told(service, "online", SV1)["status"] == "ONLINE"
    assert service.wait_for_task(waiting)["status"] == "COMPLETED"
    assert told(service, "offline", "sv1")["status_set"] == "OFFLINE"
    switch(service, "SV1", "ONLINE")


def test_jobs_are_refused_and_wait_as_tasks_do(service: RunningService) -> None:
    first, second = (
        service.create_job("import time\ntime.sleep(1)", name=name, deviceConfig={"device": DM1})
        for name in ("one", "two")
    )
    switch(service, "DM1", "OFFLINE")
    with pytest.raises(ClientError, match="is offline"):
        service.create_job("print(1)", name="three", deviceConfig={"device": DM1})
    assert service.wait_for_job(first)["status"] == "COMPLETED"
    assert service.client("braket").get_job(jobArn=second)["status"] == "QUEUED"
    switch(service, "DM1", "ONLINE")
    assert service.wait_for_job(second)["status"] == "COMPLETED"


def test_retired_is_told_apart_from_offline(service: RunningService) -> None:
    assert told(service, "retire", "stabilizer")["status"] == "RETIRED"
    assert status(service, STABILIZER) == "RETIRED"
    assert refusal(service, STABILIZER) == ("DeviceRetiredException", 410)
    assert STABILIZER not in found_by_search(service)
    switch(service, "stabilizer", "ONLINE")
    assert found_by_search(service)[STABILIZER] == "ONLINE"
    assert service.wait_for_task(service.create_task(deviceArn=STABILIZER))["status"] == "COMPLETED"


def test_tn1_is_revived(service: RunningService) -> None:
    assert refusal(service, TN1) == ("DeviceRetiredException", 410)
    assert told(service, "online", "TN1")["status_set"] == "ONLINE"
    assert found_by_search(service)[TN1] == "ONLINE"
    chain = "OPENQASM 3.0;\nqubit[40] q;\nh q[0];\n" + "".join(f"cnot q[{i}], q[{i + 1}];\n" for i in range(39))
    task = service.wait_for_task(service.create_task(chain, deviceArn=TN1))
    assert task["status"] == "COMPLETED", task.get("failureReason")
    rows = {tuple(row) for row in service.result(task)["measurements"]}
    assert rows == {(0,) * 40, (1,) * 40}


def test_what_no_version_computes_cannot_be_switched_on(service: RunningService) -> None:
    refused = device(service, "online", HARMONY)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "not computed by this version" in refused.stderr
    assert status(service, HARMONY) == "RETIRED"
    assert "There is no device 'SV2'" in device(service, "show", "SV2").stderr


def test_recorded_windows_come_back_and_go(service: RunningService) -> None:
    def hours() -> list[dict[str, str]]:
        found = service.client("braket", "eu-north-1").get_device(deviceArn=GARNET)
        return list(json.loads(found["deviceCapabilities"])["service"]["executionWindows"])

    assert [window["executionDay"] for window in hours()] == ["Everyday"]
    told_windows = told(service, "windows", "Garnet", "--recorded")
    assert told_windows["windows"] == "recorded"
    assert told_windows["open"] == (told_windows["opens_at"] is None)
    recorded = hours()
    assert recorded == told(service, "show", "Garnet")["document"]["service"]["executionWindows"] != []
    assert "Everyday" not in {window["executionDay"] for window in recorded} or len(recorded) > 1
    # Neither setting undoes the other.
    before = status(service, GARNET, "eu-north-1")
    switch(service, "Garnet", "OFFLINE")
    assert told(service, "show", "Garnet")["windows"] == "recorded"
    assert told(service, "windows", "Garnet", "--open")["status"] == "OFFLINE"
    assert [window["executionDay"] for window in hours()] == ["Everyday"]
    if before == "ONLINE":
        switch(service, "Garnet", "ONLINE")


def test_all_devices_are_listed(service: RunningService) -> None:
    listed = told(service, "list")
    assert {one["arn"] for one in listed} > {SV1, DM1, TN1, GARNET, STABILIZER, HARMONY}
    table = device(service, "list")
    assert table.returncode == 0
    assert all(one["arn"] in table.stdout for one in listed)
    shown = device(service, "show", "SV1").stdout
    assert "status:      ONLINE" in shown
    assert "tasks:       computed here" in shown


def test_states_outlive_a_restart_and_are_in_the_audit(service: RunningService) -> None:
    switch(service, "DM1", "OFFLINE")
    service.stop()
    service.start()
    assert status(service, DM1) == "OFFLINE"
    switch(service, "DM1", "ONLINE")
    lines = service.access.call("GET", "audit")["lines"]
    done = [(line["operation"], line["resource"]) for line in lines if line["service"] == "braketeer"]
    assert done[-2:] == [("PutDeviceStatus", "DM1")] * 2


def test_only_an_operator_switches_devices(service: RunningService) -> None:
    key = service.access.call("POST", "keys", {"account": "default", "role": "user"})
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ENDPOINT_URL": service.access.endpoint,
        "AWS_ACCESS_KEY_ID": key["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
    }
    refused = processes.run(["braketeer", "device", "offline", "SV1"], environment, timeout=60)
    assert refused.returncode == 1
    assert "operator" in refused.stderr
    assert status(service, SV1) == "ONLINE"


def test_the_sdk_sees_what_the_operator_did(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in service.access.variables().items():
        monkeypatch.setenv(name, value)
    switch(service, "TN1", "ONLINE")
    tn1 = AwsDevice(TN1)
    assert tn1.status == "ONLINE"
    assert tn1.is_available
    assert tn1.gate_calibrations is None
    task = tn1.run(Circuit().h(0).cnot(0, 1), shots=50, s3_destination_folder=("results", "sdk"))
    assert sum(task.result().measurement_counts.values()) == 50
    assert "TN1" in {found.name for found in AwsDevice.get_devices(names=["TN1"])}
    switch(service, "TN1", "OFFLINE")
    assert AwsDevice(TN1).status == "OFFLINE"
    assert not AwsDevice(TN1).is_available


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("PUT", "devices/SV1/status", {"status": "GONE"}, "'status' must be one of"),
        ("PUT", "devices/SV1/status", {}, "'status' must be a string"),
        ("PUT", "devices/SV1/windows", {"recorded": 1}, "'recorded' must be true or false"),
        ("PUT", "devices/SV1/windows", {"recorded": True, "more": 1}, "Unknown members: more"),
        ("DELETE", "devices/SV1", None, "it can be retired"),
        ("POST", "devices", {"arn": SV1}, "'name' must be a text"),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_words(
    service: RunningService, method: str, path: str, body: Any, words: str
) -> None:
    with pytest.raises(Problem, match=words):
        service.access.call(method, path, body)


def test_a_file_that_cannot_be_read_is_named(service: RunningService, tmp_path: Path) -> None:
    wrong = tmp_path / "device.toml"
    assert device(service, "add", str(wrong)).returncode == 1
    wrong.write_text("arn = ")
    refused = device(service, "add", str(wrong))
    assert (refused.returncode, "is not TOML" in refused.stderr) == (2, True)
    wrong.write_text("arn = 2026-11-22")
    refused = device(service, "add", str(wrong))
    assert (refused.returncode, "what cannot be sent as JSON" in refused.stderr) == (2, True)


def test_the_sdk_opens_every_device_it_names(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents parse by the SDK's classes, and nothing is fetched from elsewhere for calibrations."""
    for name, value in service.access.variables().items():
        monkeypatch.setenv(name, value)
    makers = [value for name, value in vars(Devices).items() if name.startswith("_") and isinstance(value, type)]
    members = [member for maker in makers for member in maker]
    assert len(members) == 29
    for member in members:
        device = AwsDevice(member.value)
        assert device.properties.service.shotsRange[1] > 0, member
        if "/qpu/" in member.value:
            assert device.gate_calibrations is None, member
            assert device.refresh_gate_calibrations() is None, member
            # The enum marks retired devices by an underscore.
            assert (device.status == "RETIRED") == member.name.startswith("_"), member
