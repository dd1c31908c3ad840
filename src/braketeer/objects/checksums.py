"""Checksums of bodies: the ETag (MD5) and the additional checksums of S3, computed while the bytes pass by.

Names, encodings and what may be combined follow "Checking object integrity" in the S3 user guide and the members
``Checksum*`` of botocore's model: base64 of the big-endian value.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from awscrt import checksums as crt

COMPOSITE = "COMPOSITE"
FULL_OBJECT = "FULL_OBJECT"
DEFAULT_ALGORITHM = "CRC64NVME"  # what S3 adds when the client sends none


class _Running(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class Digests:
    """The size, the ETag and some checksums of the bytes given to ``update`` so far."""

    def __init__(self, algorithms: Iterable[str] = ()) -> None:
        self.size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._running: dict[str, _Running] = {name: _ALGORITHMS[name]() for name in algorithms}

    def update(self, data: bytes) -> None:
        self.size += len(data)
        self._md5.update(data)
        for running in self._running.values():
            running.update(data)

    def md5(self) -> bytes:
        return self._md5.digest()

    def etag(self) -> str:
        return self._md5.hexdigest()

    def values(self) -> dict[str, str]:
        """{"ChecksumCRC32": base64, ...} of the algorithms that were asked for."""
        return {member(name): _base64(running.digest()) for name, running in self._running.items()}


def is_algorithm(name: str) -> bool:
    return name in _ALGORITHMS


def algorithms() -> tuple[str, ...]:
    """Every algorithm's name, as in ``ChecksumAlgorithm``."""
    return tuple(_ALGORITHMS)


def member(algorithm: str) -> str:
    """``ChecksumCRC32`` for ``CRC32``: the member that carries it."""
    return f"Checksum{algorithm}"


def is_well_formed(algorithm: str, value: str) -> bool:
    """Whether ``value`` is base64 of as many bytes as the algorithm gives."""
    try:
        raw = base64.b64decode(value, validate=True)
    except ValueError:
        return False
    return len(raw) == len(_ALGORITHMS[algorithm]().digest())


def checksum_type(algorithm: str, asked: str | None) -> str | None:
    """The type of a multipart object's checksum, ``asked`` or S3's default; None where the two do not go together.

    CRC64NVME is only ever of the full object; other CRCs can be either; the rest only composite.
    """
    possible = {"CRC64NVME": (FULL_OBJECT,)}.get(
        algorithm, (COMPOSITE, FULL_OBJECT) if algorithm in _COMBINERS else (COMPOSITE,)
    )
    if asked is None:
        return possible[0]
    return asked if asked in possible else None


def of_parts(algorithm: str, kind: str, parts: Sequence[tuple[Mapping[str, str], int]]) -> dict[str, str]:
    """The checksum of an object put together from ``parts``, each (its checksums, its size), without its bytes.

    COMPOSITE: the checksum of the parts' checksums, with "-" and their number; FULL_OBJECT: the one of all bytes.
    """
    name = member(algorithm)
    raw = [base64.b64decode(checksums[name]) for checksums, _ in parts]
    if kind == COMPOSITE:
        running = _ALGORITHMS[algorithm]()
        for one in raw:
            running.update(one)
        return {name: f"{_base64(running.digest())}-{len(parts)}", "ChecksumType": COMPOSITE}
    combine = _COMBINERS[algorithm]
    value = int.from_bytes(raw[0])
    for one, (_, size) in zip(raw[1:], parts[1:], strict=True):
        value = combine(value, int.from_bytes(one), size)
    return {name: _base64(value.to_bytes(len(raw[0]))), "ChecksumType": FULL_OBJECT}


def etag_of_parts(etags: Sequence[str]) -> str:
    """S3's ETag of a multipart object: the MD5 of the parts' MD5s, with "-" and their number."""
    joined = b"".join(bytes.fromhex(etag) for etag in etags)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(etags)}"


class _Crc:
    def __init__(self, function: Callable[[bytes, int], int], width: int) -> None:
        self._function = function
        self._width = width
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width)


class _XXHash:
    """The library's object can be finished once only."""

    def __init__(self, new: Callable[[], crt.XXHash]) -> None:
        self._hash = new()
        self._digest: bytes | None = None

    def update(self, data: bytes) -> None:
        self._hash.update(data)

    def digest(self) -> bytes:
        if self._digest is None:
            self._digest = bytes(self._hash.finalize())
        return self._digest


_ALGORITHMS: dict[str, Callable[[], _Running]] = {
    "CRC32": lambda: _Crc(crt.crc32, 4),
    "CRC32C": lambda: _Crc(crt.crc32c, 4),
    "CRC64NVME": lambda: _Crc(crt.crc64nvme, 8),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "XXHASH64": lambda: _XXHash(crt.XXHash.new_xxhash64),
    "XXHASH3": lambda: _XXHash(crt.XXHash.new_xxhash3_64),
    "XXHASH128": lambda: _XXHash(crt.XXHash.new_xxhash3_128),
}
_COMBINERS: dict[str, Callable[[int, int, int], int]] = {
    "CRC32": crt.combine_crc32,
    "CRC32C": crt.combine_crc32c,
    "CRC64NVME": crt.combine_crc64nvme,
}


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
