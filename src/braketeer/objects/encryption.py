"""Encryption of bodies at rest: AES-256-GCM, a data key for each body, sealed with a key of the account.

A body is encrypted in segments of 64 KiB, so that ranges and streams need no more memory than others. A segment's nonce
is its number and whether it is the last, which no two segments of a body share, and no two bodies share a key; so a
segment that is missing, moved or cut off is noticed. The name of its file is bound to every segment.
"""

from __future__ import annotations

import base64
import errno
import os
import secrets as randomness
from collections.abc import Callable
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection

from braketeer.domain.clock import Clock
from braketeer.domain.encryption import AES256, Encryption
from braketeer.domain.errors import ServiceError
from braketeer.objects.files import IncomingFile
from braketeer.store import buckets as bucket_rows
from braketeer.store import encryption_keys as rows
from braketeer.store.database import Database
from braketeer.store.encryption_keys import SealedKey
from braketeer.store.objects import Content, File
from braketeer.store.secrets import Secrets

SEGMENT = 64 << 10  # bytes; a body that is kept in its row is one segment
IN_ROW = ""  # the name that stands for a body in its row
MOST_NAMED_KEYS = 1000  # of an account; the one without a name comes on top
_MOST_OPENED = 1000
_TAG = 16
_NONCE = 12


class Keys:
    """The accounts' keys: sealed in the database, opened once and then remembered for a while. They never change."""

    def __init__(self, database: Database, secrets: Secrets, clock: Clock) -> None:
        self._database = database
        self._secrets = secrets
        self._clock = clock
        self._opened: dict[str, AESGCM] = {}

    async def named(
        self,
        account: str,
        algorithm: str,
        key_arn: str | None = None,
        *,
        bucket_key: bool = False,
        bucket: str | None = None,
    ) -> Encryption:
        """How objects of an account are encrypted under a name; the key is made when it is first named.

        ``bucket`` is whose objects they are to be, if that is known: it must be the account's, or no key is made.
        Raises NoSuchBucket, AccessDenied, KMS.LimitExceededException (400) where the account has too many keys.
        """
        name = key_arn or AES256

        def look(connection: Connection) -> SealedKey | None:
            if bucket is not None:
                bucket_rows.owned(connection, bucket, account)
            return rows.named(connection, account, name)

        found = await self._database.read(look)
        if found is None:
            text = base64.b64encode(AESGCM.generate_key(256)).decode()
            new = SealedKey(randomness.token_hex(16), self._secrets.seal(text))
            now = self._clock.now_ms()
            most = None if key_arn is None else MOST_NAMED_KEYS
            found = await self._database.write(lambda tx: rows.keep(tx.connection, account, name, new, now, most))
        if found is None:
            message = f"An account can have {MOST_NAMED_KEYS} keys: use one that has been named before"
            raise ServiceError(message, code="KMS.LimitExceededException")
        return Encryption(algorithm, found.id, key_arn, bucket_key)

    async def of(self, encryption: Encryption) -> Key:
        """The key itself."""
        cipher = self._opened.get(encryption.key_id)
        if cipher is None:
            sealed = await self._database.read(lambda connection: rows.with_id(connection, encryption.key_id))
            if sealed is None:
                raise RuntimeError(f"The encryption key {encryption.key_id} is missing from the database")
            cipher = AESGCM(base64.b64decode(self._secrets.open(sealed.secret)))
            while len(self._opened) >= _MOST_OPENED:
                del self._opened[next(iter(self._opened))]  # the one that was opened first
            self._opened[encryption.key_id] = cipher
        return Key(encryption, cipher)


@dataclass(frozen=True, slots=True)
class Key:
    """An account's key: makes data keys and opens them. A data key is bound to the name of the body it is for."""

    encryption: Encryption
    _cipher: AESGCM

    def new(self, name: str) -> Segments:
        """A new data key for the body of that name."""
        secret, nonce = AESGCM.generate_key(256), os.urandom(_NONCE)
        return Segments(AESGCM(secret), name, nonce + self._cipher.encrypt(nonce, secret, name.encode()))

    def open(self, data_key: bytes | None, name: str) -> Segments:
        """The data key with which that body was encrypted; OSError where it is not that body's."""
        sealed = data_key or b""
        secret = _intact(lambda: self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], name.encode()))
        return Segments(AESGCM(secret), name, sealed)

    def encrypted(self, content: Content) -> Content:
        """Content in a row, encrypted."""
        segments = self.new(IN_ROW)
        body = segments.encrypt(0, content.body or b"", last=True)
        return replace(content, body=body, encryption=self.encryption, data_key=segments.data_key)

    def body(self, content: Content) -> bytes:
        """The bytes of encrypted content in a row."""
        return self.open(content.data_key, IN_ROW).decrypt(0, content.body or b"", last=True)

    def read(self, file: File, offset: int, length: int, read: Callable[[str, int, int], bytes]) -> bytes:
        """Bytes of an encrypted file, whose segments ``read(name, offset, length)`` gets.

        OSError where one is not what was stored.
        """
        segments = self.open(file.data_key, file.name)
        first, behind = offset // SEGMENT, -(-(offset + length) // SEGMENT)
        count = max(1, -(-file.size // SEGMENT))
        end = file.size + count * _TAG if behind == count else behind * (SEGMENT + _TAG)
        start = first * (SEGMENT + _TAG)
        data = memoryview(read(file.name, start, end - start))
        pieces = []
        for number in range(first, behind):
            at = (number - first) * (SEGMENT + _TAG)
            pieces.append(segments.decrypt(number, data[at : at + SEGMENT + _TAG], last=number == count - 1))
        skipped = offset - first * SEGMENT
        return b"".join(pieces)[skipped : skipped + length]


@dataclass(frozen=True, slots=True)
class Segments:
    """Encrypts and decrypts the segments of one body. ``data_key`` is sealed."""

    _cipher: AESGCM
    _name: str
    data_key: bytes

    def encrypt(self, number: int, data: bytes | memoryview, *, last: bool) -> bytes:
        return self._cipher.encrypt(_nonce(number, last), data, self._name.encode())

    def decrypt(self, number: int, data: bytes | memoryview, *, last: bool) -> bytes:
        return _intact(lambda: self._cipher.decrypt(_nonce(number, last), data, self._name.encode()))


class EncryptedFile:
    """An incoming file whose bytes are encrypted on their way; to be used as IncomingFile is."""

    def __init__(self, file: IncomingFile, key: Key) -> None:
        self.name = file.name
        self._file = file
        self._segments = key.new(file.name)
        self.data_key: bytes | None = self._segments.data_key
        self._held = b""
        self._number = 0

    def write(self, data: bytes) -> None:
        """Append. Up to one segment is held back: which one is the last is known at the end."""
        held = memoryview(self._held + data)
        whole = max(0, len(held) - 1) // SEGMENT
        self._file.write(b"".join(self._next(held[at * SEGMENT : (at + 1) * SEGMENT]) for at in range(whole)))
        self._held = bytes(held[whole * SEGMENT :])

    def finish(self) -> None:
        self._file.write(self._next(self._held, last=True))
        self._file.finish()

    def discard(self) -> None:
        self._file.discard()

    def _next(self, data: bytes | memoryview, *, last: bool = False) -> bytes:
        number, self._number = self._number, self._number + 1
        return self._segments.encrypt(number, data, last=last)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(_NONCE - 1) + bytes([last])


def _intact(decrypt: Callable[[], bytes]) -> bytes:
    """What ``decrypt`` returns; a file that was tampered with is a broken file."""
    try:
        return decrypt()
    except (InvalidTag, ValueError) as problem:
        raise OSError(errno.EIO, "an encrypted body is not what was stored") from problem
