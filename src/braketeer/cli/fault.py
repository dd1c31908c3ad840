"""``braketeer fault``: letting things go wrong on purpose."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from braketeer.cli import output, service, span
from braketeer.cli.account import DATA_DIR, JSON, PORT
from braketeer.cli.problems import Problem

app = typer.Typer(help="Faults on purpose, for the tests of clients.", no_args_is_help=True)


@app.command()
def add(
    error: Annotated[str | None, typer.Option(help="Calls are refused with this, as ThrottlingException.")] = None,
    operation: Annotated[
        str | None, typer.Option(help="Which calls: CreateQuantumTask, s3:PutObject, logs:all.  [default: every call]")
    ] = None,
    message: Annotated[str | None, typer.Option(help="What the error says.")] = None,
    expire_credentials: Annotated[
        bool, typer.Option("--expire-credentials", help="Calls are refused as with keys that have ended.")
    ] = False,
    fail: Annotated[str | None, typer.Option(metavar="REASON", help="Quantum tasks end as FAILED.")] = None,
    delay: Annotated[str | None, typer.Option(metavar="SPAN", help="Results are stored so much later: 2s.")] = None,
    offline: Annotated[str | None, typer.Option(metavar="SPAN", help="The device is offline for so long: 10m.")] = None,
    device: Annotated[str | None, typer.Option(metavar="ARN", help="Only tasks of this device.")] = None,
    account: Annotated[str | None, typer.Option(help="Only calls and tasks of this account.")] = None,
    every: Annotated[int | None, typer.Option(min=1, help="Only every n-th.")] = None,
    next_: Annotated[int | None, typer.Option("--next", min=1, help="Only so many, then never again.")] = None,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """Add a rule: --error, --expire-credentials, --fail, --delay or --offline. Prints its id."""
    if expire_credentials and error is not None:
        raise Problem("Give either --error or --expire-credentials", 2)
    wanted: dict[str, Any] = {
        "error": "ExpiredTokenException" if expire_credentials else error,
        "operation": operation,
        "message": message,
        "fail": fail,
        "delay_ms": None if delay is None else span.seconds(delay) * 1000,
        "offline_ms": None if offline is None else span.seconds(offline) * 1000,
        "device": device,
        "account": account,
        "every": every,
        "next": next_,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    added = service.access_here(data_dir, port).call("POST", "faults", given)
    if json:
        output.as_json(added)
    else:
        typer.echo(added["id"])


@app.command("list")
def list_all(port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """List the rules and how often they have matched."""
    faults = service.access_here(data_dir, port).call("GET", "faults")["faults"]
    if json:
        output.as_json(faults)
        return
    output.as_table(
        ["id", "kind", "calls", "device", "does", "every", "next", "matched"],
        (
            [
                *(one["id"], one["kind"], _calls(one), one.get("device_arn"), _does(one)),
                *(one.get("every"), one.get("times"), one["hits"]),
            ]
            for one in faults
        ),
    )


@app.command()
def clear(
    fault_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Only this rule.  [default: all]")] = None,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """Take rules back."""
    path = "faults" if fault_id is None else f"faults/{quote(fault_id, safe='')}"
    cleared = service.access_here(data_dir, port).call("DELETE", path)
    if json:
        output.as_json(cleared)
    else:
        typer.echo(f"Cleared: {cleared['cleared']}")


def _calls(fault: dict[str, Any]) -> str:
    if fault["kind"] != "error":
        return ""
    return f"{fault.get('service', 'all')}:{fault.get('operation', 'all')}"


def _does(fault: dict[str, Any]) -> str:
    match fault["kind"]:
        case "delay":
            return f"{fault['delay_ms'] / 1000:g} s"
        case "offline":
            return f"until {fault['ends_at']}"
        case "error":
            return str(fault["error"])
        case _:
            return str(fault["message"])
