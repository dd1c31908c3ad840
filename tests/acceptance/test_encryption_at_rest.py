"""What is asked to be encrypted is nowhere in the data directory as it is: results of tasks and jobs, checkpoints."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services import RunningService, running, until

OWN = "arn:aws:kms:us-east-1:000000000000:key/results"
FOREIGN = "arn:aws:kms:us-east-1:111111111111:key/results"
# The words are put together when it runs, so that the script itself, which is not encrypted, does not hold them.
SCRIPT = """
import os, random, time
words = ("a word " * 3 + "of the checkpoint ").encode() * 10
with open(os.path.join(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"], "state.txt"), "wb") as file:
    file.write(words)
with open(os.path.join(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"], "large.bin"), "wb") as file:
    file.write(words * 3000)
with open(os.path.join(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"], "noise.bin"), "wb") as file:
    file.write(random.Random(1).randbytes(200_000))
"""
CHECKPOINT = ("a word " * 3 + "of the checkpoint ").encode()


def holders(service: RunningService, text: bytes) -> list[str]:
    """The files of the data directory that hold a text."""
    files = [path for path in service.data_dir.rglob("*") if path.is_file()]
    return [str(path.relative_to(service.data_dir)) for path in files if text in path.read_bytes()]


def content(s3: Any, bucket: str, key: str) -> tuple[bytes, str | None, str | None]:
    answer = s3.get_object(Bucket=bucket, Key=key)
    return answer["Body"].read(), answer.get("ServerSideEncryption"), answer.get("SSEKMSKeyId")


def test_results_and_checkpoints_of_a_job(tmp_path: Path) -> None:
    with running(tmp_path) as service, closing(service.client("s3")) as s3:
        given = {
            "outputDataConfig": {"s3Path": "s3://results/out", "kmsKeyId": OWN},
            "checkpointConfig": {"s3Uri": "s3://results/checkpoints"},
        }
        arn = service.create_job(SCRIPT, **given)
        job = service.wait_for_job(arn)
        assert job["status"] == "COMPLETED", service.job_log(arn)
        assert job["outputDataConfig"]["kmsKeyId"] == OWN
        assert job["events"][0]["message"] == "Job is queued for execution."
        # The job's own folder is taken away first.
        until(lambda: [path for path in (tmp_path / "jobs").iterdir() if path.is_dir()], lambda folders: not folders)
        for key in ("out/output/model.tar.gz", "checkpoints/state.txt", "checkpoints/large.bin"):
            data, *told = content(s3, "results", key)
            assert told == ["aws:kms", OWN], key
            needle = data[100_000:100_064] if key.endswith("gz") else CHECKPOINT
            assert needle in data
            assert holders(service, needle) == []
        s3.put_object(Bucket="results", Key="open", Body=CHECKPOINT)
        assert holders(service, CHECKPOINT), "so one would have found it"
        for key, text in ((FOREIGN, "another account"), ("no key!", "neither the id")):
            with pytest.raises(ClientError, match=text) as caught:
                wrong = {"outputDataConfig": {"s3Path": "s3://results/out", "kmsKeyId": key}}
                service.create_job(SCRIPT, **wrong)
            assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("shots", [50, 20_000], ids=["small", "large"])
def test_results_of_tasks_in_a_bucket_that_encrypts(service: RunningService, shots: int) -> None:
    with closing(service.client("s3")) as s3:
        bucket = f"sealed-{shots}"
        s3.create_bucket(Bucket=bucket)
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": OWN}}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
        task = service.wait_for_task(service.create_task(shots=shots, bucket=bucket))
        assert task["status"] == "COMPLETED"
        data, *told = content(s3, bucket, f"{task['outputS3Directory']}/results.json")
        assert told == ["aws:kms", OWN]
        at = data.index(b'"measurements"') + 20
        assert holders(service, data[at : at + 200]) == []
        s3.put_object(Bucket=bucket, Key="whole", Body=data)
        s3.create_bucket(Bucket="open")
        s3.put_object(Bucket="open", Key="whole", Body=data)
        assert holders(service, data[at : at + 200]), "so one would have found it"
