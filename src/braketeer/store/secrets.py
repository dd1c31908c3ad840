"""Encryption at rest: secrets in the database are sealed with a key that lives in a file of its own (mode 0600)."""

from __future__ import annotations

import contextlib
import os
import tempfile
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


def load_or_create(path: Path, *, may_create: bool) -> Secrets:
    """The key of ``path``; made, durably, where there is none and nothing is sealed with one yet (``may_create``).

    RuntimeError where the key is missing though it may not be made, or is no key. An empty file counts as none:
    nothing was ever sealed with it.
    """
    found = _read(path)
    if not found:
        if not may_create:
            state = "is missing" if found is None else "is empty"
            raise RuntimeError(f"{path} {state}, and what the database holds cannot be read without it: restore it")
        if found is not None:
            path.unlink()
        _write_new(path, Fernet.generate_key())
        found = path.read_bytes().strip()
    try:
        return Secrets(found)
    except ValueError as problem:
        raise RuntimeError(f"{path} holds no key: restore it from a backup") from problem


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes().strip()
    except FileNotFoundError:
        return None


def _write_new(path: Path, key: bytes) -> None:
    """Durable when it returns, complete or not there at any instant; a file that is there already stays."""
    descriptor, temporary = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # readable by its owner only
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
