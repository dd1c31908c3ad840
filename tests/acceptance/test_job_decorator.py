"""``@hybrid_job`` of the unmodified SDK, with everything that it takes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from braket.jobs import CheckpointConfig, InstanceConfig, OutputDataConfig, hybrid_job
from braket.jobs.config import StoppingCondition

from tests.services import SV1, RunningService


@pytest.fixture
def service(client_environment: RunningService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunningService:
    monkeypatch.chdir(tmp_path)  # the SDK leaves archives in the current directory
    monkeypatch.syspath_prepend(str(tmp_path))
    return client_environment


def test_a_decorated_function_with_all_that_the_decorator_takes(service: RunningService, tmp_path: Path) -> None:
    (tmp_path / "helpers_of_mine.py").write_text("def twice(x):\n    return 2 * x\n")
    (tmp_path / "numbers.json").write_text("[1, 2, 3]")
    (tmp_path / "needed.txt").write_text("numpy\n")
    s3 = service.client("s3")
    s3.create_bucket(Bucket="decorated")
    helpers_of_mine = importlib.import_module("helpers_of_mine")

    @hybrid_job(
        device=SV1,
        include_modules="helpers_of_mine",
        dependencies=str(tmp_path / "needed.txt"),
        input_data={"numbers": "numbers.json"},  # the name under which the function will find it
        wait_until_complete=False,
        job_name=None,
        instance_config=InstanceConfig(instanceType="ml.c5.xlarge", volumeSizeInGb=2, instanceCount=1),
        stopping_condition=StoppingCondition(maxRuntimeInSeconds=120),
        output_data_config=OutputDataConfig(s3Path="s3://decorated/out"),
        checkpoint_config=CheckpointConfig(localPath="/opt/jobs/mine", s3Uri="s3://decorated/checkpoints"),
        tags={"team": "blue"},
    )
    def outer(count: int, factor: float = 1.5, *, word: str = "none", numbers: str = "numbers.json"):
        import json

        from braket.jobs import get_checkpoint_dir, save_job_checkpoint

        def inner(value):
            return helpers_of_mine.twice(value) * factor

        del numbers
        save_job_checkpoint({"count": count})
        with open("numbers.json") as file:  # noqa: PTH123 - the SDK links it there
            given = json.load(file)
        return {"all": [inner(value) for value in given[:count]], "word": word, "where": get_checkpoint_dir()}

    job = outer(2, word="blue")
    ended = service.wait_for_job(job.arn)
    assert ended["status"] == "COMPLETED", (ended.get("failureReason"), service.job_log(job.arn)[-20:])
    assert job.result() == {"all": [3.0, 6.0], "word": "blue", "where": "/opt/jobs/mine"}
    assert ended["hyperParameters"].items() >= {"count": "2", "factor": "1.5", "word": "blue"}.items()
    assert ended["instanceConfig"] == {"instanceType": "ml.c5.xlarge", "volumeSizeInGb": 2, "instanceCount": 1}
    assert ended["tags"] == {"team": "blue"}
    assert s3.list_objects_v2(Bucket="decorated", Prefix="out/output/")["KeyCount"] == 1
    assert s3.list_objects_v2(Bucket="decorated", Prefix="checkpoints/")["KeyCount"] == 1


def test_dependencies_as_a_list_and_a_result_that_is_no_text(service: RunningService) -> None:
    @hybrid_job(device="local:none/none", dependencies=["numpy"])
    def main():
        import numpy as np
        from braket.jobs import save_job_result
        from braket.jobs_data import PersistedJobDataFormat

        save_job_result({"matrix": np.eye(2)}, data_format=PersistedJobDataFormat.PICKLED_V4)

    job = main()
    ended = service.wait_for_job(job.arn)
    assert ended["status"] == "COMPLETED", (ended.get("failureReason"), service.job_log(job.arn)[-20:])


def test_another_python_is_told_before_anything_is_uploaded(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = SimpleNamespace(version_info=SimpleNamespace(major=3, minor=9))
    monkeypatch.setattr(sys.modules["braket.jobs.hybrid_job"], "sys", client)
    with pytest.raises(RuntimeError, match="Python version must match"):
        hybrid_job(device=SV1)
