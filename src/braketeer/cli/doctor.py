"""``braketeer doctor``: what this machine can do for the service, and what is missing, in words."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from braketeer.cli import service
from braketeer.cli.problems import Problem
from braketeer.config import SettingError, Settings, default_data_dir, python_minor

MARKS = {"ok": "[green]ok     [/]", "note": "[yellow]note   [/]", "missing": "[red]missing[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """``state`` is ok, note (works, but weaker) or missing (something will not work)."""

    state: str
    subject: str
    text: str


def doctor(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the service.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the service.")] = None,
) -> None:
    """Say what works here and what does not; exit code 1 when something is missing."""
    console = Console(highlight=False, soft_wrap=True)
    findings = [*_python(), *_settings(), *_aws_cli(), *_data(data_dir), *_drivers(), *_running(data_dir, port)]
    for finding in findings:
        console.print(f"{MARKS[finding.state]} {finding.subject}: {escape(finding.text)}")
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok" if sys.version_info >= (3, 11) else "missing", "Python", f"{version} (3.11 or newer is needed)")
    yield Finding("ok", "SQLite", sqlite3.sqlite_version)


def _settings() -> Iterator[Finding]:
    """What follows from the settings, which here are those of the environment; nothing does while one is wrong."""
    try:
        settings = Settings.of()
    except SettingError as problem:
        yield Finding("missing", "settings", str(problem))
        return
    yield from _engine(settings.engine)
    yield _compiler()
    yield from _memory(settings)
    yield from _sandbox(settings)
    yield from _job_environment(settings.job_python)


def _engine(wanted: str) -> Iterator[Finding]:
    """What computes state vectors, and what else could."""
    from braketeer.quantum.engines import ENGINES, available

    here = available()
    chosen = here[0] if wanted == "auto" else wanted
    missing = [name for name in ENGINES if name not in here]
    others = f"; not here: {', '.join(missing)}" if missing else ""
    if chosen not in here:
        yield Finding("missing", "engine", f"BRAKETEER_ENGINE is {chosen}, which cannot be loaded here{others}")
    elif wanted == "auto" and chosen != "prism":
        slower = f"prism-q is not here (there is no wheel for every platform): the slower engine {chosen} computes"
        yield Finding("note", "engine", slower + others)
    else:
        yield Finding("ok", "engine", f"{chosen} computes quantum tasks, of {', '.join(here)}{others}")


def _compiler() -> Finding:
    from braketeer.quantum.qpus.translating import NO_COMPILER, is_there

    if is_there():
        return Finding("ok", "compiler for QPUs", "qiskit places and translates circuits for emulated QPUs")
    return Finding("note", "compiler for QPUs", NO_COMPILER)


def _memory(settings: Settings) -> Iterator[Finding]:
    from braketeer.devices.catalogue import Catalogue
    from braketeer.server import task_memory

    memory = task_memory(settings)
    qubits = Catalogue(memory).limits("arn:aws:braket:::device/quantum-simulator/amazon/sv1").max_qubits
    yield Finding(
        "ok", "memory", f"{memory / 2**30:.1f} GiB for quantum tasks on {os.cpu_count()} cores: SV1 has {qubits} qubits"
    )


def _sandbox(settings: Settings) -> Iterator[Finding]:
    from braketeer.work import sandbox

    subject = "sandbox of hybrid jobs"
    try:
        choice = sandbox.choose(settings.sandbox, settings.job_python)
    except sandbox.SandboxError as problem:
        yield Finding("missing", subject, str(problem))
        return
    if choice.isolates:
        yield Finding("ok", subject, f"{choice.name}: {choice.reason}")
        yield _network(settings)
        return
    taken = "jobs of several accounts are taken all the same (BRAKETEER_ALLOW_UNSANDBOXED)"
    refused = "with several accounts jobs are refused"
    weaker = "jobs run as plain processes that can read what the service can"
    outcome = taken if settings.allow_unsandboxed else refused
    yield Finding("note", subject, f"{choice.name}: {choice.reason}; {weaker}; {outcome}")


def _network(settings: Settings) -> Finding:
    """Whether jobs are kept from the machine's ports."""
    from braketeer.work import job_network

    subject = "network of hybrid jobs"
    if settings.job_network == "shared":
        return Finding("note", subject, "the machine's: jobs reach every port that it has (BRAKETEER_JOB_NETWORK)")
    trouble = job_network.problem(as_user=os.getuid() != 0)
    if trouble:
        return Finding("missing" if settings.job_network == "own" else "note", subject, f"the machine's: {trouble}")
    when = "always" if settings.job_network == "own" else "where there are several accounts"
    return Finding("ok", subject, f"a job has its own, in which it reaches this service only, {when}")


def _job_environment(python: str) -> Iterator[Finding]:
    """Whether the interpreter that runs hybrid jobs has the SDK; it need not be this one."""
    subject = "job environment"
    try:
        version = f"Python 3.{python_minor(python)}"
    except SettingError as problem:
        yield Finding("missing", subject, str(problem))
        return
    question = (
        "from importlib.util import find_spec; raise SystemExit(not (find_spec('braket') and find_spec('braket.jobs')))"
    )
    asked = subprocess.run([python, "-I", "-c", question], capture_output=True, check=False)
    if asked.returncode == 0:
        yield Finding("ok", subject, f"{python} ({version}) has amazon-braket-sdk for hybrid jobs")
    else:
        how = f"{python} -m pip install amazon-braket-sdk"
        yield Finding("note", subject, f"{python} ({version}) has no amazon-braket-sdk for hybrid jobs: {how}")


def _drivers() -> Iterator[Finding]:
    """What `braketeer device add` can name; each is loaded, as a device that names it would."""
    from braketeer.devices import drivers

    for name in drivers.names():
        try:
            drivers.load(name)
        except drivers.NoDriver as problem:
            yield Finding("note", "drivers of devices", str(problem))
        else:
            yield Finding("ok", "drivers of devices", f"{name} is installed")


def _aws_cli() -> Iterator[Finding]:
    if importlib.util.find_spec("awscli") is not None or shutil.which("aws"):
        yield Finding("ok", "AWS CLI", "found")
    else:
        yield Finding("note", "AWS CLI", "not found: `make setup` installs it, or pip install awscli")


def _data(data_dir: Path | None) -> Iterator[Finding]:
    folder = (data_dir or default_data_dir()).absolute()
    there = next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
    if not there.is_dir() or not os.access(there, os.W_OK):
        yield Finding("missing", "data directory", f"{folder} cannot be written")
        return
    free = shutil.disk_usage(there).free / 2**30
    yield Finding("ok" if free > 1 else "note", "data directory", f"{folder}, {free:.1f} GiB free")


def _running(data_dir: Path | None, port: int | None) -> Iterator[Finding]:
    try:
        access = service.access_here(data_dir, port)
    except (Problem, OSError) as problem:
        yield Finding("note", "service", str(problem))
        return
    health = service.is_healthy(access.endpoint)
    if health is None:
        yield Finding("note", "service", f"nothing answers at {access.endpoint}")
    else:
        yield Finding("ok", "service", f"version {health.get('version')} answers at {access.endpoint}")
