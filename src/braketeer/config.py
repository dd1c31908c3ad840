"""Every setting, with its default, its environment variable and what it may be. Only server.py reads settings; the
command line fills them in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import platformdirs

from braketeer.domain import throttling
from braketeer.domain.throttling import Limits

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 4747
SANDBOXES = ("auto", "bubblewrap", "none")
CLOCKS = ("real", "virtual")
ENGINES = ("auto", "prism", "lightning", "dense")
NETWORKS = ("auto", "own", "shared")
ASK_SECONDS = 60

_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class SettingError(ValueError):
    """A setting that cannot be. The text names its variable, says what it is and what it may be, in one line."""


def default_data_dir() -> Path:
    """``BRAKETEER_DATA_DIR``, or the platform's folder for a user's data; always absolute."""
    named = os.environ.get("BRAKETEER_DATA_DIR")
    return Path(named or platformdirs.user_data_dir("braketeer", appauthor=False)).absolute()


def _setting(default: Any, variable: str, kind: type = str) -> Any:
    return field(default=default, metadata={"variable": variable, "kind": kind})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``braketeer serve`` can be told. An environment variable is read where the command line says nothing; an
    empty one counts as not set.

    Whoever makes one gets SettingError for a value out of range; paths are absolute afterwards.
    """

    #: Address to listen on; anything but loopback needs ``insecure``.
    host: str = _setting(DEFAULT_HOST, "BRAKETEER_HOST")
    #: Port to listen on; 0 takes a free one.
    port: int = _setting(DEFAULT_PORT, "BRAKETEER_PORT", int)
    #: Where everything is kept: database, objects, job folders, keys.
    data_dir: Path = field(default_factory=default_data_dir, metadata={"variable": "BRAKETEER_DATA_DIR", "kind": Path})
    #: Where rows are kept: a PostgreSQL URL; without one, SQLite in ``data_dir``. It may hold a password.
    database: str | None = field(default=None, repr=False, metadata={"variable": "BRAKETEER_DATABASE", "kind": str})
    #: The base URL that jobs and links use, where it is not ``http://{host}:{port}``.
    public_url: str | None = _setting(None, "BRAKETEER_PUBLIC_URL")
    #: ``virtual`` makes service time one that ``braketeer clock advance`` can move ahead.
    clock: str = _setting("real", "BRAKETEER_CLOCK")
    #: Makes sampling reproducible: the same program with the same shots gives the same samples.
    seed: int | None = _setting(None, "BRAKETEER_SEED", int)
    #: End running hybrid jobs when the service stops, instead of leaving them on.
    stop_jobs: bool = _setting(False, "BRAKETEER_STOP_JOBS", bool)
    #: Listen on other addresses than loopback without TLS.
    insecure: bool = _setting(False, "BRAKETEER_INSECURE", bool)
    #: Quantum tasks computed at once; 0 means as many as there are cores.
    task_slots: int = _setting(0, "BRAKETEER_TASK_SLOTS", int)
    #: Hybrid jobs run at once on simulators and local devices.
    job_slots: int = _setting(20, "BRAKETEER_JOB_SLOTS", int)
    #: Memory in GiB for all quantum tasks together; 0 means three quarters of the machine's.
    task_memory_gib: float = _setting(0.0, "BRAKETEER_TASK_MEMORY_GIB", float)
    #: Whether emulated QPUs err as their capability documents say; without it they compute exactly.
    qpu_noise: bool = _setting(True, "BRAKETEER_QPU_NOISE", bool)
    #: What computes state vectors: one of ENGINES; ``auto`` takes the fastest that is there.
    engine: str = _setting("auto", "BRAKETEER_ENGINE")
    #: Of several services on one database: seconds after which the others take over the work of one that is gone.
    lease_seconds: float = _setting(60.0, "BRAKETEER_LEASE_SECONDS", float)
    #: Accounts take turns in the queues of simulators, instead of waiting in the order of arrival.
    fair_share: bool = _setting(False, "BRAKETEER_FAIR_SHARE", bool)
    #: The interpreter that runs hybrid jobs: an environment with the extra ``braketeer[jobs]``.
    job_python: str = _setting(sys.executable, "BRAKETEER_JOB_PYTHON")
    #: Further interpreters for jobs of clients on another Python: ``/path/to/python3.12,/path/to/python3.13``.
    job_pythons: str = _setting("", "BRAKETEER_JOB_PYTHONS")
    #: Interpreters that stand for images: ``*/my-image:*=/path/to/python``, several with commas between.
    job_images: str = _setting("", "BRAKETEER_JOB_IMAGES")
    #: Seconds that installing a job's requirements.txt may take.
    job_install_seconds: float = _setting(600.0, "BRAKETEER_JOB_INSTALL_SECONDS", float)
    #: ``own``: a job reaches nothing but this service; ``shared``: all that the machine does; ``auto``: own where there
    #: are several accounts and it can be done.
    job_network: str = _setting("auto", "BRAKETEER_JOB_NETWORK")
    #: Take hybrid jobs of several accounts though no sandbox works: each can read what the service can.
    allow_unsandboxed: bool = _setting(False, "BRAKETEER_ALLOW_UNSANDBOXED", bool)
    #: Seconds between SIGTERM and SIGKILL for a hybrid job that is over its time or cancelled.
    job_grace_seconds: float = _setting(30.0, "BRAKETEER_JOB_GRACE_SECONDS", float)
    #: ``auto`` takes bubblewrap where it works; ``bubblewrap`` insists on it; ``none`` runs plain processes.
    sandbox: str = _setting("auto", "BRAKETEER_SANDBOX")

    #: A TOML file of what devices and job instances cost (docs/costs.md).
    prices: Path | None = field(default=None, metadata={"variable": "BRAKETEER_PRICES", "kind": Path})
    #: Limits on how often operations are called: ``off``, ``braket`` for Braket's own, or a TOML file's.
    throttle: str = _setting("off", "BRAKETEER_THROTTLE")

    #: Quantum tasks that an account may have queued, where it has no quota of its own; 0 means no limit.
    quota_tasks_queued: int = _setting(0, "BRAKETEER_QUOTA_TASKS_QUEUED", int)
    #: Hybrid jobs of an account that have not ended; 0 means no limit.
    quota_jobs_running: int = _setting(0, "BRAKETEER_QUOTA_JOBS_RUNNING", int)
    #: Bytes that an account may store; 0 means no limit.
    quota_storage_bytes: int = _setting(0, "BRAKETEER_QUOTA_STORAGE_BYTES", int)
    #: Lets an operator forget all work and all objects with one call; meant for the services that tests start.
    allow_reset: bool = _setting(False, "BRAKETEER_ALLOW_RESET", bool)
    #: Days that lines of the audit are kept; 0 means for ever.
    audit_days: int = _setting(400, "BRAKETEER_AUDIT_DAYS", int)

    @classmethod
    def of(cls, **given: Any) -> Self:
        """Settings from what was given on the command line (None: not given), the environment, and defaults."""
        values = {name: value for name, value in given.items() if value is not None}
        for item in fields(cls):
            text = os.environ.get(item.metadata["variable"], "").strip()
            if item.name not in values and text:
                values[item.name] = _parse(item.metadata["kind"], text, item.metadata["variable"])
        return cls(**values)

    def __post_init__(self) -> None:
        self._must_lie("port", 0, 65535)
        self._must_lie("task_slots", 0, 1024)
        self._must_lie("job_slots", 1, 1024)
        self._must_lie("task_memory_gib", 0, 2**20)
        self._must_lie("job_grace_seconds", 0, 3600)
        self._must_lie("job_install_seconds", 1, 86_400)
        self._must_lie("lease_seconds", 2, 3600)
        for quota in ("quota_tasks_queued", "quota_jobs_running", "quota_storage_bytes"):
            self._must_lie(quota, 0, 2**62)
        self._must_lie("audit_days", 0, 36_500)
        if not _can_be_a_host(self.host):
            raise self._wrong("host", "an address or the name of a host")
        if self.database is not None and not _is_postgresql(self.database):
            shape = "postgresql://user:password@host/name"
            raise SettingError(f"database (BRAKETEER_DATABASE) must be a PostgreSQL URL such as {shape}")
        if self.sandbox not in SANDBOXES:
            raise self._wrong("sandbox", f"one of {', '.join(SANDBOXES)}")
        if self.clock not in CLOCKS:
            raise self._wrong("clock", f"one of {', '.join(CLOCKS)}")
        if self.engine not in ENGINES:
            raise self._wrong("engine", f"one of {', '.join(ENGINES)}")
        if self.job_network not in NETWORKS:
            raise self._wrong("job_network", f"one of {', '.join(NETWORKS)}")
        if self.public_url is not None:
            object.__setattr__(self, "public_url", self.public_url.rstrip("/"))
            if not _is_web_address(self.public_url):
                raise self._wrong("public_url", "an http or https address such as http://host:4747")
        object.__setattr__(self, "data_dir", self.data_dir.absolute())
        if self.prices is not None:
            object.__setattr__(self, "prices", self.prices.absolute())
        python = shutil.which(self.job_python)
        if python is None:
            raise self._wrong("job_python", "the path of a Python interpreter that can be run")
        # Not resolved: a virtual environment is known by the link that its interpreter is.
        object.__setattr__(self, "job_python", str(Path(python).absolute()))

    def _must_lie(self, name: str, least: float, most: float) -> None:
        if not least <= getattr(self, name) <= most:  # not a number is neither
            raise self._wrong(name, f"from {least} to {most}")

    def _wrong(self, name: str, possible: str) -> SettingError:
        variable = next(item.metadata["variable"] for item in fields(self) if item.name == name)
        return SettingError(f"{name} ({variable}) is '{getattr(self, name)}'; it must be {possible}")


def further_pythons(settings: Settings) -> dict[int, str]:
    """The interpreters of ``job_pythons`` by version: the 12 of Python 3.12. SettingError for one that is none."""
    return {python_minor(python): python for python in map(_interpreter, _items(settings.job_pythons))}


def image_pythons(settings: Settings) -> dict[str, str]:
    """The interpreters of ``job_images`` by the pattern of an image's address. SettingError for one that is none."""
    found = {}
    for item in _items(settings.job_images):
        pattern, equals, python = item.rpartition("=")
        if not equals or not pattern:
            raise SettingError(f"job_images (BRAKETEER_JOB_IMAGES): '{item}' is not of the form IMAGE=/path/to/python")
        found[pattern] = _interpreter(python)
        python_minor(found[pattern])
    return found


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _interpreter(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SettingError(f"'{name}' is not the path of a Python interpreter that can be run")
    return str(Path(found).absolute())


@lru_cache(maxsize=8)
def python_minor(python: str) -> int:
    """The 11 of Python 3.11 of the interpreter ``Settings.job_python``; another one than this is asked, once.

    SettingError where it does not answer as Python 3 does.
    """
    if python == sys.executable:
        return sys.version_info.minor
    question = "import sys; print('python', *sys.version_info[:2])"
    try:
        told = subprocess.run(
            [python, "-I", "-c", question], capture_output=True, text=True, check=True, timeout=ASK_SECONDS
        ).stdout.split()
    except (OSError, ValueError, subprocess.SubprocessError) as problem:
        raise SettingError(f"job_python (BRAKETEER_JOB_PYTHON) '{python}' cannot be asked: {problem}") from problem
    if told[:2] != ["python", "3"]:
        raise SettingError(f"job_python (BRAKETEER_JOB_PYTHON) '{python}' does not answer as Python 3 does")
    return int(told[2])


def throttle_limits(throttle: str) -> Limits | None:
    """The limits that ``Settings.throttle`` asks for; None for none. SettingError where its file does not say them."""
    if throttle == "off":
        return None
    if throttle == "braket":
        return throttling.BRAKET
    wrong = f"throttle (BRAKETEER_THROTTLE) is '{throttle}'; it must be off, braket or the path of a TOML file"
    try:
        limits = throttling.limits_of(tomllib.loads(Path(throttle).read_text()))
    except (OSError, ValueError) as problem:
        raise SettingError(f"{wrong}: {problem}") from problem
    for name in limits:
        service, _, operation = name.partition(":")
        known = _operations(service)
        if not known or operation not in {throttling.ALL, *known}:
            raise SettingError(f"{wrong}: there is no operation {name}")
    return limits


@cache
def _operations(service: str) -> Collection[str]:
    """The operations of an AWS service; none for a service that botocore does not know."""
    from botocore.exceptions import UnknownServiceError  # noqa: PLC0415 - the command line would wait for it each time
    from botocore.loaders import Loader  # noqa: PLC0415

    try:
        document: dict[str, Any] = Loader().load_service_model(service, "service-2")
    except UnknownServiceError:
        return ()
    return frozenset(document["operations"])


def _parse(kind: type, text: str, variable: str) -> Any:
    if kind is bool:
        if text.lower() not in _WORDS:
            raise SettingError(f"{variable} is '{text}'; it must be one of {', '.join(_WORDS)}")
        return _WORDS[text.lower()]
    try:
        return kind(text)
    except ValueError as problem:
        what = "a whole number" if kind is int else "a number"
        raise SettingError(f"{variable} is '{text}'; it must be {what}") from problem


def _can_be_a_host(text: str) -> bool:
    try:
        return bool(text.encode("idna"))
    except UnicodeError:  # an empty label, or one that is too long
        return False


def _is_postgresql(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("postgresql", "postgres", "postgresql+psycopg") and (parts.port or 1) > 0
    except ValueError:
        return False


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket too many
        return False
