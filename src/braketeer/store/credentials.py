"""The file from which ``braketeer env`` takes keys: one for each account, by its name, for its owner's eyes only."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from braketeer.domain.accounts import AccessKey


class Credentials:
    """``credentials.json``, changed by whoever shares the data directory, one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def exists(self) -> bool:
        return self._path.exists()

    def add(self, keys: Mapping[str, AccessKey], *, replace: bool = True) -> None:
        """Keep these keys by the names of their accounts; without ``replace`` only where an account has none yet."""
        entries = {name: _entry(key) for name, key in keys.items()}
        self._change(lambda kept: {**kept, **entries} if replace else {**entries, **kept})

    def forget(self, key_ids: Iterable[str], instead: AccessKey | None = None) -> None:
        """Take out keys that have ended; ``instead`` takes the place of the one of its own account."""
        ended = set(key_ids)

        def change(kept: dict[str, Any]) -> dict[str, Any]:
            lost = {name: key for name, key in kept.items() if key.get("access_key_id") in ended}
            changed = {name: key for name, key in kept.items() if name not in lost}
            if instead is not None:
                changed |= {
                    name: _entry(instead) for name, key in lost.items() if key.get("account") == instead.account
                }
            return changed

        self._change(change)

    def _change(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        with _alone(self._path.with_name(f"{self._path.name}.lock")):
            kept = _read(self._path)
            if (changed := change(kept)) != kept:
                write_private(self._path, changed)


def write_private(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that only the owner may read, durably, complete or not at all."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _entry(key: AccessKey) -> dict[str, Any]:
    return {"account": key.account, "access_key_id": key.id, "secret_access_key": key.secret}


def _read(path: Path) -> dict[str, Any]:
    """What is there; a file that cannot be read as credentials is kept aside, not overwritten."""
    try:
        content = json.loads(path.read_bytes())
        if isinstance(content, dict) and all(isinstance(key, dict) for key in content.values()):
            return content
    except FileNotFoundError:
        return {}
    except ValueError:
        pass
    path.replace(path.with_name(f"{path.name}.unreadable"))
    return {}


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One after the other, over all processes of the data directory."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
