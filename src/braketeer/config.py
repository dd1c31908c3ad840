"""Every setting, with its default and its environment variable. Only server.py reads settings; the command line fills
them in."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import platformdirs

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 4747


def default_data_dir() -> Path:
    """``BRAKETEER_DATA_DIR``, or the platform's folder for a user's data."""
    return Path(os.environ.get("BRAKETEER_DATA_DIR") or platformdirs.user_data_dir("braketeer", appauthor=False))


def _setting(default: Any, variable: str) -> Any:
    return field(default=default, metadata={"variable": variable})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``braketeer serve`` can be told. An environment variable is read where the command line says nothing."""

    #: Address to listen on; anything but loopback needs ``insecure``.
    host: str = _setting(DEFAULT_HOST, "BRAKETEER_HOST")
    #: Port to listen on; 0 takes a free one.
    port: int = _setting(DEFAULT_PORT, "BRAKETEER_PORT")
    #: Where everything is kept: database, objects, job folders, keys.
    data_dir: Path = field(default_factory=default_data_dir)
    #: The base URL that jobs and links use, where it is not ``http://{host}:{port}``.
    public_url: str | None = _setting(None, "BRAKETEER_PUBLIC_URL")
    #: Makes sampling reproducible: the same program with the same shots gives the same samples.
    seed: int | None = _setting(None, "BRAKETEER_SEED")
    #: End running hybrid jobs when the service stops, instead of leaving them on.
    stop_jobs: bool = _setting(False, "BRAKETEER_STOP_JOBS")
    #: Listen on other addresses than loopback without TLS.
    insecure: bool = _setting(False, "BRAKETEER_INSECURE")
    #: Quantum tasks computed at once; 0 means as many as there are cores.
    task_slots: int = _setting(0, "BRAKETEER_TASK_SLOTS")
    #: Hybrid jobs run at once on simulators and local devices.
    job_slots: int = _setting(20, "BRAKETEER_JOB_SLOTS")
    #: Memory in GiB for all quantum tasks together; 0 means three quarters of the machine's.
    task_memory_gib: float = _setting(0.0, "BRAKETEER_TASK_MEMORY_GIB")
    #: The interpreter that runs hybrid jobs: an environment with the extra ``braketeer[jobs]``.
    job_python: str = _setting(sys.executable, "BRAKETEER_JOB_PYTHON")
    #: Seconds between SIGTERM and SIGKILL for a hybrid job that is over its time or cancelled.
    job_grace_seconds: float = _setting(30.0, "BRAKETEER_JOB_GRACE_SECONDS")
    #: ``auto`` takes bubblewrap where it works; ``bubblewrap`` insists on it; ``none`` runs plain processes.
    sandbox: str = _setting("auto", "BRAKETEER_SANDBOX")

    @classmethod
    def of(cls, **given: Any) -> Self:
        """Settings from what was given on the command line (None: not given), the environment, and defaults."""
        values = {name: value for name, value in given.items() if value is not None}
        for item in fields(cls):
            variable = item.metadata.get("variable", "")
            if item.name not in values and variable in os.environ:
                values[item.name] = _parse(item.default, os.environ[variable], variable)
        return cls(**values)


def _parse(default: Any, text: str, variable: str) -> Any:
    if isinstance(default, bool):
        return text.strip().lower() in ("1", "true", "yes", "on")
    try:
        if isinstance(default, int) or variable == "BRAKETEER_SEED":
            return int(text)
        return float(text) if isinstance(default, float) else text
    except ValueError as problem:
        raise ValueError(f"{variable} is '{text}', which is not a number") from problem
