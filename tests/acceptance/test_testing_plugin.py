"""The pytest plug-in, used as its users do: unmodified clients, found by the environment alone."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from braketeer.cli.problems import Problem
from braketeer.testing.service import Clock, Faults, Reservations, Service
from tests.services import BELL, GARNET, SV1, has_ended, openqasm, until


def create(region: str = "us-east-1", **more: Any) -> str:
    """A Bell task by boto3's default session, as a user's code would."""
    boto3.client("s3").create_bucket(Bucket="results")
    request = {"deviceArn": SV1, "shots": 10, "outputS3Bucket": "results", "outputS3KeyPrefix": "t"} | more
    braket = boto3.client("braket", region)
    return str(braket.create_quantum_task(**request, action=openqasm(BELL))["quantumTaskArn"])


def task(arn: str) -> dict[str, Any]:
    return dict(boto3.client("braket", arn.split(":")[3]).get_quantum_task(quantumTaskArn=arn))


def ended(arn: str) -> dict[str, Any]:
    return dict(until(lambda: task(arn), has_ended))


def association(arn: str) -> dict[str, str]:
    return {"arn": arn, "type": "RESERVATION_TIME_WINDOW_ARN"}


def test_the_sdk_finds_the_service(braketeer: Service) -> None:
    from braket.aws import AwsDevice
    from braket.circuits import Circuit

    counts = AwsDevice(SV1).run(Circuit().h(0).cnot(0, 1), shots=100).result().measurement_counts
    assert set(counts) <= {"00", "11"}
    assert sum(counts.values()) == 100


def test_what_a_test_leaves_is_forgotten(braketeer: Service) -> None:
    arn = ended(create())["quantumTaskArn"]
    boto3.client("s3").put_object(Bucket="results", Key="large", Body=bytes(100_000))
    braketeer.faults.add(fail="never")
    braketeer.reset()
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    assert braketeer.faults.list() == []
    with pytest.raises(ClientError) as caught:
        boto3.client("braket").get_quantum_task(quantumTaskArn=arn)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert braketeer.call("GET", "usage")["usage"][0]["storage_bytes"] == 0
    assert ended(create())["status"] == "COMPLETED"


def test_what_still_runs_is_ended_first(braketeer: Service) -> None:
    """A job that would sleep on, and a task that waits for its delayed result."""
    braketeer.faults.add(delay="30s")
    create()
    boto3.client("s3").put_object(Bucket="results", Key="script.py", Body=b"import time; time.sleep(600)")
    boto3.client("braket").create_job(
        jobName="sleeper",
        clientToken="sleeper",
        roleArn="arn:aws:iam::000000000000:role/job",
        algorithmSpecification={"scriptModeConfig": {"entryPoint": "script", "s3Uri": "s3://results/script.py"}},
        deviceConfig={"device": SV1},
        instanceConfig={"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
        outputDataConfig={"s3Path": "s3://results/jobs"},
    )
    braketeer.reset()
    assert boto3.client("braket").search_jobs(filters=[])["jobs"] == []
    assert ended(create())["status"] == "COMPLETED"


def test_a_day_passes_at_once(braketeer: Service, braketeer_clock: Clock) -> None:
    before = ended(create())["createdAt"]
    now = braketeer_clock.advance("1d")
    assert timedelta(days=1) <= ended(create())["createdAt"] - before < timedelta(days=1, minutes=2)
    assert braketeer_clock.advance_to(now + timedelta(hours=3)) >= now + timedelta(hours=3)
    with pytest.raises(ValueError, match="never goes back"):
        braketeer_clock.advance_to(now)


def test_calls_meet_the_errors_that_were_ordered(braketeer: Service, braketeer_faults: Faults) -> None:
    braketeer_faults.add(operation="CreateQuantumTask", error="ThrottlingException", next=2)
    assert ended(create(clientToken="one"))["status"] == "COMPLETED"  # boto3 has tried three times
    assert braketeer_faults.list()[0]["hits"] == 2
    braketeer_faults.clear()
    braketeer_faults.add(operation="s3:CreateBucket", error="TooManyBuckets", message="Enough", next=1)
    with pytest.raises(ClientError, match=r"\(TooManyBuckets\).*Enough"):
        create()
    braketeer_faults.expire_credentials(next=1)
    with pytest.raises(ClientError, match=r"\(ExpiredTokenException\)"):
        boto3.client("braket").search_devices(filters=[])
    assert ended(create())["status"] == "COMPLETED"


def test_other_accounts_do_not_meet_what_was_ordered_for_one(braketeer: Service, braketeer_faults: Faults) -> None:
    environment = braketeer.account("alice")
    braketeer_faults.add(operation="sts:all", error="AccessDeniedException", account="alice")
    assert boto3.client("sts").get_caller_identity()["Account"] == "000000000000"
    alice = boto3.session.Session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    with pytest.raises(ClientError, match="AccessDenied"):
        alice.client("sts").get_caller_identity()


def test_tasks_fail_as_ordered(braketeer: Service, braketeer_faults: Faults) -> None:
    braketeer_faults.add(fail="The laser is out of lock", every=3)
    tasks = [ended(create()) for _ in range(6)]
    assert [task["status"] for task in tasks] == ["COMPLETED", "COMPLETED", "FAILED"] * 2
    assert tasks[2]["failureReason"] == "The laser is out of lock"
    assert tasks[2]["actionMetadata"]["actionType"] == "braket.ir.openqasm.program"


def test_a_booked_hour_passes_in_an_instant(
    braketeer: Service, braketeer_clock: Clock, reservation: Reservations
) -> None:
    first = reservation(GARNET, start="2h", duration="1h")
    with pytest.raises(Problem, match="is reserved from"):
        reservation(GARNET, start="2h30m", duration="1h")
    in_it = create("eu-north-1", deviceArn=GARNET, associations=[association(first.arn)])
    others = create("eu-north-1", deviceArn=GARNET)
    assert ended(others)["status"] == "COMPLETED"  # before the window
    assert task(in_it)["status"] == "QUEUED"
    braketeer_clock.advance_to(first.start)
    assert ended(in_it)["status"] == "COMPLETED"
    others = create("eu-north-1", deviceArn=GARNET)
    second = reservation(GARNET, start=first.end, duration=timedelta(hours=1))
    left = create("eu-north-1", deviceArn=GARNET, associations=[association(second.arn)])
    second.cancel()
    assert ended(left)["status"] == "CANCELLED"
    assert task(others)["status"] == "QUEUED"
    braketeer_clock.advance_to(first.end)
    assert ended(others)["status"] == "COMPLETED"


def test_a_device_is_away_for_a_while(
    braketeer: Service, braketeer_clock: Clock, braketeer_faults: Faults, reservation: Reservations
) -> None:
    booking = reservation(GARNET, start="1h", duration="1h")
    waiting = create("eu-north-1", deviceArn=GARNET, associations=[association(booking.arn)])
    rule = braketeer_faults.add(offline="90m", device=GARNET)
    braket = boto3.client("braket", "eu-north-1")
    assert braket.get_device(deviceArn=GARNET)["deviceStatus"] == "OFFLINE"
    with pytest.raises(ClientError, match=r"\(DeviceOfflineException\)"):
        create("eu-north-1", deviceArn=GARNET)
    braketeer_clock.advance("70m")
    assert task(waiting)["status"] == "QUEUED"  # its window has begun, but the device is not there
    braketeer_clock.advance("25m")
    assert ended(waiting)["status"] == "COMPLETED"
    assert braket.get_device(deviceArn=GARNET)["deviceStatus"] == "ONLINE"
    braketeer_faults.clear(rule)
    rule = braketeer_faults.add(offline="1d", device=GARNET)
    braketeer_faults.clear(rule)
    braketeer_clock.advance_to(booking.end)
    assert ended(create("eu-north-1", deviceArn=GARNET))["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"operation": "CreateQuantumTusk", "error": "ThrottlingException"}, "no operation 'CreateQuantumTusk'"),
        ({"operation": "GetJob", "error": "Nonsense"}, "'Nonsense' is no error of braket"),
        ({"fail": "x", "device": "arn:aws:braket:::device/quantum-simulator/amazon/sv9"}, "There is no device"),
        ({"fail": "x", "delay": 1}, "A fault is one of"),
        ({"operation": "GetJob"}, "A fault is one of"),
        ({"offline": "1h"}, "Which device"),
        ({"fail": "x", "account": "nobody"}, "There is no account 'nobody'"),
        ({"fail": ""}, "1 to 1024 characters"),
        ({"fail": "x", "every": 0}, "'every' must be a whole number"),
        ({"delay": "2h"}, "'delay_ms' must be a whole number"),
        ({"fail": "x", "operation": "GetJob"}, "has no operation"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(braketeer_faults: Faults, rule: dict[str, Any], says: str) -> None:
    with pytest.raises(Problem, match=says):
        braketeer_faults.add(**rule)
    assert braketeer_faults.list() == []


def test_nobody_forgets_by_mistake(tmp_path: Path) -> None:
    """A service that was not started for tests refuses."""
    from tests.services import running

    with running(tmp_path) as service, pytest.raises(Problem, match="not started with --allow-reset"):
        service.access.call("POST", "reset")


def test_a_project_needs_nothing_but_the_fixture(tmp_path: Path) -> None:
    """A test file of a stranger's, run by pytest in a process of its own; the service ends with it."""
    (tmp_path / "test_mine.py").write_text(
        "import pathlib, boto3\n"
        "def test_devices(braketeer):\n"
        "    assert boto3.client('braket').search_devices(filters=[])['devices']\n"
        "    pathlib.Path('endpoint').write_text(braketeer.endpoint)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(tmp_path)],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    from braketeer.cli.service import is_healthy

    assert is_healthy((tmp_path / "endpoint").read_text()) is None


def test_tonights_booking_can_be_rehearsed() -> None:
    """The example, as a reader would run it."""
    example = Path(__file__).parents[2] / "examples" / "rehearse_a_reservation.py"
    done = subprocess.run([sys.executable, example], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert [line[:5] for line in told[1:]] == [told[1][:5], "19:59"] + ["20:00"] * 6 + ["21:00"] * 2
    assert "these 3 tasks cost 0 USD beyond the booking" in done.stdout
    assert told[-1].endswith("Reservation arn is invalid")
