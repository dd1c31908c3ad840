"""Objects larger than memory: they go in, are copied and come out in pieces, encrypted or not."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig

from tests import processes
from tests.services import RunningService, running

MIB = 1 << 20
SIZE = int(os.environ.get("BRAKETEER_TEST_STREAM_MIB", "192")) * MIB
ALLOWED = 128 * MIB  # that the service may grow by: 10 connections of the CLI, with a few blocks of 1 MiB each
BUCKET = "streams"


def peak(service: RunningService) -> int:
    """The most memory that the service process has had, in bytes."""
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024


def forget_peak(service: RunningService) -> None:
    assert service.process is not None
    Path(f"/proc/{service.process.pid}/clear_refs").write_text("5")


def cp(service: RunningService, source: str, target: str, *options: str) -> None:
    command = ["aws", "s3", "cp", source, target, "--quiet", *options]
    done = processes.run(command, service.access.environment(), timeout=900)
    assert done.returncode == 0, done.stderr


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("large") / "file"
    block = os.urandom(MIB - 8)
    with path.open("wb") as file:
        for number in range(SIZE // MIB):
            file.write(number.to_bytes(8) + block)
    yield path
    path.unlink()


@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("options", [(), ("--sse", "AES256")], ids=["as it is", "encrypted"])
def test_memory_does_not_grow_with_an_object(tmp_path: Path, large: Path, options: tuple[str, ...]) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    with running(data_dir) as service, closing(service.client("s3")) as s3:
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="warm", Body=b"x" * MIB)
        s3.get_object(Bucket=BUCKET, Key="warm")["Body"].read()
        forget_peak(service)
        before = peak(service)
        cp(service, str(large), f"s3://{BUCKET}/up", *options)
        # In parts, each copied by the service itself: the bytes are read and written there.
        parts = TransferConfig(multipart_threshold=64 * MIB, multipart_chunksize=256 * MIB, max_concurrency=2)
        s3.copy({"Bucket": BUCKET, "Key": "up"}, BUCKET, "copy", Config=parts)
        s3.delete_object(Bucket=BUCKET, Key="up")
        cp(service, f"s3://{BUCKET}/copy", str(tmp_path / "down"))
        with large.open("rb") as file:  # in one request
            s3.put_object(Bucket=BUCKET, Key="whole", Body=file)
        body = s3.get_object(Bucket=BUCKET, Key="whole")["Body"]
        whole = hashlib.sha256()
        for chunk in body.iter_chunks(MIB):
            whole.update(chunk)
        grown = peak(service) - before
        assert digest(tmp_path / "down") == whole.hexdigest() == digest(large)
        assert grown < ALLOWED, f"{grown / MIB:.0f} MiB more for an object of {SIZE / MIB:.0f} MiB"
        print(f"grown by {grown / MIB:.0f} MiB")
    (tmp_path / "down").unlink()
