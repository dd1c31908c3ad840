"""``braketeer run -- CMD``: a service for as long as a command runs, as CI wants it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from braketeer.cli import service
from braketeer.cli.problems import Problem

END_SECONDS = 5.0  # that a command has between the signal that is passed on to it and SIGKILL


def run(
    command: Annotated[list[str] | None, typer.Argument(metavar="-- CMD", show_default=False)] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Keep the data here instead of throwing it away.")] = None,
    seed: Annotated[int | None, typer.Option(help="Makes sampling reproducible.")] = None,
) -> None:
    """Start a service on a free port, run a command with its environment, stop the service: braketeer run -- pytest.

    Without a command it is the shell. The exit code is the command's.
    """
    options = [] if seed is None else ["--seed", str(seed)]
    with service.started(*options, data_dir=data_dir) as (access, _):
        code = _run(command or [os.environ.get("SHELL") or "/bin/sh"], access.environment())
    sys.exit(code if code >= 0 else 128 - code)


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """The command's return code, as subprocess has it. A signal that ends this process reaches the command first."""
    try:
        process = subprocess.Popen(command, env=environment)
    except FileNotFoundError as missing:
        raise Problem(f"{command[0]}: command not found", 127) from missing
    except OSError as problem:
        raise Problem(f"{command[0]}: cannot be run: {problem.strerror}", 126) from problem
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # whether that is the end is the command's to say
                if not _terminal_tells_it():
                    process.send_signal(signal.SIGINT)
    except service.Signalled as end:
        process.send_signal(end.number)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def _terminal_tells_it() -> bool:
    """Whether an interrupt comes from the terminal, which sends it to the command as well."""
    try:
        with Path("/dev/tty").open("rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
