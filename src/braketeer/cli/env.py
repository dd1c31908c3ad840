"""``braketeer env``: what to put into a shell so that AWS clients find the service."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from braketeer.cli import service


def env(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the service.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the service.")] = None,
    account: Annotated[str, typer.Option(help="Whose key.")] = "default",
) -> None:
    """Print `export NAME=value` lines; use it as: eval "$(braketeer env)"."""
    variables = service.access(data_dir, port, account).variables()
    typer.echo(f"unset {' '.join(service.CLEARED)}")
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
