# /// script
# requires-python = ">=3.11"
# dependencies = ["s3fs==2026.9.0"]
# ///
"""What programs do with s3fs, in an environment of its own: s3fs needs an older botocore than this repository has.

``s3fs_client.py BUCKET`` uses the endpoint and the keys of the environment, and raises where something is not as it
should be.
"""

from __future__ import annotations

import os
import sys
import tempfile
import urllib.request
from pathlib import Path

import s3fs

MIB = 1 << 20


def main(bucket: str) -> None:
    fs = s3fs.S3FileSystem(default_block_size=5 * MIB)
    fs.mkdir(bucket)
    assert bucket in fs.ls("")
    files(fs, bucket)
    folders(fs, bucket)
    details(fs, bucket)
    fs.rm(bucket, recursive=True)
    fs.invalidate_cache()
    assert not fs.exists(bucket)
    print("done")


def files(fs: s3fs.S3FileSystem, bucket: str) -> None:
    large = os.urandom(12 * MIB + 3)
    with fs.open(f"{bucket}/large", "wb") as file:  # in parts
        for start in range(0, len(large), MIB):
            file.write(large[start : start + MIB])
    assert fs.info(f"{bucket}/large")["size"] == len(large)
    with fs.open(f"{bucket}/large", "rb") as file:
        file.seek(6 * MIB - 10)
        assert file.read(20) == large[6 * MIB - 10 : 6 * MIB + 10]
    assert fs.cat_file(f"{bucket}/large") == large
    assert fs.cat_file(f"{bucket}/large", start=5, end=9) == large[5:9]
    fs.pipe_file(f"{bucket}/small é+%.txt", b"one\n")
    with fs.open(f"{bucket}/small é+%.txt", "a") as text:
        text.write("two\n")
    assert fs.cat_file(f"{bucket}/small é+%.txt") == b"one\ntwo\n"
    fs.touch(f"{bucket}/empty")
    assert fs.size(f"{bucket}/empty") == 0
    fs.copy(f"{bucket}/large", f"{bucket}/copy")
    fs.mv(f"{bucket}/copy", f"{bucket}/moved")
    assert not fs.exists(f"{bucket}/copy")
    assert fs.checksum(f"{bucket}/moved") is not None
    assert fs.cat_file(f"{bucket}/moved") == large
    try:
        fs.cat_file(f"{bucket}/none")
    except FileNotFoundError:
        pass
    else:
        raise AssertionError("a file that is not there was read")


def folders(fs: s3fs.S3FileSystem, bucket: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        for path in ("a.txt", "sub/b.txt", "sub/deep/c.txt"):
            (here / "up" / path).parent.mkdir(parents=True, exist_ok=True)
            (here / "up" / path).write_text(path)
        fs.put(f"{here}/up/", f"{bucket}/tree/", recursive=True)
        assert fs.find(f"{bucket}/tree") == [f"{bucket}/tree/{p}" for p in ("a.txt", "sub/b.txt", "sub/deep/c.txt")]
        assert sorted(fs.ls(f"{bucket}/tree", detail=False)) == [f"{bucket}/tree/a.txt", f"{bucket}/tree/sub"]
        assert fs.glob(f"{bucket}/tree/**/c.*") == [f"{bucket}/tree/sub/deep/c.txt"]
        assert [folder for folder, _, _ in fs.walk(f"{bucket}/tree")] == [
            f"{bucket}/tree{path}" for path in ("", "/sub", "/sub/deep")
        ]
        assert fs.isdir(f"{bucket}/tree/sub")
        assert fs.isfile(f"{bucket}/tree/a.txt")
        fs.get(f"{bucket}/tree/", f"{here}/down/", recursive=True)
        assert (here / "down/sub/deep/c.txt").read_text() == "sub/deep/c.txt"
    fs.rm(f"{bucket}/tree", recursive=True)
    assert not fs.exists(f"{bucket}/tree")


def details(fs: s3fs.S3FileSystem, bucket: str) -> None:
    path = f"{bucket}/described"
    with fs.open(path, "wb", ContentType="text/plain", Metadata={"k": "v"}) as file:
        file.write(b"described")
    assert (fs.metadata(path), fs.info(path)["ContentType"]) == ({"k": "v"}, "text/plain")
    fs.setxattr(path, copy_kwargs={"ContentType": "text/html"}, other="w")
    assert fs.getxattr(path, "other") == "w"
    fs.put_tags(path, {"tag": "value"})
    assert fs.get_tags(path) == {"tag": "value"}
    with urllib.request.urlopen(fs.url(path)) as answer:
        assert answer.read() == b"described"
    sealed = s3fs.S3FileSystem(s3_additional_kwargs={"ServerSideEncryption": "AES256"}, skip_instance_cache=True)
    sealed.pipe_file(f"{bucket}/sealed", b"sealed")
    answer = sealed.call_s3("head_object", Bucket=bucket, Key="sealed")
    assert answer["ServerSideEncryption"] == "AES256"
    assert sealed.cat_file(f"{bucket}/sealed") == b"sealed"


if __name__ == "__main__":
    main(sys.argv[1])
