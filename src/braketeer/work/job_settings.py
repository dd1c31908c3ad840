"""How hybrid jobs are run on this machine: what the operator has set, and what a job gets of it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from braketeer.work.job_instances import Instance, instance
from braketeer.work.sandbox import SandboxChoice

# "own": a job reaches nothing but the service. "auto": so it is where there are several accounts, if it can be done.
Network = Literal["auto", "own", "shared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """Seconds and bytes; ``hidden`` are folders that no job may see."""

    folder: Path
    endpoint: str
    slots: int
    sandbox: SandboxChoice
    python: str = sys.executable
    pythons: Mapping[int, str] = field(default_factory=dict)  # further interpreters, by the 11 of Python 3.11
    images: Mapping[str, str] = field(default_factory=dict)  # interpreters by a pattern of containerImage.uri
    network: Network = "shared"
    hidden: Sequence[Path] = ()
    grace_seconds: float = 30.0
    patience_seconds: float = 600.0
    install_seconds: float = 600.0  # that the packages of a requirements.txt may take
    memory_bytes: int = 0  # of one job's processes together; 0: nine tenths of the machine's
    most_processes: int = 1024  # of one job; where a control group can be made, with its threads
    stop_jobs: bool = False
    lease_seconds: float = 60.0  # how long a service that does not answer keeps its jobs


@dataclass(frozen=True, slots=True)
class Room:
    """What each host of a job gets of the machine, and all of them together; ``warning`` is for its owner."""

    hosts: int
    cpus: int  # 0: every core
    host_memory_bytes: int
    memory_bytes: int
    warning: str | None


def room(request: Mapping[str, Any], most_memory_bytes: int) -> Room:
    """What the instances that CreateJob asks for are here: no more than them, and no more than the machine has."""
    config = request["instanceConfig"]
    hosts = int(config.get("instanceCount") or 1)
    wanted = instance(config["instanceType"])
    most = most_memory_bytes or psutil.virtual_memory().total * 9 // 10
    each = min(int(wanted.memory_gib * 2**30), most)
    cores = os.cpu_count() or 1
    return Room(
        hosts=hosts,
        cpus=wanted.vcpus if wanted.vcpus < cores else 0,
        host_memory_bytes=each,
        memory_bytes=min(hosts * each, most),
        warning=_warning(config["instanceType"], wanted),
    )


def interpreter(settings: JobSettings, request: Mapping[str, Any]) -> str | None:
    """The interpreter of a job: that of its image, else of its client's Python version, else the usual one.

    None where the job's image is neither Amazon's nor mapped.
    """
    image = (request["algorithmSpecification"].get("containerImage") or {}).get("uri")
    for pattern, python in settings.images.items():
        if image and re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), image):
            return python
    if image and not is_built_in(image):
        return None
    minor = request.get("clientPython")
    return settings.pythons.get(minor, settings.python) if minor is not None else settings.python


def is_built_in(image: str) -> bool:
    """Whether it is one of Amazon's images, of any account, region and tag: they stand for the local environment."""
    return _BUILT_IN_IMAGE.fullmatch(image) is not None


_BUILT_IN_IMAGE = re.compile(r"\d+\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/amazon-braket-[a-z0-9-]+(@sha256)?:.+")


def _warning(instance_type: str, wanted: Instance) -> str | None:
    if not wanted.gpus or Path("/dev/nvidiactl").exists():
        return None
    return f"{instance_type} has {wanted.gpus} GPUs, this machine has none: the job runs on the CPU."
