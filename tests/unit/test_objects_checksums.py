"""Checksums of bodies: published check values, and that parts give what the whole gives."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braketeer.objects import checksums
from braketeer.objects.checksums import COMPOSITE, FULL_OBJECT, Digests

# The catalogue of parametrised CRC algorithms gives these for the text "123456789".
CHECK = {"CRC32": "cbf43926", "CRC32C": "e3069283", "CRC64NVME": "ae8b14860a799888"}


def value(algorithm: str, data: bytes) -> str:
    digests = Digests([algorithm])
    digests.update(data)
    return digests.values()[checksums.member(algorithm)]


@pytest.mark.parametrize("algorithm", CHECK)
def test_crcs_have_their_published_check_values(algorithm: str) -> None:
    assert base64.b64decode(value(algorithm, b"123456789")).hex() == CHECK[algorithm]


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA512", "MD5"])
def test_hashes_are_the_standard_ones(algorithm: str) -> None:
    assert base64.b64decode(value(algorithm, b"abc")) == hashlib.new(algorithm.lower(), b"abc").digest()


def test_xxhash_of_nothing_has_its_published_value() -> None:
    assert base64.b64decode(value("XXHASH64", b"")).hex() == "ef46db3751d8e999"
    assert base64.b64decode(value("XXHASH3", b"")).hex() == "2d06800538d394c2"
    assert base64.b64decode(value("XXHASH128", b"")).hex() == "99aa06d3014798d86001c324468d497f"


@given(st.sampled_from(checksums.algorithms()), st.lists(st.binary(max_size=200), max_size=6))
def test_pieces_give_what_the_whole_gives(algorithm: str, pieces: list[bytes]) -> None:
    digests = Digests([algorithm])
    for piece in pieces:
        digests.update(piece)
    whole = b"".join(pieces)
    assert digests.values() == {checksums.member(algorithm): value(algorithm, whole)}
    assert (digests.size, digests.etag()) == (len(whole), hashlib.md5(whole).hexdigest())
    assert digests.values() == digests.values(), "reading twice gives the same"


@given(st.sampled_from(list(CHECK)), st.lists(st.binary(max_size=200), min_size=1, max_size=6))
def test_full_object_checksum_of_parts_is_the_one_of_all_bytes(algorithm: str, parts: list[bytes]) -> None:
    name = checksums.member(algorithm)
    found = checksums.of_parts(algorithm, FULL_OBJECT, [({name: value(algorithm, part)}, len(part)) for part in parts])
    assert found == {name: value(algorithm, b"".join(parts)), "ChecksumType": FULL_OBJECT}


def test_composite_checksum_is_of_the_parts_checksums() -> None:
    parts = [b"one", b"two"]
    raw = b"".join(hashlib.sha256(part).digest() for part in parts)
    found = checksums.of_parts(
        "SHA256", COMPOSITE, [({"ChecksumSHA256": value("SHA256", part)}, len(part)) for part in parts]
    )
    expected = base64.b64encode(hashlib.sha256(raw).digest()).decode() + "-2"
    assert found == {"ChecksumSHA256": expected, "ChecksumType": COMPOSITE}


def test_etag_of_parts_is_the_md5_of_their_md5s() -> None:
    etags = [hashlib.md5(part).hexdigest() for part in (b"one", b"two", b"three")]
    joined = b"".join(hashlib.md5(part).digest() for part in (b"one", b"two", b"three"))
    assert checksums.etag_of_parts(etags) == hashlib.md5(joined).hexdigest() + "-3"


@pytest.mark.parametrize(
    ("algorithm", "asked", "given"),
    [
        ("CRC64NVME", None, FULL_OBJECT),
        ("CRC64NVME", COMPOSITE, None),
        ("CRC32", None, COMPOSITE),
        ("CRC32", FULL_OBJECT, FULL_OBJECT),
        ("SHA256", None, COMPOSITE),
        ("SHA256", FULL_OBJECT, None),
    ],
)
def test_which_types_an_algorithm_can_have(algorithm: str, asked: str | None, given: str | None) -> None:
    assert checksums.checksum_type(algorithm, asked) == given


@pytest.mark.parametrize("text", ["", "AAAA", "AAAAAA", "!!!!!!==", "AAAAAAA="])
def test_what_is_no_crc32(text: str) -> None:
    assert not checksums.is_well_formed("CRC32", text)


def test_what_is_a_crc32() -> None:
    assert checksums.is_well_formed("CRC32", "AAAAAA==")
