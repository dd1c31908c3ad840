"""Hybrid jobs through the unmodified amazon-braket-sdk."""

import contextlib
import io
import textwrap
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from braket.aws import AwsQuantumJob, AwsSession
from braket.jobs import Framework, retrieve_image

from tests.services import GARNET, SV1, RunningService

ALGORITHM = textwrap.dedent(
    """
    import json, os
    from braket.aws import AwsDevice
    from braket.circuits import Circuit
    from braket.jobs import load_job_checkpoint, save_job_checkpoint, save_job_result
    from braket.jobs.metrics import log_metric

    def main():
        print("input:", open(os.path.join(os.environ["AMZN_BRAKET_INPUT_DIR"], "numbers", "numbers.json")).read())
        rounds = int(json.load(open(os.environ["AMZN_BRAKET_HP_FILE"]))["rounds"])
        device = AwsDevice(os.environ["AMZN_BRAKET_DEVICE_ARN"])
        counts = []
        for number in range(rounds):
            result = device.run(Circuit().h(0).cnot(0, 1), shots=20).result()
            counts.append(dict(result.measurement_counts))
            log_metric("ones", value=float(result.measurement_counts.get("11", 0)), iteration_number=number)
            save_job_checkpoint({"round": number}, checkpoint_file_suffix="here")
        assert load_job_checkpoint(os.environ["AMZN_BRAKET_JOB_NAME"], "here") == {"round": rounds - 1}
        save_job_result({"counts": counts, "rounds": rounds})
    """
)


@pytest.fixture
def workplace(client_environment: RunningService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to work in: the SDK leaves archives in the current one."""
    (tmp_path / "algorithm.py").write_text(ALGORITHM)
    (tmp_path / "numbers.json").write_text("[1, 2, 3]")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def create(workplace: Path, **more) -> AwsQuantumJob:
    request = {
        "device": SV1,
        "source_module": str(workplace / "algorithm.py"),
        "entry_point": "algorithm:main",
        "hyperparameters": {"rounds": 3},
        "input_data": {"numbers": str(workplace / "numbers.json")},
        "tags": {"team": "blue"},
    }
    return AwsQuantumJob.create(**(request | more))


def test_a_job_from_creation_to_its_result(workplace: Path, client_environment: RunningService) -> None:
    job = create(workplace)
    assert job.state() in {"QUEUED", "RUNNING"}
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        job.logs(wait=True, poll_interval_seconds=1)
    assert job.state() == "COMPLETED", job.metadata()
    for line in (
        "Invoking script with the following command:",
        "braket_container.py",
        "Running Code As Process",
        "input: [1, 2, 3]",
        "Code Run Finished",
        '"user_entry_point": "braket_container.py"',
        "Reporting training SUCCESS",
    ):
        assert line in shown.getvalue()

    result = job.result()
    assert result["rounds"] == 3
    assert all(set(counts) <= {"00", "11"} and sum(counts.values()) == 20 for counts in result["counts"])
    metrics = job.metrics()
    assert metrics["iteration_number"] == [0.0, 1.0, 2.0]
    assert metrics["ones"] == [float(counts.get("11", 0)) for counts in result["counts"]]

    job.download_result(workplace / "downloaded")
    assert (workplace / "downloaded" / job.name / "results.json").exists()

    metadata = job.metadata()
    assert [event["eventType"] for event in metadata["events"]] == [
        "QUEUED_FOR_EXECUTION",
        "STARTING_INSTANCE",
        "DOWNLOADING_DATA",
        "RUNNING",
        "UPLOADING_RESULTS",
        "COMPLETED",
    ]
    assert metadata["tags"] == {"team": "blue"}
    assert metadata["billableDuration"] > 0
    assert metadata["startedAt"] >= metadata["createdAt"]
    assert metadata["instanceConfig"]["instanceCount"] == 1

    tasks = job.get_tasks()
    assert len(tasks) == 3
    for task in tasks:
        found = client_environment.client("braket").get_quantum_task(quantumTaskArn=task.id)
        assert found["jobArn"] == job.arn
        assert found["outputS3Directory"].startswith(f"jobs/{job.name}/")

    checkpoint = metadata["checkpointConfig"]["s3Uri"]
    assert AwsSession().list_keys(*AwsSession.parse_s3_uri(checkpoint)) != []


def test_checkpoints_of_an_earlier_job_are_restored(workplace: Path) -> None:
    first = create(workplace)
    first.result()
    (workplace / "algorithm.py").write_text(
        textwrap.dedent(
            f"""
            from braket.jobs import load_job_checkpoint, save_job_result
            def main():
                save_job_result({{"found": load_job_checkpoint("{first.name}", "here")}})
            """
        )
    )
    second = create(workplace, copy_checkpoints_from_job=first.arn)
    assert second.result() == {"found": {"round": 2}}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("open('fake_file')", "FileNotFoundError: [Errno 2] No such file or directory: 'fake_file'"),
        ("raise ValueError('not today')", "ValueError: not today"),
        ("import sys; sys.exit(3)", "exit code: 3"),
    ],
)
def test_a_script_that_fails_gives_its_reason(workplace: Path, body: str, reason: str) -> None:
    (workplace / "algorithm.py").write_text(f"def main():\n    {body}\n")
    job = create(workplace, checkpoint_config=None)
    assert job.result() == {}
    assert job.state() == "FAILED"
    assert job.metadata()["failureReason"].startswith("AlgorithmError: ")
    assert reason in job.metadata()["failureReason"]


def test_a_running_job_is_cancelled(workplace: Path, client_environment: RunningService) -> None:
    (workplace / "algorithm.py").write_text(
        "import time\ndef main():\n    print('here', flush=True)\n    time.sleep(600)\n"
    )
    job = create(workplace)
    assert job.cancel() in {"CANCELLING", "CANCELLED"}
    assert client_environment.wait_for_job(job.arn)["status"] == "CANCELLED"
    with pytest.raises(ClientError, match="ConflictException"):
        job.cancel()


def test_a_script_that_hangs_is_ended_at_its_limit(workplace: Path, client_environment: RunningService) -> None:
    from braket.jobs.config import StoppingCondition

    (workplace / "algorithm.py").write_text("import time\ndef main():\n    time.sleep(600)\n")
    job = create(workplace, stopping_condition=StoppingCondition(maxRuntimeInSeconds=2))
    ended = client_environment.wait_for_job(job.arn)
    assert ended["status"] == "FAILED"
    assert "MAX_RUNTIME_EXCEEDED" in [event["eventType"] for event in ended["events"]]
    assert "maxRuntimeInSeconds of 2" in ended["failureReason"]


def test_a_foreign_reservation_is_refused(workplace: Path) -> None:
    arn = "arn:aws:braket:eu-north-1:000000000000:reservation/0b1cff4b-5f5a-4f2e-8a4d-0a0a0a0a0a0a"
    with pytest.raises(ClientError, match="Braket Direct is not supported for"):
        create(workplace, reservation_arn=arn)
    with pytest.raises(ClientError, match="Reservation arn is invalid"):
        create(workplace, device=GARNET, reservation_arn=arn)


def test_amazons_image_means_the_local_environment(workplace: Path) -> None:
    job = create(workplace, image_uri=retrieve_image(Framework.BASE, "us-east-1"))
    assert job.result()["rounds"] == 3
