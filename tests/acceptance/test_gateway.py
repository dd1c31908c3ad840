"""The example driver: a service whose device is one of another service's, as it would be one of Amazon's."""

from __future__ import annotations

import importlib
import json
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from braketeer.cli.problems import Problem
from braketeer.devices.drivers import Driver, Finished, Task, Unavailable
from tests.acceptance.test_drivers import RESULT
from tests.services import BELL, SV1, RunningService, openqasm, running, until
from tests.toy_driver import NAME, environment
from tests.unit.test_drivers import DOCUMENT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.aws import AwsDevice
    from braket.circuits import Circuit, FreeParameter
    from braket.program_sets import CircuitBinding, ProgramSet

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "gateway"
MIRROR = "arn:aws:braket:us-west-2::device/qpu/lab/Mirror"
pytestmark = pytest.mark.skipif(not EXAMPLE.exists(), reason="the examples are not part of this package")

# A device over there whose tasks end when a file says so, and what it is here.
TOY = "arn:aws:braket:us-east-1::device/qpu/tests/Toy"
WAITING = "arn:aws:braket:us-west-2::device/qpu/lab/Waiting"


@dataclass
class Gate:
    """``near`` is what clients talk to, ``far`` has the devices; ``folder`` is that of the one that waits for files."""

    near: RunningService
    far: RunningService
    folder: Path

    def finish(self) -> None:
        """Everything that the waiting device has, and gets until ``hold``."""
        (self.folder / "result").write_text(json.dumps(RESULT))
        (self.folder / "result").rename(self.folder / "result.json")

    def hold(self) -> None:
        (self.folder / "result.json").unlink(missing_ok=True)

    def create(self, source: str = BELL, shots: int = 20, **more: Any) -> str:
        request = {"deviceArn": MIRROR, "outputS3Bucket": "results", "outputS3KeyPrefix": "g", "shots": shots}
        braket = self.near.client("braket", "us-west-2")
        return str(braket.create_quantum_task(**{**request, "action": openqasm(source), **more})["quantumTaskArn"])

    def far_tasks(self) -> dict[str, str]:
        """The status of each task over there, by the ARN that it has here."""
        found = self.far.client("braket").search_quantum_tasks(filters=[])["quantumTasks"]
        found = [task for task in found if "braketeer:task" in task["tags"]]
        assert len({task["tags"]["braketeer:task"] for task in found}) == len(found)  # each is there once
        return {task["tags"]["braketeer:task"]: task["status"] for task in found}


def definition(far: RunningService, arn: str = MIRROR, **options: Any) -> dict[str, Any]:
    key = far.access
    return {
        "arn": arn,
        "name": arn.rpartition("/")[2],
        "provider": "Our lab",
        "driver": "gateway",
        "concurrency": 3,
        "refresh_seconds": 1,
        "options": {
            "device_arn": SV1,
            "bucket": "braketeer-results",
            "endpoint_url": key.endpoint,
            "aws_access_key_id": key.access_key_id,
            "aws_secret_access_key": key.secret_access_key,
            **options,
        },
    }


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """The example as it would be installed: its module, and the entry point of its project file."""
    installed = tmp_path_factory.mktemp("installed")
    info = installed / "braketeer_gateway-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: braketeer-gateway\nVersion: 1.0\n")
    assert 'gateway = "braketeer_gateway:Gateway"' in (EXAMPLE / "pyproject.toml").read_text()
    (info / "entry_points.txt").write_text("[braketeer.drivers]\ngateway = braketeer_gateway:Gateway\n")
    with (
        running(tmp_path_factory.mktemp("far"), **environment()) as far,
        running(tmp_path_factory.mktemp("near"), **environment(installed, EXAMPLE / "src")) as near,
    ):
        far.client("s3").create_bucket(Bucket="braketeer-results")
        near.client("s3").create_bucket(Bucket="results")
        folder = tmp_path_factory.mktemp("toy")
        document = {**DOCUMENT, "service": {"shotsRange": [1, 1000]}}  # open at all hours
        toy = {"arn": TOY, "name": "Toy", "provider": "Tests", "driver": NAME, "concurrency": 3, "document": document}
        far.access.call("POST", "devices", {**toy, "options": {"folder": str(folder)}})
        near.access.call("POST", "devices", definition(far))
        near.access.call("POST", "devices", definition(far, WAITING, device_arn=TOY))
        yield Gate(near, far, folder)


def test_the_sdk_runs_circuits_and_program_sets_through_the_gateway(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in gate.near.access.variables().items():
        monkeypatch.setenv(name, value)
    device = AwsDevice(MIRROR)
    assert (device.name, device.status, device.is_available) == ("Mirror", "ONLINE", True)
    assert device.properties.paradigm.qubitCount > 20  # as the other side tells it
    task = device.run(Circuit().h(0).cnot(0, 1), shots=50, s3_destination_folder=("results", "sdk"))
    result = task.result()
    assert set(result.measurement_counts) <= {"00", "11"}
    assert (result.task_metadata.id, result.task_metadata.deviceId) == (task.id, MIRROR)
    angles = {"theta": [0.0, 3.141592653589793]}
    programs = ProgramSet([CircuitBinding(Circuit().rx(0, FreeParameter("theta")), angles)], shots_per_executable=10)
    outcome = device.run(programs, shots=20, s3_destination_folder=("results", "sdk")).result()
    assert [dict(entry.counts) for entry in outcome[0].entries] == [{"0": 10}, {"1": 10}]


def test_what_the_other_side_refuses_is_the_reason(gate: Gate) -> None:
    ended = gate.near.wait_for_task(gate.create("OPENQASM 3.0;\nqubit q;\nnonsense q;\n"))
    assert ended["status"] == "FAILED"
    assert "Unknown gate 'nonsense'" in ended["failureReason"]


def test_a_cancel_reaches_the_other_side(gate: Gate) -> None:
    gate.hold()
    task = gate.create(deviceArn=WAITING)
    until(gate.far_tasks, lambda tasks: tasks.get(task) == "RUNNING")
    gate.near.client("braket", "us-west-2").cancel_quantum_task(quantumTaskArn=task)
    assert gate.near.wait_for_task(task)["status"] == "CANCELLED"
    until(gate.far_tasks, lambda tasks: tasks[task] == "CANCELLED")


def test_the_other_sides_status_is_this_sides(gate: Gate) -> None:
    def status() -> str:
        return str(gate.near.client("braket", "us-west-2").get_device(deviceArn=MIRROR)["deviceStatus"])

    gate.far.access.call("PUT", "devices/SV1/status", {"status": "OFFLINE"})
    until(status, lambda found: found == "OFFLINE")
    with pytest.raises(ClientError, match="is offline"):
        gate.create()
    gate.far.access.call("PUT", "devices/SV1/status", {"status": "ONLINE"})
    until(status, lambda found: found == "ONLINE")
    assert gate.near.wait_for_task(gate.create())["status"] == "COMPLETED"


def test_killed_at_any_moment_each_task_is_over_there_once(gate: Gate) -> None:
    gate.hold()
    tasks = []
    for pause in (0.0, 0.5, 1.0):
        tasks.append(gate.create(deviceArn=WAITING))
        time.sleep(pause)
        gate.near.kill()
        gate.near.start()
    until(gate.far_tasks, lambda there: set(tasks) <= set(there))
    gate.finish()
    ended = [gate.near.wait_for_task(task, 120) for task in tasks]
    assert [task["status"] for task in ended] == ["COMPLETED"] * 3, [task.get("failureReason") for task in ended]
    assert {gate.far_tasks()[task] for task in tasks} == {"COMPLETED"}
    assert [gate.near.result(task)["taskMetadata"]["id"] for task in ended] == tasks


def test_the_other_side_may_go_away_and_come_back(gate: Gate) -> None:
    gate.hold()
    task = gate.create(deviceArn=WAITING)
    until(gate.far_tasks, lambda tasks: task in tasks)
    gate.far.kill()
    time.sleep(0.5)
    assert gate.near.client("braket", "us-west-2").get_quantum_task(quantumTaskArn=task)["status"] == "RUNNING"
    gate.far.start()
    gate.finish()
    assert gate.near.wait_for_task(task, 120)["status"] == "COMPLETED"


def test_a_device_gets_another_key_while_its_tasks_go_on(gate: Gate) -> None:
    gate.hold()
    path = f"devices/{WAITING.replace('/', '%2F')}"
    key = gate.far.access.call("POST", "keys", {"account": "default", "role": "user"})
    ours = {name: key[name.removeprefix("aws_")] for name in ("aws_access_key_id", "aws_secret_access_key")}
    gate.near.access.call("PUT", path, definition(gate.far, WAITING, device_arn=TOY, **ours))
    task = gate.create(deviceArn=WAITING)
    until(gate.far_tasks, lambda tasks: task in tasks)
    gate.far.access.call("DELETE", f"keys/{key['access_key_id']}")
    until(lambda: gate.near.access.call("GET", path)["status"], lambda status: status == "OFFLINE")
    gate.near.access.call("PUT", path, definition(gate.far, WAITING, device_arn=TOY))
    assert gate.near.access.call("GET", path)["status"] == "ONLINE"
    gate.finish()
    assert gate.near.wait_for_task(task)["status"] == "COMPLETED"
    with pytest.raises(Problem, match="and not of"):
        gate.near.access.call("PUT", path, definition(gate.far))


def test_a_task_without_a_handle_is_found_over_there_and_cancelled(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a kill between handing it on and keeping what it is called."""
    gate.hold()
    monkeypatch.syspath_prepend(EXAMPLE / "src")
    driver: Driver = importlib.import_module("braketeer_gateway").Gateway(
        definition(gate.far, device_arn=TOY)["options"]
    )
    made = [Task(str(uuid4()), f"{WAITING}/{name}", WAITING, 2, openqasm(BELL), "{}") for name in ("one", "two")]
    for task in made:
        driver.run(task, None)
    driver.cancel(made[0], None)
    until(gate.far_tasks, lambda tasks: tasks[made[0].arn] == "CANCELLED")
    assert gate.far_tasks()[made[1].arn] in ("QUEUED", "RUNNING")
    driver.cancel(made[1], None)


def test_a_result_that_breaks_off_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLE / "src")
    task = {"status": "COMPLETED", "outputS3Bucket": "far-bucket", "outputS3Directory": "p", "numSuccessfulShots": 2}
    answers = {
        "/device": {"deviceCapabilities": '{"service": {"getTaskPollIntervalMillis": -1}}'},
        "/quantum-task": task,
        "/far-bucket": RESULT,
    }
    broken = [True]

    class FarSide(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            (body,) = (json.dumps(said).encode() for path, said in answers.items() if self.path.startswith(path))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut = broken and self.path.startswith("/far-bucket")
            self.wfile.write(body[:10] if cut and broken.pop() else body)

        def log_message(self, format: str, *args: Any) -> None:
            """Not to the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), FarSide) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            options = {
                "device_arn": SV1,
                "bucket": "far-bucket",
                "aws_access_key_id": "a",
                "aws_secret_access_key": "s",
            }
            gateway = importlib.import_module("braketeer_gateway").Gateway
            driver: Driver = gateway({**options, "endpoint_url": f"http://127.0.0.1:{server.server_port}"})
            asked = Task(str(uuid4()), "arn", MIRROR, 2, openqasm(BELL), "{}")
            with pytest.raises(Unavailable):
                driver.run(asked, "arn:aws:braket:us-east-1:000000000000:quantum-task/there")
            outcome = driver.run(asked, "arn:aws:braket:us-east-1:000000000000:quantum-task/there")
        finally:
            server.shutdown()
            thread.join()
    assert outcome == Finished(RESULT, 2)


def test_options_that_cannot_be_are_refused_in_words(gate: Gate) -> None:
    other = {"arn": f"{MIRROR}-2", "name": "Mirror 2"}
    for options, words in (
        ({"bucket": None}, "needs the option bucket"),
        ({"colour": "red"}, "no option colour"),
        ({"device_arn": "Garnet"}, "must be the ARN of a device"),
        ({"aws_secret_access_key": "wrong"}, "InvalidSignatureException"),
        ({"device_arn": "arn:aws:braket:::device/none"}, "ResourceNotFoundException"),
        ({"endpoint_url": "http://127.0.0.1:9"}, "cannot reach the device"),
    ):
        with pytest.raises(Problem, match=words):
            gate.near.access.call("POST", "devices", definition(gate.far, **options) | other)
