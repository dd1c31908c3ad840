"""A temporary PostgreSQL server for tests: the machine's own binaries, a private folder, a socket of its own.

It is as fast as it can be, not durable, and collates as a language does, so that keys which must be compared by their
bytes are seen to be.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg

from braketeer.store import migrations
from braketeer.store.tables import metadata

_FOLDERS, _PREFIX = Path("/tmp"), "braketeer-pg-"  # short: a socket's path has at most 107 characters
_EMPTY = ";".join(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables))
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "logging_collector": "off",
    "log_min_messages": "fatal",
}


class Cluster:
    """A server that runs; each test has a database to itself."""

    def __init__(self, folder: Path, server: subprocess.Popen[bytes]) -> None:
        self._folder = folder
        self._server = server
        self._made = 0
        self._free: list[str] = []
        self._wait_until_ready()
        self._admin = psycopg.connect(self._address("postgres"), autocommit=True)

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database with the newest schema. It is emptied and lent again: that is ten times faster
        than to make one. So the schema stays as it is."""
        if not self._free:
            self._free.append(self._new())
            migrations.upgrade(self._address(self._free[-1]))
        name = self._free.pop()
        yield self._address(name)
        with psycopg.connect(self._address(name), autocommit=True) as connection:
            self.interrupt(self._address(name), but=connection.info.backend_pid)
            connection.execute(_EMPTY)
        self._free.append(name)

    @contextlib.contextmanager
    def new_database(self, options: str = "") -> Iterator[str]:
        """The URL of a new database without a schema; it is dropped again."""
        name = self._new(options)
        try:
            yield self._address(name)
        finally:
            self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def interrupt(self, url: str, but: int = 0) -> None:
        """End the connections to a database, as a server does that is restarted."""
        name = urlsplit(url).path.strip("/")
        ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s AND pid <> %s"
        self._admin.execute(ended, [name, but])

    def _new(self, options: str = "") -> str:
        self._made += 1
        name = f"test_{self._made}"
        self._admin.execute(f"CREATE DATABASE {name} {options}")
        return name

    def close(self) -> None:
        self._admin.close()

    def _address(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            assert self._server.poll() is None, (self._folder / "server.log").read_text()
            try:
                psycopg.connect(self._address("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self._folder / "server.log").read_text()
                time.sleep(0.02)
            else:
                return


def binaries() -> Path | None:
    """The folder of ``initdb`` and ``postgres``, the newest if there are several."""
    # Distributions keep them away from the PATH, a folder a version.
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    found = shutil.which("initdb", path=os.pathsep.join([os.defpath, os.environ["PATH"], *map(str, folders[::-1])]))
    return None if found is None or not Path(found).with_name("postgres").exists() else Path(found).parent


@contextlib.contextmanager
def cluster(programs: Path) -> Iterator[Cluster]:
    """A server from ``initdb`` to its end, which comes too if this process is killed."""
    for left in _FOLDERS.glob(f"{_PREFIX}*-*"):
        if not psutil.pid_exists(int(left.name.removeprefix(_PREFIX).partition("-")[0])):
            shutil.rmtree(left, ignore_errors=True)  # of a test run that was killed
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_FOLDERS))
    user = _unprivileged()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    options: Any = {"cwd": folder}
    if user is not None:
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data = folder / "data"
    server: subprocess.Popen[bytes] | None = None
    try:
        _make(programs / "initdb", data, options)
        command = [programs / "postgres", "-D", data, "-k", folder]
        command += [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        if (setpriv := shutil.which("setpriv")) is not None:
            command = [setpriv, "--pdeathsig", "QUIT", *command]
        with (folder / "server.log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **options)
        running = Cluster(folder, server)
        try:
            yield running
        finally:
            running.close()
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # ends connections, then itself
            server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _make(initdb: Path, data: Path, options: Any) -> None:
    command = [initdb, "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
    for locale in (["--locale-provider=icu", "--icu-locale=en-US"], []):  # not before 15, nor in every build
        done = subprocess.run([*command, *locale], check=False, capture_output=True, text=True, **options)
        if done.returncode == 0:
            return
    raise AssertionError(done.stderr)


def _unprivileged() -> pwd.struct_passwd | None:
    """Whose the server is to be where this process is root's, which PostgreSQL refuses; None: our own."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None
