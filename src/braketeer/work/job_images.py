"""Container images of users' own, run by podman or docker where one of them works."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from braketeer.work.job_folder import HostFolder, JobFolder, JobSpec

PROBE_SECONDS = 10.0
ENGINE_SECONDS = 60.0
_NAMES = ("podman", "docker")


@dataclass(frozen=True, slots=True)
class Engine:
    """``path`` is the program; ``reason`` tells why there is none where it is empty."""

    path: str
    reason: str = ""


@lru_cache(maxsize=1)
def find_engine() -> Engine:
    """The first of podman and docker that answers, asked once."""
    problems = []
    for name in _NAMES:
        path = shutil.which(name)
        if path is None:
            problems.append(f"{name} is not installed")
            continue
        try:
            subprocess.run([path, "info"], capture_output=True, check=True, timeout=PROBE_SECONDS)
        except (OSError, subprocess.SubprocessError):
            problems.append(f"{name} does not answer")
            continue
        return Engine(path)
    return Engine("", " and ".join(problems))


def command(
    spec: JobSpec, folder: JobFolder, host: HostFolder, variables: Mapping[str, str], entry: Sequence[str]
) -> list[str]:
    """How to start one host of a job in its image: the same folders and variables as in the sandbox.

    ``entry`` is what runs in it; none means the image's own entry point, told ``train`` as SageMaker does.
    """
    assert spec.image is not None  # noqa: S101 - asked for only where there is one
    local_path = (spec.request.get("checkpointConfig") or {}).get("localPath") or "/opt/ml/checkpoints"
    if local_path.startswith("/opt/braket"):
        local_path = "/opt/ml" + local_path.removeprefix("/opt/braket")
    secrets = folder.path / f"variables-{host.name}"
    descriptor = os.open(secrets, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        # A line each: what has lines of its own cannot be told.
        file.writelines(f"{name}={value}\n" for name, value in variables.items() if _is_one_line(name, value))
    argv = [spec.engine, "run", "--rm", "--init", "--name", container(spec, host), "--hostname", host.name]
    argv += ["--network", "host", "--env-file", os.fspath(secrets)]
    argv += ["--memory", str(spec.host_memory_bytes), "--pids-limit", str(spec.most_processes)]
    argv += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    if spec.host_cpus:
        argv += ["--cpus", str(spec.host_cpus)]
    for source, target in ((host.ml, "/opt/ml"), (folder.checkpoints, local_path), (host.tmp, "/tmp")):  # noqa: S108
        argv += ["--volume", f"{_absolute(source)}:{target}"]
    if not entry:
        return [*argv, spec.image, "train"]
    return [*argv, "--workdir", "/opt/ml/code", "--entrypoint", entry[0], spec.image, *entry[1:]]


def stop(spec: JobSpec, host: HostFolder) -> None:
    """End the container, which no signal to the program that started it would do."""
    _tell(spec, "kill", container(spec, host))


def stop_all(folder: JobFolder) -> None:
    """End the containers of a job whose runner is gone: they have not gone with it."""
    try:
        spec = folder.read_spec()
    except (OSError, ValueError):
        return  # the runner was never started, or had nothing to tell any more
    if spec.image and spec.engine:
        for name in spec.hosts:
            stop(spec, folder.host(name))


def terminate(spec: JobSpec, host: HostFolder) -> None:
    """Ask what runs in the container to end."""
    _tell(spec, "kill", "--signal", "TERM", container(spec, host))


def _tell(spec: JobSpec, *words: str) -> None:
    """An engine that does not answer keeps no other host from being ended."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run([spec.engine, *words], capture_output=True, check=False, timeout=ENGINE_SECONDS)


def container(spec: JobSpec, host: HostFolder) -> str:
    return f"braketeer-{spec.job_id}-{host.name}"


def _is_one_line(name: str, value: str) -> bool:
    return "\n" not in name + value and name not in ("PATH", "HOME")


def _absolute(path: Path) -> str:
    return os.fspath(path.absolute())
