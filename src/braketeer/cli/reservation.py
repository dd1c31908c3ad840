"""``braketeer reservation``: time on a device for one account (Braket Direct)."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from braketeer.cli import output, service
from braketeer.cli.account import DATA_DIR, JSON, PORT

app = typer.Typer(help="Reservations: time on a device for one account.", no_args_is_help=True)

ARN = Annotated[str, typer.Argument(metavar="ARN", help="The reservation's ARN.")]


@app.command()
def create(
    device: Annotated[str, typer.Option(help="ARN of the device.")],
    start: Annotated[str, typer.Option(help="When it begins: 2026-01-31T14:00:00Z; without a time zone it is UTC.")],
    end: Annotated[str, typer.Option(help="When it ends.")],
    kind: Annotated[
        str, typer.Option(help="exclusive: the device is the holder's alone; priority: others have what time is left.")
    ] = "exclusive",
    account: Annotated[str | None, typer.Option(help="The holder's name or number.  [default: your own]")] = None,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
) -> None:
    """Reserve a device. Prints the reservation as JSON."""
    wanted = {"device": device, "start": start, "end": end, "kind": kind}
    if account is not None:
        wanted["account"] = account
    output.as_json(service.access_here(data_dir, port).call("POST", "reservations", wanted))


@app.command("list")
def list_all(
    device: Annotated[str | None, typer.Option(help="Only those of this device.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over or cancelled.")] = False,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """List reservations by their beginning."""
    terms = [f"device={quote(device, safe='')}"] if device is not None else []
    terms += ["all=1"] if everything else []
    path = f"reservations?{'&'.join(terms)}" if terms else "reservations"
    found = service.access_here(data_dir, port).call("GET", path)["reservations"]
    if json:
        output.as_json(found)
        return
    columns = ["start", "end", "status", "kind", "account", "device", "arn"]
    output.as_table(columns, [[one[column] for column in columns] for one in found])


@app.command()
def show(arn: ARN, port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """Show one reservation."""
    _print(service.access_here(data_dir, port).call("GET", f"reservations/{quote(arn, safe='')}"), json)


@app.command()
def cancel(arn: ARN, port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """Take a reservation back. Its tasks and jobs, queued or running, are cancelled."""
    _print(service.access_here(data_dir, port).call("DELETE", f"reservations/{quote(arn, safe='')}"), json)


@app.command()
def allow(
    device: Annotated[str, typer.Argument(metavar="ARN", help="ARN of a simulator.")],
    refuse: Annotated[bool, typer.Option("--refuse", help="Take it back.")] = False,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """Let a simulator be reserved; QPUs can be always."""
    path = f"devices/{quote(device, safe='')}/reservable"
    changed = service.access_here(data_dir, port).call("PUT", path, {"reservable": not refuse})
    if json:
        output.as_json(changed)
    else:
        typer.echo(f"{changed['arn']} can{'' if changed['reservable'] else 'not'} be reserved")


def _print(found: dict[str, Any], json: bool) -> None:
    if json:
        output.as_json(found)
        return
    for name, value in found.items():
        if value is not None:
            typer.echo(f"{name.replace('_', ' ') + ':':<14}{output.plain(str(value))}")
