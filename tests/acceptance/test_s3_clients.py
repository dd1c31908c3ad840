"""S3 with the clients that people use: the AWS CLI's ``s3`` commands, s3fs, obstore."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import urllib.request
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from tests import processes
from tests.services import RunningService

ROOT = Path(__file__).parent.parent.parent
UV = ROOT / ".uv" / "bin" / "uv"
S3FS = Path(__file__).parent / "clients" / "s3fs_client.py"
MIB = 1 << 20


def aws(service: RunningService, *arguments: str, code: int = 0) -> str:
    """What the AWS CLI (version 1, which pip installs) prints; its standard error where it is to fail."""
    environment = service.access.environment() | {"AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1"}
    done = processes.run(["aws", *arguments], environment, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr if code else done.stdout


def test_the_s3_commands_of_the_cli(service: RunningService, tmp_path: Path) -> None:
    bucket, source, back = "s3://cli-files", tmp_path / "up", tmp_path / "down"
    source.mkdir()
    large = os.urandom(20 * MIB)  # in parts, both ways
    (source / "large").write_bytes(large)
    for name in ("a.txt", "sub/b é.txt", "sub/c.log"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(name)
    aws(service, "s3", "mb", bucket)
    assert "cli-files" in aws(service, "s3", "ls")
    aws(service, "s3", "sync", str(source), f"{bucket}/tree", "--exclude", "*.log", "--quiet")
    listed = aws(service, "s3", "ls", f"{bucket}/tree/", "--recursive", "--summarize")
    assert [line.split(maxsplit=3)[3] for line in listed.splitlines() if "tree/" in line] == [
        "tree/a.txt",
        "tree/large",
        "tree/sub/b é.txt",
    ]
    assert "Total Objects: 3" in listed
    assert "PRE sub/" in aws(service, "s3", "ls", f"{bucket}/tree/")
    assert aws(service, "s3", "sync", str(source), f"{bucket}/tree", "--exclude", "*.log") == "", "nothing has changed"
    aws(service, "s3", "cp", f"{bucket}/tree/large", f"{bucket}/copy", "--sse", "AES256", "--quiet")
    aws(service, "s3", "cp", f"{bucket}/copy", str(back / "large"), "--quiet")
    assert (back / "large").read_bytes() == large
    aws(service, "s3", "mv", f"{bucket}/copy", f"{bucket}/moved", "--quiet")
    url = aws(service, "s3", "presign", f"{bucket}/moved", "--expires-in", "60").strip()
    with urllib.request.urlopen(url) as answer:
        assert hashlib.sha256(answer.read()).digest() == hashlib.sha256(large).digest()
    key = "arn:aws:kms:us-east-1:000000000000:key/mine"
    kms = ("--sse", "aws:kms", "--sse-kms-key-id", key)
    aws(service, "s3", "cp", str(source / "large"), f"{bucket}/kms", *kms, "--quiet")
    head = json.loads(aws(service, "s3api", "head-object", "--bucket", "cli-files", "--key", "kms"))
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"], head["ContentLength"]) == ("aws:kms", key, len(large))
    aws(service, "s3", "sync", f"{bucket}/tree", str(back / "tree"), "--quiet")
    assert (back / "tree/sub/b é.txt").read_text() == "sub/b é.txt"
    (source / "a.txt").unlink()
    gone = aws(service, "s3", "sync", str(source), f"{bucket}/tree", "--delete", "--exclude", "*.log")
    assert gone.strip() == "delete: s3://cli-files/tree/a.txt"
    assert "BucketNotEmpty" in aws(service, "s3", "rb", bucket, code=1)
    aws(service, "s3", "rm", f"{bucket}/tree", "--recursive", "--quiet")
    aws(service, "s3", "rb", bucket, "--force")
    assert "cli-files" not in aws(service, "s3", "ls")


def test_s3fs(service: RunningService) -> None:
    prepare = [str(UV), "sync", "--locked", "--script", str(S3FS)]
    if (
        not UV.exists()
        or subprocess.run([*prepare, "--offline", "--check"], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"the environment of s3fs is not there: {' '.join(prepare)}")
    run = [str(UV), "run", "--offline", "--locked", "--quiet", "--script", str(S3FS)]
    done = subprocess.run(
        [*run, "s3fs-files"],
        env=service.access.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_obstore(service: RunningService) -> None:
    found = service.access
    service.client("s3").create_bucket(Bucket="obstore-files")
    store = S3Store(
        "obstore-files",
        endpoint=found.endpoint,
        region="us-east-1",
        access_key_id=found.access_key_id,
        secret_access_key=found.secret_access_key,
        client_options={"allow_http": True, "timeout": timedelta(seconds=60)},
        config={"server_side_encryption": "aws:kms", "sse_kms_key_id": "mine", "checksum_algorithm": "SHA256"},
    )
    data = os.urandom(12 * MIB)
    made = obstore.put(store, "parts", data, chunk_size=5 * MIB)
    assert obstore.get(store, "parts").bytes() == data
    assert obstore.get_range(store, "parts", start=6 * MIB, end=6 * MIB + 9) == data[6 * MIB : 6 * MIB + 9]
    assert obstore.head(store, "parts")["e_tag"] == made["e_tag"]
    obstore.put(store, "a/small", b"small", mode="create")
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        obstore.put(store, "a/small", b"other", mode="create")
    obstore.copy(store, "a/small", "a/copy")
    obstore.rename(store, "a/copy", "b/moved")
    level = obstore.list_with_delimiter(store)
    assert ([o["path"] for o in level["objects"]], sorted(level["common_prefixes"])) == (["parts"], ["a", "b"])
    told = service.client("s3").head_object(Bucket="obstore-files", Key="a/small")
    assert told["ServerSideEncryption"] == "aws:kms"
    obstore.delete(store, ["parts", "a/small", "b/moved"])
    assert [entry for batch in obstore.list(store) for entry in batch] == []
