"""``braketeer clock``: service time, and jumping ahead in it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from braketeer.cli import output, service, span
from braketeer.cli.account import DATA_DIR, JSON, PORT

app = typer.Typer(help="Service time: what it is, and advancing a virtual one.", no_args_is_help=True)


@app.command()
def now(port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """Print service time, by which windows, run times and spending periods go."""
    _print(service.access_here(data_dir, port).call("GET", "clock"), json)


@app.command()
def advance(
    by: Annotated[str, typer.Argument(metavar="SPAN", help="How far: 90s, 61m, 2h, 1h30m, 30d.")],
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """Jump ahead, for a service that was started with --clock virtual. There is no way back."""
    milliseconds = span.seconds(by) * 1000
    _print(service.access_here(data_dir, port).call("POST", "clock/advance", {"milliseconds": milliseconds}), json)


def _print(clock: dict[str, Any], json: bool) -> None:
    if json:
        output.as_json(clock)
    else:
        typer.echo(clock["now"])
