"""``braketeer doctor``: what this machine can do for the service, and what is missing, in words."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from braketeer.cli import service
from braketeer.cli.problems import Problem
from braketeer.config import default_data_dir

MARKS = {"ok": "[green]ok     [/]", "note": "[yellow]note   [/]", "missing": "[red]missing[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """``state`` is ok, note (works, but weaker) or missing (something will not work)."""

    state: str
    subject: str
    text: str


def doctor(
    port: Annotated[int | None, typer.Option(help="Port of the service.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the service.")] = None,
) -> None:
    """Say what works here and what does not; exit code 1 when something is missing."""
    console = Console(highlight=False)
    findings = [*_python(), *_engine(), *_sandbox(), *_clients(), *_data(data_dir), *_running(data_dir, port)]
    for finding in findings:
        console.print(f"{MARKS[finding.state]} {finding.subject}: {finding.text}", soft_wrap=True)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok" if sys.version_info >= (3, 11) else "missing", "Python", f"{version} (3.11 or newer is needed)")
    yield Finding("ok", "SQLite", sqlite3.sqlite_version)


def _engine() -> Iterator[Finding]:
    if importlib.util.find_spec("prism_q") is not None:
        yield Finding("ok", "engine", "prism-q computes quantum tasks")
    else:
        yield Finding("note", "engine", "prism-q has no wheel for this platform; the slower numpy engine computes")
    from braketeer.config import Settings
    from braketeer.devices.catalogue import Catalogue
    from braketeer.server import task_memory

    memory = task_memory(Settings.of())
    qubits = Catalogue(memory).limits("arn:aws:braket:::device/quantum-simulator/amazon/sv1").max_qubits
    yield Finding(
        "ok", "memory", f"{memory / 2**30:.1f} GiB for quantum tasks on {os.cpu_count()} cores: SV1 has {qubits} qubits"
    )


def _sandbox() -> Iterator[Finding]:
    from braketeer.config import Settings
    from braketeer.work import sandbox

    choice = sandbox.probe(Settings.of().job_python)
    weaker = "" if choice.isolates else "; jobs run as plain processes that can read what the service can"
    yield Finding(
        "ok" if choice.isolates else "note", "sandbox of hybrid jobs", f"{choice.name}: {choice.reason}{weaker}"
    )


def _clients() -> Iterator[Finding]:
    if importlib.util.find_spec("braket") is not None and importlib.util.find_spec("braket.jobs") is not None:
        yield Finding("ok", "job environment", "amazon-braket-sdk is installed for hybrid jobs")
    else:
        yield Finding("note", "job environment", "amazon-braket-sdk is not installed: pip install 'braketeer[jobs]'")
    if importlib.util.find_spec("awscli") is not None or shutil.which("aws"):
        yield Finding("ok", "AWS CLI", "found")
    else:
        yield Finding("note", "AWS CLI", "not found: pip install 'braketeer[aws]'")


def _data(data_dir: Path | None) -> Iterator[Finding]:
    folder = data_dir or default_data_dir()
    there = folder if folder.exists() else next(parent for parent in folder.parents if parent.exists())
    if not os.access(there, os.W_OK):
        yield Finding("missing", "data directory", f"{folder} cannot be written")
        return
    free = shutil.disk_usage(there).free / 2**30
    yield Finding("ok" if free > 1 else "note", "data directory", f"{folder}, {free:.1f} GiB free")


def _running(data_dir: Path | None, port: int | None) -> Iterator[Finding]:
    try:
        access = service.access(data_dir, port)
    except Problem as problem:
        yield Finding("note", "service", str(problem))
        return
    health = service.is_healthy(access.endpoint)
    if health is None:
        yield Finding("note", "service", f"nothing answers at {access.endpoint}")
    else:
        yield Finding("ok", "service", f"version {health['version']} answers at {access.endpoint}")
