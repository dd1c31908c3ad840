"""Encryption at rest: secrets in the database are sealed with a key that lives in a file of its own (mode 0600)."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken


class Secrets:
    """Seals and opens small texts (Fernet: AES-128-CBC with HMAC-SHA256)."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)
        self.key = key

    def seal(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """The text; RuntimeError where the key file is not the one that the text was sealed with."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as problem:
            raise RuntimeError("A secret in the database was sealed with another key than secret.key") from problem


def load_or_create(path: Path) -> Secrets:
    """The key of ``path``; made, durably, where there is none."""
    try:
        return Secrets(path.read_bytes().strip())
    except FileNotFoundError:
        key = Fernet.generate_key()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        return Secrets(key)
