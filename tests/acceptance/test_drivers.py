"""A device with a driver: added by a file, its tasks handed on once, whatever happens to whom in between."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from braketeer.cli.problems import Problem
from tests import processes
from tests.postgresql import Cluster
from tests.services import BELL, RunningService, openqasm, running, until
from tests.toy_driver import NAME, environment
from tests.unit.test_drivers import DOCUMENT

RESULT = {
    "braketSchemaHeader": {"name": "braket.task_result.gate_model_task_result", "version": "1"},
    "measurements": [[0, 0], [1, 1]],
    "measuredQubits": [0, 1],
    "taskMetadata": {"id": "theirs", "deviceId": "theirs", "shots": 2},
    "additionalMetadata": {"action": {}},
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running(tmp_path_factory.mktemp("drivers"), **environment()) as started:
        started.client("s3").create_bucket(Bucket="results")
        yield started


@dataclass
class Toy:
    """A device whose folder this is, on a service."""

    service: RunningService
    folder: Path
    arn: str

    def create(self, source: str = BELL, shots: int = 2) -> str:
        request = {
            "deviceArn": self.arn,
            "shots": shots,
            "outputS3Bucket": "results",
            "outputS3KeyPrefix": "toys",
            "action": openqasm(source),
        }
        return str(self.service.client("braket", "eu-north-1").create_quantum_task(**request)["quantumTaskArn"])

    def status_of(self, task: str) -> str:
        return str(self.service.client("braket", "eu-north-1").get_quantum_task(quantumTaskArn=task)["status"])

    def cancel(self, task: str) -> None:
        self.service.client("braket", "eu-north-1").cancel_quantum_task(quantumTaskArn=task)

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def wait_until_submitted(self, count: int = 1) -> None:
        until(lambda: self.lines("submitted"), lambda lines: len(lines) >= count)

    def finish(self) -> None:
        """In one step: a reader sees all of it or nothing."""
        (self.folder / "result").write_text(json.dumps(RESULT))
        (self.folder / "result").rename(self.folder / "result.json")

    def device_status(self) -> str:
        found = self.service.client("braket", "eu-north-1").get_device(deviceArn=self.arn)
        return str(found["deviceStatus"])


@pytest.fixture
def toy(service: RunningService, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Toy]]:
    """Adds a device named after the test; it is taken away again, with what waits for it."""
    made: list[Toy] = []

    def add(on: RunningService = service, **more: Any) -> Toy:
        name = f"toy-{len(made)}-{time.time_ns()}"
        arn = f"arn:aws:braket:eu-north-1::device/qpu/tests/{name}"
        folder = tmp_path / name
        folder.mkdir()
        file = {
            "arn": arn,
            "name": name,
            "provider": "Tests",
            "driver": NAME,
            "options": {"folder": str(folder), "password": "hush-hush"},
            "document": {**DOCUMENT, "service": {"shotsRange": [1, 1000], "executionWindows": []}},
            "refresh_seconds": 1,
            **more,
        }
        on.access.call("POST", "devices", file)
        made.append(Toy(on, folder, arn))
        return made[-1]

    yield add
    for one in made:
        (one.folder / "away").unlink(missing_ok=True)
        one.finish()


def removed(toy: Toy) -> bool:
    try:
        toy.service.access.call("DELETE", f"devices/{toy.arn.replace('/', '%2F')}")
    except Problem:
        return False
    return True


def test_a_task_goes_to_the_device_and_its_result_is_ours(toy: Callable[..., Toy]) -> None:
    device = toy()
    task = device.create()
    device.wait_until_submitted()
    assert device.status_of(task) == "RUNNING"
    device.finish()
    ended = device.service.wait_for_task(task)
    assert (ended["status"], ended["numSuccessfulShots"]) == ("COMPLETED", 2)
    result = device.service.result(ended)
    assert result["measurements"] == RESULT["measurements"]
    assert result["taskMetadata"] == {"id": task, "deviceId": device.arn, "shots": 2}
    assert device.lines("submitted") == [task.rpartition("/")[2]]
    assert device.lines("cancelled") == []


def test_what_the_driver_does_not_take_is_refused_at_the_creation(toy: Callable[..., Toy]) -> None:
    device = toy()
    with pytest.raises(ClientError, match="The toy does not take such programs") as caught:
        device.create("// refuse me")
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="Shot count should be between 1 and 1000"):
        device.create(shots=1001)
    request = {"deviceArn": device.arn, "shots": 1, "outputS3Bucket": "results", "outputS3KeyPrefix": "p"}
    braket = device.service.client("braket", "eu-north-1")
    for action, words in (
        (
            '{"braketSchemaHeader": {"name": "braket.ir.jaqcd.program", "version": "1"}}',
            "does not take braket.ir.jaqcd",
        ),
        ("{}", "not a program document"),
        ('{"braketSchemaHeader": {"name": ["a"]}}', "does not take"),
    ):
        with pytest.raises(ClientError, match=words):
            braket.create_quantum_task(**request, action=action)
    with pytest.raises(ClientError, match="drivers take no experimentalCapabilities"):
        braket.create_quantum_task(**request, action=openqasm(BELL), experimentalCapabilities={"enabled": "ALL"})
    # The shots of a program set are those of all its executables.
    name = "braket.ir.openqasm.program_set"
    sets = toy(document={**DOCUMENT, "action": {name: {}}})
    header = {"name": name, "version": "1"}
    programs = [{"source": "OPENQASM 3;", "inputs": {"a": [0, 1]}}]
    for given, shots in ((programs, 2001), (programs, 1), (programs, 2**62), ([], 0)):
        action = json.dumps({"braketSchemaHeader": header, "programs": given})
        with pytest.raises(ClientError, match="cannot share") as caught:
            braket.create_quantum_task(**request | {"deviceArn": sets.arn, "shots": shots}, action=action)
        assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_what_fails_at_the_device_fails_with_its_words(toy: Callable[..., Toy]) -> None:
    device = toy()
    (device.folder / "refusal").write_text("The laser is off")
    ended = device.service.wait_for_task(device.create())
    assert (ended["status"], ended["failureReason"]) == ("FAILED", "The laser is off")
    assert ended["actionMetadata"]["actionType"] == "braket.ir.openqasm.program"


def test_a_task_of_a_driver_meets_faults_too(toy: Callable[..., Toy]) -> None:
    device = toy()
    call = device.service.access.call
    call("POST", "faults", {"fail": "The laser is out of lock", "device": device.arn, "next": 1})
    device.finish()
    ended = device.service.wait_for_task(device.create())
    assert (ended["status"], ended["failureReason"]) == ("FAILED", "The laser is out of lock")
    assert device.service.wait_for_task(device.create())["status"] == "COMPLETED"
    call("DELETE", "faults")


def test_a_running_task_is_cancelled_at_the_device(toy: Callable[..., Toy]) -> None:
    device = toy()
    task = device.create()
    device.wait_until_submitted()  # its handle may not be kept yet: the cancel waits for that
    device.cancel(task)
    assert device.service.wait_for_task(task)["status"] == "CANCELLED"
    task_id = task.rpartition("/")[2]
    assert device.lines("cancelled") == [f"{task_id} toy/{task_id}"]
    assert until(lambda: removed(device), bool)  # nothing is left of it


def test_no_more_tasks_at_once_than_the_file_says(toy: Callable[..., Toy]) -> None:
    device = toy(concurrency=2)
    tasks = [device.create() for _ in range(4)]
    device.wait_until_submitted(2)
    time.sleep(0.5)
    assert len(device.lines("submitted")) == 2
    assert sorted(device.status_of(task) for task in tasks) == ["QUEUED", "QUEUED", "RUNNING", "RUNNING"]
    assert device.status_of(tasks[0]) == device.status_of(tasks[1]) == "RUNNING"
    device.finish()
    assert {device.service.wait_for_task(task)["status"] for task in tasks} == {"COMPLETED"}
    assert sorted(device.lines("submitted")) == sorted(task.rpartition("/")[2] for task in tasks)


def test_a_driver_that_dies_costs_its_task_an_attempt_and_not_a_second_submission(toy: Callable[..., Toy]) -> None:
    device = toy()
    task = device.create()
    device.wait_until_submitted()
    (device.folder / "die").touch()
    until((device.folder / "die").exists, lambda there: not there)
    device.finish()
    assert device.service.wait_for_task(task)["status"] == "COMPLETED"
    assert device.lines("submitted") == [task.rpartition("/")[2]]
    # The second time, another task: it fails, and the device is told.
    (device.folder / "result.json").unlink()
    task = device.create()
    device.wait_until_submitted(2)
    for _ in range(2):
        (device.folder / "die").touch()
        until((device.folder / "die").exists, lambda there: not there)
    ended = device.service.wait_for_task(task)
    assert (ended["status"], "died twice" in ended["failureReason"]) == ("FAILED", True)
    until(lambda: device.lines("cancelled"), bool)


def test_a_device_out_of_reach_is_offline_and_what_runs_waits_for_it(toy: Callable[..., Toy]) -> None:
    device = toy(concurrency=1)
    first, second = device.create(), device.create()
    until(lambda: device.lines("waiting"), bool)
    (device.folder / "away").touch()
    until(device.device_status, lambda status: status == "OFFLINE")
    with pytest.raises(ClientError, match=r"is offline|cannot be reached") as caught:
        device.create()
    assert caught.value.response["Error"]["Code"] == "DeviceOfflineException"
    device.finish()
    assert device.service.wait_for_task(first)["status"] == "COMPLETED"
    time.sleep(0.3)
    assert device.status_of(second) == "QUEUED"
    (device.folder / "away").unlink()
    assert device.service.wait_for_task(second)["status"] == "COMPLETED"
    assert device.device_status() == "ONLINE"


def test_the_operator_has_the_last_word_on_a_device(toy: Callable[..., Toy]) -> None:
    device = toy()
    call = device.service.access.call
    path = f"devices/{device.arn.replace('/', '%2F')}"
    call("PUT", f"{path}/status", {"status": "OFFLINE"})
    time.sleep(1.5)  # the driver says ONLINE again meanwhile
    assert device.device_status() == "OFFLINE"
    call("PUT", f"{path}/status", {"status": "ONLINE"})
    assert device.device_status() == "ONLINE"
    (device.folder / "status").write_text("OFFLINE")
    until(device.device_status, lambda status: status == "OFFLINE")
    found = call("GET", path)
    assert (found["status_set"], found["status_of_driver"]) == ("ONLINE", "OFFLINE")


def test_what_the_driver_tells_of_the_device_is_what_clients_read(toy: Callable[..., Toy]) -> None:
    device = toy()
    new = {**DOCUMENT, "service": {**DOCUMENT["service"], "shotsRange": [1, 7]}}  # type: ignore[dict-item]
    (device.folder / "document").write_text(json.dumps(new))
    (device.folder / "document").rename(device.folder / "document.json")
    braket = device.service.client("braket", "eu-north-1")

    def told() -> Any:
        return json.loads(braket.get_device(deviceArn=device.arn)["deviceCapabilities"])["service"]

    service = until(told, lambda found: found["shotsRange"] == [1, 7])
    assert service["deviceDocumentation"] == {"summary": "A mirror"}  # no link leads elsewhere
    with pytest.raises(ClientError, match="between 1 and 7"):
        device.create(shots=8)


def test_a_device_goes_when_nothing_waits_for_it(toy: Callable[..., Toy]) -> None:
    device = toy()
    task = device.create()
    with pytest.raises(Problem, match="1 tasks or jobs that have not ended"):
        device.service.access.call("DELETE", f"devices/{device.arn.replace('/', '%2F')}")
    device.finish()
    assert device.service.wait_for_task(task)["status"] == "COMPLETED"
    assert removed(device)
    with pytest.raises(ClientError, match="not found"):
        device.device_status()
    with pytest.raises(ClientError, match="does not exist"):
        device.create()
    assert device.service.result(device.service.wait_for_task(task))["measurements"] == RESULT["measurements"]


def test_a_device_that_cannot_be_added_is_refused_in_words(toy: Callable[..., Toy]) -> None:
    device = toy()
    for change, words in (
        ({"arn": device.arn}, "already"),
        ({"driver": "nobody"}, "no driver 'nobody'"),
        ({"driver": "tests.toy_driver:Nothing"}, "cannot be loaded"),
        ({"options": {}}, "The toy needs a folder"),
        ({"document": None}, "There is no 'document', and the driver tests.toy_driver:Toy tells none"),
        ({"arn": "arn:aws:braket:eu-north-1::device/qpu/tests/Garnet"}, "price list"),
    ):
        with pytest.raises(Problem, match=words):
            toy(**change)


def test_secrets_of_a_driver_are_not_in_the_database_and_not_in_answers(toy: Callable[..., Toy]) -> None:
    device = toy()
    shown = device.service.access.call("GET", f"devices/{device.arn.replace('/', '%2F')}")
    assert "hush-hush" not in json.dumps(shown)
    with sqlite3.connect(device.service.data_dir / "braketeer.db") as rows:
        found = rows.execute("SELECT definition, options FROM added_devices").fetchall()
    rows.close()
    assert found
    assert all("hush-hush" not in definition and b"hush-hush" not in options for definition, options in found)


def test_a_device_by_its_file(service: RunningService, tmp_path: Path) -> None:
    """As it is typed: TOML, the document in a file beside it."""

    def device(*arguments: str) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        here = {**clean, "BRAKETEER_DATA_DIR": str(service.data_dir)}
        done = processes.run(["braketeer", "device", *arguments], here, timeout=60)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    (tmp_path / "sparrow.json").write_text(json.dumps(DOCUMENT))
    arn = "arn:aws:braket:::device/quantum-simulator/tests/Sparrow"
    (tmp_path / "sparrow.toml").write_text(
        f'arn = "{arn}"\nname = "Sparrow"\nprovider = "Tests"\ndriver = "{NAME}"\ndocument = "sparrow.json"\n'
        f'[options]\nfolder = "{tmp_path}"\n[prices]\nper_minute = 1.5\n'
    )
    assert device("add", str(tmp_path / "sparrow.toml")) == f"{arn}: ONLINE\n"
    shown = device("show", "sparrow")
    assert "type:        SIMULATOR, in every region\n" in shown
    assert f"tasks:       by driver {NAME}, 1 at once\n" in shown
    found = json.loads(device("show", "sparrow", "--json"))
    assert found["document"]["service"]["deviceCost"] == {"price": 1.5, "unit": "minute"}
    assert found["windows"] == "recorded"  # its own
    assert device("remove", "Sparrow") == f"Removed: {arn}\n"
    assert arn not in device("list")


def test_two_services_share_a_device_and_one_takes_over_from_the_other(
    postgresql: Cluster, tmp_path: Path, toy: Callable[..., Toy]
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    with postgresql.new_database() as url:
        settings = {"BRAKETEER_DATABASE": url, "BRAKETEER_LEASE_SECONDS": "2", **environment()}
        with running(folder, **settings) as one, running(folder, **settings) as other:
            one.client("s3").create_bucket(Bucket="results")
            device = toy(one, concurrency=1)
            away = replace(device, service=other)
            until(lambda: other.access.call("GET", "devices")["devices"][-1]["arn"], lambda arn: arn == device.arn)
            assert away.device_status() == "ONLINE"
            tasks = [each.create() for each in (device, away, device, away)]
            device.wait_until_submitted()
            time.sleep(1)
            assert device.lines("submitted") == [tasks[0].rpartition("/")[2]]  # one at a time, on both together
            one.kill()  # whichever has it
            device.finish()
            assert {other.wait_for_task(task)["status"] for task in tasks} == {"COMPLETED"}
            assert device.lines("submitted") == [task.rpartition("/")[2] for task in tasks]
            other.access.call("PUT", f"devices/{device.arn.replace('/', '%2F')}/status", {"status": "RETIRED"})
            assert away.device_status() == "RETIRED"


def test_a_killed_service_goes_on_with_what_was_handed_on(tmp_path: Path, toy: Callable[..., Toy]) -> None:
    (tmp_path / "own").mkdir()
    with running(tmp_path / "own", **environment()) as service:
        service.client("s3").create_bucket(Bucket="results")
        device = toy(service)
        running_on, cancelled = device.create(), ""
        device.wait_until_submitted()
        cancelled = device.create()
        service.kill()
        service.start()
        assert device.device_status() == "ONLINE"  # known before the first answer
        device.cancel(cancelled)
        service.kill()
        device.finish()
        service.start()
        assert service.wait_for_task(running_on)["status"] == "COMPLETED"
        assert service.wait_for_task(cancelled)["status"] == "CANCELLED"
        assert device.lines("submitted")[0] == running_on.rpartition("/")[2]
        assert len(device.lines("submitted")) == len(set(device.lines("submitted")))
        # Killed before it could hear by what the device knows a task: a cancel gets there all the same.
        (device.folder / "hang").touch()
        unknown = device.create()
        task_id = unknown.rpartition("/")[2]
        until(lambda: device.lines("submitted"), lambda lines: task_id in lines)
        service.access.call("PUT", f"devices/{device.arn.replace('/', '%2F')}/status", {"status": "OFFLINE"})
        service.kill()
        service.start()
        device.cancel(unknown)
        assert device.status_of(unknown) == "CANCELLED"
        until(lambda: device.lines("cancelled"), lambda lines: f"{task_id} None" in lines)
