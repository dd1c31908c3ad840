"""Reserved time that is enforced: the unmodified SDK, the AWS CLI and the operator's commands against one service.

SV1 may be reserved here, and so may DM1, which has a price; the stabilizer device may not.
"""

from __future__ import annotations

import contextlib
import io
import json
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import urllib3
from botocore.exceptions import ClientError
from braket.aws import AwsDevice, AwsQuantumJob, DirectReservation
from braket.circuits import Circuit
from braket.jobs import hybrid_job
from braket.tracking import Tracker, pricing, tracker

from braketeer.cli.problems import Problem
from tests.acceptance.aws_cli import AwsCli
from tests.acceptance.test_account_commands import braketeer, told
from tests.reservations import allow, association, cancel, reserve
from tests.services import ACCOUNT, BELL, ROLE, SV1, RunningService, openqasm, running, until

DM1 = SV1.replace("sv1", "dm1")
STABILIZER = "arn:aws:braket:::device/quantum-simulator/braketeer/stabilizer"
BELL_CIRCUIT = Circuit().h(0).cnot(0, 1)

ALGORITHM = textwrap.dedent(
    """
    import time
    from botocore.exceptions import ClientError
    from braket.aws import AwsDevice
    from braket.circuits import Circuit
    from braket.jobs.environment_variables import get_job_device_arn

    def main():
        task = AwsDevice(get_job_device_arn()).run(Circuit().h(0), shots=5)
        print("inside:", task.id, task.metadata()["associations"], flush=True)
        try:
            AwsDevice("{other}").run(Circuit().h(0), shots=5)
        except ClientError as refusal:
            print("elsewhere:", refusal, flush=True)
        time.sleep(300)
    """
).replace("{other}", STABILIZER)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    prices = tmp_path_factory.mktemp("prices") / "prices.toml"
    prices.write_text(f'[devices."{DM1}"]\nper_minute = 12\n')
    settings = {"BRAKETEER_JOB_GRACE_SECONDS": "0", "BRAKETEER_FAIR_SHARE": "1", "BRAKETEER_PRICES": str(prices)}
    with running(tmp_path_factory.mktemp("lab"), **settings) as started:
        for device in (SV1, DM1):
            allow(started, device)
        started.client("s3").create_bucket(Bucket="results")
        yield started


@pytest.fixture
def sdk(lab: RunningService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunningService:
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in lab.access.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)  # the SDK leaves archives there
    return lab


def test_a_window_from_before_it_begins_until_after_it_has_ended(
    sdk: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder's tasks wait for it and run in it, everybody else's run after it, whatever the order of arrival."""
    pool = urllib3.PoolManager()  # the SDK leaves its own open
    monkeypatch.setattr(pricing, "_http_client", lambda _: pool)
    monkeypatch.setattr(tracker, "price_search", pricing.Pricing().price_search)
    device = AwsDevice(DM1)
    window = reserve(sdk, DM1, start=5, end=8)
    with Tracker() as mine_alone:
        mine = device.run(BELL_CIRCUIT, shots=10, reservation_arn=window["arn"])
        waiting = mine.queue_position()
        assert (waiting.queue_position, waiting.queue_type.value) == (None, "Normal")
        assert waiting.message.startswith(f"Task waits in reservation {window['arn']}, from {window['start']} to ")
        assert set(device.queue_depth().quantum_tasks.values()) == {"0"}
        reasons = why(sdk, mine.id)
        assert [(each["rule"], each["until"]) for each in reasons] == [("reservation-not-begun", window["start"])]
        until(time.time, lambda now: now >= _seconds(window["start"]))
        with Tracker() as of_others:
            others = device.run(BELL_CIRCUIT, shots=10)
            assert mine.result().measurement_counts.total() == 10
            assert others.queue_position().queue_position == "1"
            assert why(sdk, others.id)[0]["rule"] == "device-reserved"
            assert others.result().measurement_counts.total() == 10
    ran, later = mine.metadata(), others.metadata()
    assert ran["associations"] == association(window["arn"])
    assert _seconds(window["start"]) <= ran["endedAt"].timestamp() < _seconds(window["end"])
    assert later["endedAt"].timestamp() >= _seconds(window["end"])
    assert mine_alone.quantum_tasks_statistics()[DM1]["tasks"] == {"COMPLETED": 2}
    assert mine_alone.simulator_tasks_cost() == of_others.simulator_tasks_cost() == Decimal("0.6")
    assert told(braketeer(sdk, "cost", mine.id, "--json"))["cost"] == "0"
    pool.clear()


def test_a_job_in_a_reservation_that_is_cancelled_under_it(sdk: RunningService, tmp_path: Path) -> None:
    (tmp_path / "algorithm.py").write_text(ALGORITHM)
    window = reserve(sdk, SV1)
    with contextlib.redirect_stdout(io.StringIO()):
        job = AwsQuantumJob.create(
            device=SV1,
            source_module="algorithm.py",
            entry_point="algorithm:main",
            reservation_arn=window["arn"],
        )
    assert job.metadata()["associations"] == association(window["arn"])
    other = sdk.create_job("print('waits')", "other")
    lines = until(lambda: sdk.job_log(job.arn), lambda lines: any(line.startswith("elsewhere:") for line in lines), 120)
    (inside,) = (line.split() for line in lines if line.startswith("inside:"))
    (elsewhere,) = (line for line in lines if line.startswith("elsewhere:"))
    assert f"The hybrid job runs in a reservation of {SV1}: its tasks cannot run on {STABILIZER}" in elsewhere
    assert window["arn"] in inside[3]
    assert sdk.wait_for_task(inside[1])["associations"] == association(window["arn"])
    assert "device-reserved" in braketeer(sdk, "why", other).stdout
    reason = f"The reservation {window['arn']} was cancelled at {cancel(sdk, window['arn'])['cancelled_at']}"
    ended = sdk.wait_for_job(job.arn)
    assert (ended["status"], ended["failureReason"]) == ("CANCELLED", reason)
    assert (ended["events"][-1]["eventType"], ended["events"][-1]["message"]) == ("CANCELLED", f"{reason}.")
    assert sdk.wait_for_job(other)["status"] == "COMPLETED"


def test_a_decorated_function_in_a_reservation(sdk: RunningService) -> None:
    window = reserve(sdk, SV1, start=3)

    @hybrid_job(device=SV1, reservation_arn=window["arn"])
    def main(shots: int):
        import os

        from braket.aws import AwsDevice
        from braket.circuits import Circuit

        task = AwsDevice(os.environ["AMZN_BRAKET_RESERVATION_DEVICE_ARN"]).run(Circuit().h(0), shots=shots)
        window = os.environ["AMZN_BRAKET_RESERVATION_TIME_WINDOW_ARN"]
        return {"window": window, "tied": task.metadata()["associations"], "shots": task.result().measurements.shape[0]}

    job = main(7)
    assert job.queue_position().message.startswith(f"Job waits in reservation {window['arn']}, from {window['start']}")
    ended = sdk.wait_for_job(job.arn)
    assert (ended["status"], ended["associations"]) == ("COMPLETED", association(window["arn"]))
    assert ended["startedAt"].timestamp() >= _seconds(window["start"])
    assert job.result() == {"window": window["arn"], "tied": association(window["arn"]), "shots": 7}
    cancel(sdk, window["arn"])


def test_the_reservation_context_and_a_task_without_it(sdk: RunningService) -> None:
    device, window = AwsDevice(SV1), reserve(sdk, SV1, kind="priority")
    with DirectReservation(device, reservation_arn=window["arn"]):
        inside = device.run(BELL_CIRCUIT, shots=5)
        elsewhere = AwsDevice(STABILIZER).run(BELL_CIRCUIT, shots=5)
    outside = device.run(BELL_CIRCUIT, shots=5)
    for task in (inside, elsewhere, outside):
        assert task.result().measurement_counts.total() == 5
    tied = [task.metadata().get("associations") for task in (inside, elsewhere, outside)]
    assert tied == [association(window["arn"]), None, None]
    cancel(sdk, window["arn"])


def test_refusals_in_the_words_of_the_real_service(sdk: RunningService) -> None:
    window = reserve(sdk, SV1, start=3600, end=7200)
    unknown, gone = window["arn"][:-1] + "?", window["arn"]
    cancel(sdk, gone)
    for device, arn, words in (
        (SV1, unknown, "Reservation arn is invalid"),
        (SV1, gone, "Reservation arn is invalid"),
        (STABILIZER, window["arn"], f"Braket Direct is not supported for {STABILIZER}"),
    ):
        with pytest.raises(ClientError, match=words) as refused:
            AwsDevice(device).run(BELL_CIRCUIT, shots=5, reservation_arn=arn)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
        with pytest.raises(ClientError, match=words):
            sdk.create_job("", associations=association(arn), deviceConfig={"device": device})
    task = AwsDevice(SV1).run(BELL_CIRCUIT, shots=5)
    task.result()
    with pytest.raises(ClientError, match="Amazon Braket cannot cancel a quantum task in the COMPLETED status"):
        task.cancel()


def test_the_aws_cli_with_associations(lab: RunningService, tmp_path: Path) -> None:
    window = reserve(lab, DM1)
    aws, tie = AwsCli(lab), json.dumps(association(window["arn"]))
    task = aws(
        *("braket", "create-quantum-task", "--device-arn", DM1, "--shots", "5", "--associations", tie),
        *("--output-s3-bucket", "results", "--output-s3-key-prefix", "cli", "--action", openqasm(BELL)),
    )["quantumTaskArn"]
    lab.client("s3").put_object(Bucket="results", Key="script.py", Body=b"print('ran')")
    script = {"scriptModeConfig": {"entryPoint": "script", "s3Uri": "s3://results/script.py"}}
    job = aws(
        *("braket", "create-job", "--job-name", "cli", "--role-arn", ROLE, "--associations", tie),
        *("--algorithm-specification", json.dumps(script), "--device-config", f"device={DM1}"),
        *("--instance-config", "instanceType=ml.m5.large,volumeSizeInGb=1"),
        *("--output-data-config", "s3Path=s3://results/cli"),
    )["jobArn"]
    assert lab.wait_for_task(task)["associations"] == association(window["arn"])
    assert lab.wait_for_job(job)["associations"] == association(window["arn"])
    cancel(lab, window["arn"])


def test_the_operators_commands(lab: RunningService) -> None:
    window = ("--device", DM1, "--start", "2999-01-01T10:00:00", "--end", "2999-01-01T12:00:00Z")
    made = told(braketeer(lab, "reservation", "create", *window))
    assert (made["status"], made["kind"], made["account"]) == ("SCHEDULED", "exclusive", ACCOUNT)
    overlapping = braketeer(lab, "reservation", "create", *window)
    assert overlapping.returncode == 1
    assert f"is reserved from {made['start']} to {made['end']} already" in overlapping.stderr
    refused = braketeer(lab, "reservation", "create", "--device", STABILIZER, *window[2:])
    assert refused.stderr == f"braketeer: Braket Direct is not supported for {STABILIZER}\n"
    assert [one["arn"] for one in told(braketeer(lab, "reservation", "list", "--json"))] == [made["arn"]]
    assert made["arn"] in braketeer(lab, "reservation", "list", "--device", DM1).stdout
    assert told(braketeer(lab, "reservation", "show", made["arn"], "--json")) == made | {"tasks_queued": 0}
    queues = {one["name"]: one for one in told(braketeer(lab, "queue", "--json"))["devices"]}
    assert queues["DM1"]["reservation"]["arn"] == made["arn"]
    assert queues["DM1"]["tasks"] == {"reserved": "0", "priority": "0", "normal": "0"}
    assert "2999-01-01T10:00:00.000Z to 2999-01-01T12:00:00.000Z" in braketeer(lab, "queue", DM1).stdout
    assert "CANCELLED" in braketeer(lab, "reservation", "cancel", made["arn"]).stdout
    assert told(braketeer(lab, "reservation", "list", "--json")) == []
    assert [one["status"] for one in told(braketeer(lab, "reservation", "list", "--all", "--json"))][-1] == "CANCELLED"
    for words in (("show", "x"), ("cancel", "x"), ("allow", "x")):
        assert braketeer(lab, "reservation", *words).returncode == 1


def test_only_operators_reserve(lab: RunningService) -> None:
    key = lab.access.call("POST", "keys", {"account": "default", "role": "user"})
    user = replace(lab.access, access_key_id=key["access_key_id"], secret_access_key=key["secret_access_key"])
    for method, path in (("GET", "reservations"), ("POST", "reservations"), ("GET", "queue"), ("GET", "why/x")):
        with pytest.raises(Problem, match="needs a key of role operator"):
            user.call(method, path, {} if method == "POST" else None)


def test_what_is_asked_wrongly(lab: RunningService) -> None:
    for method, path in (("GET", "why/x"), ("GET", f"why/{quote(SV1, safe='')}"), ("GET", "queue/x")):
        with pytest.raises(Problem, match="There is no"):
            lab.access.call(method, path)


def why(service: RunningService, arn: str) -> list[dict[str, Any]]:
    reasons: list[dict[str, Any]] = service.access.call("GET", f"why/{quote(arn, safe='')}")["reasons"]
    return reasons


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
