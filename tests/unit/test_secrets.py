"""The key that secrets in the database are sealed with: made once, complete or not at all, never replaced."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from braketeer.store.secrets import load_or_create


def test_the_key_is_made_once_and_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    sealed = load_or_create(path, may_create=True).seal("text")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert load_or_create(path, may_create=False).open(sealed) == "text"


@pytest.mark.parametrize("content", [None, b"", b"\n"])
def test_a_lost_key_is_not_replaced_beside_a_database(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "secret.key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RuntimeError, match=r"secret\.key .*restore it"):
        load_or_create(path, may_create=False)
    assert (path.read_bytes() if path.exists() else None) == content


def test_an_empty_key_that_sealed_nothing_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.touch()
    sealed = load_or_create(path, may_create=True).seal("text")
    assert load_or_create(path, may_create=False).open(sealed) == "text"


def test_a_broken_key_says_so(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(b"not a key")
    with pytest.raises(RuntimeError, match=r"secret\.key holds no key"):
        load_or_create(path, may_create=True)
    assert path.read_bytes() == b"not a key"


@pytest.mark.parametrize("deadly", ["os.fsync", "os.link"])
def test_kill_9_leaves_a_key_or_none(tmp_path: Path, deadly: str) -> None:
    path = tmp_path / "secret.key"
    program = f"""
import os
from pathlib import Path
from braketeer.store.secrets import load_or_create
{deadly} = lambda *_: os.kill(os.getpid(), {int(signal.SIGKILL)})
load_or_create(Path({str(path)!r}), may_create=True)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert not path.exists()
    sealed = load_or_create(path, may_create=True).seal("text")
    assert load_or_create(path, may_create=False).open(sealed) == "text"


def test_the_folder_is_on_disk_before_the_key_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    load_or_create(tmp_path / "secret.key", may_create=True)
    assert synced == [(tmp_path / "secret.key").stat().st_ino, tmp_path.stat().st_ino]


def test_whoever_comes_second_takes_the_first_ones_key(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    keys: list[bytes] = []
    together = threading.Barrier(8)

    def make() -> None:
        together.wait()
        keys.append(load_or_create(path, may_create=True).key)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert set(keys) == {path.read_bytes()}
