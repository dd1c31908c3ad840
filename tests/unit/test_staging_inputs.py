from __future__ import annotations

import pytest

from braketeer.domain.s3_places import Place
from braketeer.work.job_settings import is_built_in
from braketeer.work.staging import channel_paths


@pytest.mark.parametrize(
    ("prefix", "keys", "paths"),
    [
        ("a/data.csv", ["a/data.csv"], ["data.csv"]),
        ("data.csv", ["data.csv"], ["data.csv"]),
        ("a/in", ["a/in/x", "a/in/y/z"], ["x", "y/z"]),
        ("a/in/", ["a/in/", "a/in/x"], [None, "x"]),
        ("a/in", ["a/in", "a/in/x", "a/in2"], ["in", "in/x", "in2"]),
        ("a/part-", ["a/part-1", "a/part-2/c"], ["part-1", "part-2/c"]),
        ("", ["x", "y/z"], ["x", "y/z"]),
        ("a/in", ["a/in/", "a/in/x"], [None, "x"]),
    ],
)
def test_where_the_keys_of_a_channel_go(prefix: str, keys: list[str], paths: list[str | None]) -> None:
    expected = {key: path for key, path in zip(keys, paths, strict=True) if path is not None}
    assert channel_paths(prefix, keys) == expected


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://bucket/a/b", Place("bucket", "a/b")),
        ("s3://bucket", Place("bucket", "")),
        ("s3://bucket//a/", Place("bucket", "/a/")),
        ("s3://bucket/a?b#c%20", Place("bucket", "a?b#c%20")),
        ("https://bucket.s3.eu-west-2.amazonaws.com/a/b", Place("bucket", "a/b")),
        ("https://s3.amazonaws.com/bucket/a", Place("bucket", "a")),
        ("https://s3.eu-west-2.amazonaws.com/bucket/a/b", Place("bucket", "a/b")),
        ("https://my.s3.bucket.s3-eu-west-2.amazonaws.com/a?versionId=1", Place("my.s3.bucket", "a")),
        ("https://127.0.0.1:4747/bucket/a", Place("bucket", "a")),
        ("s3://bucket/a\nb", Place("bucket", "a\nb")),
    ],
)
def test_addresses_of_s3(uri: str, place: Place) -> None:
    assert Place.parse(uri) == place


@pytest.mark.parametrize(
    "uri", ["", "s3://", "http://bucket/a", "bucket/a", "file:///etc/passwd", "https://host", "https://["]
)
def test_what_is_no_address_of_s3(uri: str) -> None:
    with pytest.raises(ValueError, match="no address of S3"):
        Place.parse(uri)


def test_a_place_is_shown_without_what_cannot_be_printed() -> None:
    assert str(Place("bucket", "a\nb/caf\udce9/ü")) == "s3://bucket/a\\nb/caf\\udce9/ü"


def test_amazons_images_and_no_others_are_the_local_environment() -> None:
    for kind in ("base", "pytorch", "tensorflow", "cudaq"):
        image = f"292282985366.dkr.ecr.us-west-2.amazonaws.com/amazon-braket-{kind}-jobs:latest"
        assert is_built_in(image)
    assert is_built_in("1.dkr.ecr.us-west-2.amazonaws.com/amazon-braket-base-jobs@sha256:00ff")
    assert not is_built_in("292282985366.dkr.ecr.us-west-2.amazonaws.com/my-image:latest")
