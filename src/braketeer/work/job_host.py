"""One host of a hybrid job: the process that runs the script, where it runs, and what it prints.

A job with instanceCount = n has n of them on this machine, each in a sandbox of its own with a folder, a log and an
address of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from braketeer.work import job_environment, job_images, sandbox
from braketeer.work.job_cgroup import ControlGroup
from braketeer.work.job_folder import HostFolder, JobFolder, JobSpec
from braketeer.work.job_log import LogFile, Pump
from braketeer.work.job_trees import read_text

LONGEST_FAILURE = 4096
MOST_PROCESSES_OF_NOBODY = 4096  # of all jobs together: they share the user


class Host:
    """``name`` is ``algo-N``; ``log`` takes what it prints, and words of the runner's."""

    def __init__(self, spec: JobSpec, folder: JobFolder, name: str) -> None:
        self.name = name
        self.log = LogFile(folder.logs / f"{name}.log")
        self.own: HostFolder = folder.host(name)
        self._spec = spec
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: Pump | None = None

    def start(self, endpoint: str, entering: Sequence[str], group: ControlGroup, packages: Path | None) -> int:
        """Start the script; the process that stands for it. ``entering`` puts it into the job's network.

        To be called by the main thread: the sandbox dies with the thread that started it. SandboxError where the job
        asks for what no sandbox gives.
        """
        spec = self._spec
        variables, argv = self._in_image(endpoint) if spec.image else self._in_sandbox(endpoint, packages)
        if not spec.image:
            variables |= _limits(spec, group)
        process = subprocess.Popen(
            group.entering([*entering, *self._on_cores(argv, group)]),
            env=variables,
            cwd=self.own.ml / "code",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101 - asked for
        self._process, self._pump = process, Pump(process.stdout.fileno(), self.log)
        return process.pid

    def poll(self, seconds: float) -> int | None:
        """The exit code, None while it runs. Waits up to ``seconds``: the end of its output is usually just before."""
        assert self._process is not None  # noqa: S101 - started
        assert self._pump is not None  # noqa: S101
        if self._pump.ended.wait(0 if self._process.poll() is not None else seconds):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        return self._process.poll()

    def failure(self) -> str:
        """What the script wrote to ``output/failure``."""
        return read_text(self.own.ml, "output/failure", LONGEST_FAILURE).strip()

    def last_lines(self) -> list[str]:
        """The last that the script itself printed."""
        return self._pump.last_lines() if self._pump is not None else []

    def terminate(self) -> None:
        """Ask the script to end."""
        if self._process is None or self._process.poll() is not None:
            return
        if self._spec.image:
            job_images.terminate(self._spec, self.own)
        else:
            sandbox.terminate(self._spec.sandbox, self._process)

    def wait(self, seconds: float) -> None:
        """Until it has ended, or the time is over."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, seconds))

    def kill(self) -> None:
        """End all its processes; returns when the first is gone and what it printed is stored."""
        if self._process is None or self._pump is None:
            return
        if self._spec.image:
            job_images.stop(self._spec, self.own)
        sandbox.kill(self._spec.sandbox, self._process, self._spec.job_id)
        self._pump.ended.wait(10)

    def _in_sandbox(self, endpoint: str, packages: Path | None) -> tuple[dict[str, str], list[str]]:
        spec = self._spec
        local_path = (spec.request.get("checkpointConfig") or {}).get("localPath")
        command = sandbox.command(
            *(spec.sandbox, self._folder, self.own, spec.python, job_environment.arguments(spec)),
            local_path,
            spec.shown,
            spec.hidden,
            os.fspath(packages) if packages is not None else None,
        )
        path = f"{Path(spec.python).parent}:/usr/local/bin:/usr/bin:/bin"
        variables = job_environment.environment(spec, endpoint, self.name, command.paths, self._cpus(), path)
        return variables | command.extra_environment, command.argv

    def _in_image(self, endpoint: str) -> tuple[dict[str, str], list[str]]:
        """The program that starts a container has the machine's environment; the job's goes to it in a file."""
        spec = self._spec
        local_path = (spec.request.get("checkpointConfig") or {}).get("localPath")
        paths = job_environment.SeenPaths(temporary="/tmp")  # noqa: S108 - a folder of the job's own
        paths = job_environment.SeenPaths(checkpoints=local_path) if local_path else paths
        variables = job_environment.environment(spec, endpoint, self.name, paths, self._cpus(), "")
        entry: list[str] = []
        if spec.request["algorithmSpecification"].get("scriptModeConfig"):
            entry = ["python", "/opt/ml/code/braket_container.py", *job_environment.arguments(spec)]
            variables["BRAKETEER_IMAGE"] = "1"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return environment, job_images.command(spec, self._folder, self.own, variables, entry)

    def _cpus(self) -> int:
        return self._spec.host_cpus or os.cpu_count() or 1

    def _on_cores(self, argv: list[str], group: ControlGroup) -> list[str]:
        """Where no control group bounds its cores, it gets some of its own choice, as libraries count those."""
        wanted, cores = self._spec.host_cpus, sorted(os.sched_getaffinity(0))
        if not wanted or group.bounds_cores or wanted >= len(cores):
            return argv
        first = int(self._spec.job_id.replace("-", "")[:8], 16) + wanted * self._spec.hosts.index(self.name)
        chosen = [cores[(first + number) % len(cores)] for number in range(wanted)]
        return ["taskset", "--cpu-list", ",".join(map(str, chosen)), *argv]


def _limits(spec: JobSpec, group: ControlGroup) -> dict[str, str]:
    """Limits that the harness sets for itself and all below: {name in module resource: value}.

    RLIMIT_NPROC counts what other jobs have, too: where a control group bounds this one, they cannot use it up.
    """
    limits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": spec.disk_bytes}
    if spec.sandbox == "bubblewrap" and not group.exists:
        limits["RLIMIT_NPROC"] = MOST_PROCESSES_OF_NOBODY
    return {"BRAKETEER_LIMITS": json.dumps(limits)}
