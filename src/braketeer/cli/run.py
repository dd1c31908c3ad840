"""``braketeer run -- CMD``: a service for as long as a command runs, as CI wants it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from braketeer.cli import service
from braketeer.cli.problems import Problem


def run(
    context: typer.Context,
    data_dir: Annotated[Path | None, typer.Option(help="Keep the data here instead of throwing it away.")] = None,
    seed: Annotated[int | None, typer.Option(help="Makes sampling reproducible.")] = None,
) -> None:
    """Start a service on a free port, run a command with its environment, stop the service: braketeer run -- pytest."""
    if not context.args:
        raise Problem("Say what to run: braketeer run -- COMMAND", 2)
    options = [] if seed is None else ["--seed", str(seed)]
    with service.started(*options, data_dir=data_dir) as (access, _):
        try:
            code = subprocess.run(context.args, env=access.environment(), check=False).returncode
        except FileNotFoundError as missing:
            raise Problem(f"{context.args[0]}: command not found", 127) from missing
        except KeyboardInterrupt:
            code = 130
    sys.exit(code if code >= 0 else 128 - code)
