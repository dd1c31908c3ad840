"""Encrypted bodies: what was stored is read, whatever its size and wherever one begins; nothing else is."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from braketeer.domain.encryption import AES256, Encryption, ForeignKey, kms_key_arn
from braketeer.objects.encryption import SEGMENT, EncryptedFile, Key
from braketeer.objects.files import Files
from braketeer.store.objects import Content, File

KEY = Key(Encryption(AES256, "key-1"), AESGCM(bytes(32)))
OTHER = Key(Encryption(AES256, "key-2"), AESGCM(bytes(31) + b"1"))


def stored(files: Files, data: bytes, piece: int = 100_000) -> File:
    incoming = EncryptedFile(files.begin(), KEY)
    for start in range(0, max(len(data), 1), piece):
        incoming.write(data[start : start + piece])
    incoming.finish()
    return File(incoming.name, len(data), incoming.data_key)


@pytest.mark.parametrize("size", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 5 * SEGMENT + 17])
def test_every_range_of_a_file(tmp_path: Path, size: int) -> None:
    files, data = Files(tmp_path / "objects"), random.Random(size).randbytes(size)
    file = stored(files, data, random.Random(size).choice([1000, SEGMENT, 100_000]))
    on_disk = files.path(file.name).read_bytes()
    assert len(on_disk) == size + 16 * max(1, -(-size // SEGMENT))
    assert size < 64 or data[:64] not in on_disk
    chance = random.Random(1)
    starts = {0, size // 2, max(size - 1, 0), min(SEGMENT, size), *(chance.randrange(size + 1) for _ in range(10))}
    for start in starts:
        for length in {0, 1, SEGMENT, size - start, chance.randrange(size - start + 1)}:
            if start + length <= size and length:
                assert KEY.read(file, start, length, files.read) == data[start : start + length]
    assert KEY.read(file, 0, size, files.read) == data


@pytest.mark.parametrize("change", ["a bit", "a segment moved", "cut off", "another file", "another key", "longer"])
def test_what_was_changed_is_not_read(tmp_path: Path, change: str) -> None:
    files = Files(tmp_path / "objects")
    data = random.Random(2).randbytes(3 * SEGMENT)
    file, key = stored(files, data), KEY
    path = files.path(file.name)
    raw = bytearray(path.read_bytes())
    step = SEGMENT + 16
    match change:
        case "a bit":
            raw[step + 5] ^= 1
        case "a segment moved":
            raw[:step], raw[step : 2 * step] = raw[step : 2 * step], raw[:step]
        case "cut off":
            del raw[2 * step :]
            file = replace(file, size=2 * SEGMENT)
        case "another file":
            file = replace(file, data_key=stored(files, data).data_key)
        case "another key":
            key = OTHER
        case "longer":
            raw += raw[2 * step :]
            file = replace(file, size=4 * SEGMENT)
    path.write_bytes(raw)
    with pytest.raises(OSError, match="not what was stored"):
        key.read(file, 0, file.size, files.read)


def test_bodies_in_rows() -> None:
    plain = Content(5, "etag", {}, b"plain")
    sealed = KEY.encrypted(plain)
    assert sealed.body is not None
    assert b"plain" not in sealed.body
    assert (sealed.encryption, KEY.body(sealed)) == (KEY.encryption, b"plain")
    again = KEY.encrypted(plain)
    assert again.body != sealed.body, "each body has a key of its own"
    with pytest.raises(OSError):
        KEY.body(replace(sealed, data_key=again.data_key))
    with pytest.raises(OSError):
        KEY.body(replace(sealed, data_key=None))


def test_names_of_keys() -> None:
    arn = "arn:aws:kms:eu-west-2:000000000000:key/12"
    assert kms_key_arn(arn, "000000000000", "us-east-1") == arn
    assert kms_key_arn("12-ab", "000000000000", "us-east-1") == "arn:aws:kms:us-east-1:000000000000:key/12-ab"
    assert kms_key_arn("alias/mine", "000000000000", "us-east-1") == "arn:aws:kms:us-east-1:000000000000:alias/mine"
    with pytest.raises(ForeignKey):
        kms_key_arn(arn, "111111111111", "us-east-1")
    for wrong in (
        "",
        "a b",
        "arn:aws:kms:eu-west-2:000000000000:grant/1",
        "arn:aws:iam::000000000000:role/x",
        "\0",
        "x" * 400,
    ):
        with pytest.raises(ValueError, match="neither"):
            kms_key_arn(wrong, "000000000000", "us-east-1")
