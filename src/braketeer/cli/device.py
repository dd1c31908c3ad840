"""``braketeer device``: the operator's hand on devices."""

from __future__ import annotations

import json as json_text
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from braketeer.cli import output, service
from braketeer.cli.account import DATA_DIR, JSON, PORT
from braketeer.cli.problems import Problem

app = typer.Typer(help="Devices: their states, their windows, and adding one of your own.", no_args_is_help=True)

NAME = Annotated[str, typer.Argument(metavar="ARN", help="The device's ARN, or its name: SV1, Garnet.")]


@app.command("list")
def list_all(port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """List every device as it is now."""
    found = service.access_here(data_dir, port).call("GET", "devices")["devices"]
    if json:
        output.as_json(found)
        return
    rows = [[one["name"], one["status"], _hours(one), _runs(one), one["provider"], one["arn"]] for one in found]
    output.as_table(["name", "status", "hours", "tasks", "provider", "arn"], rows)


@app.command()
def show(name: NAME, port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """Show one device; with --json also its capability document."""
    found = service.access_here(data_dir, port).call("GET", _path(name))
    if json:
        output.as_json(found)
        return
    for title, text in _about(found):
        typer.echo(f"{title + ':':<13}{output.plain(text)}")


@app.command()
def online(name: NAME, port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """Switch a device on: it takes tasks, and those that wait for it go on."""
    _set_status(name, "ONLINE", port, data_dir, json)


@app.command()
def offline(name: NAME, port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """Switch a device off: new tasks and jobs are refused, queued ones wait."""
    _set_status(name, "OFFLINE", port, data_dir, json)


@app.command()
def retire(name: NAME, port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """Retire a device: as offline, and clients are told that it is for good."""
    _set_status(name, "RETIRED", port, data_dir, json)


@app.command()
def windows(
    name: NAME,
    recorded: Annotated[
        bool, typer.Option("--recorded/--open", help="The hours of its document, or all hours.  [required]")
    ],
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """Say when tasks of a device run: in the windows that its capability document was recorded with, or always."""
    found = service.access_here(data_dir, port).call("PUT", f"{_path(name)}/windows", {"recorded": recorded})
    if json:
        output.as_json(found)
    else:
        typer.echo(f"{output.plain(found['arn'])}: {_hours(found)}")


@app.command()
def maintenance(
    name: NAME,
    start: Annotated[
        str | None, typer.Option(help="When it begins: 2026-01-31T14:00:00Z; without a time zone it is UTC.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="When it ends.")] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Take back what was announced.")] = False,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """Announce when a device is out of service: new tasks and jobs are refused then, queued ones wait."""
    if (cancel and (start or end)) or not (cancel or (start and end)):
        raise Problem("Give --start and --end, or --cancel", 2)
    access, path = service.access_here(data_dir, port), f"{_path(name)}/maintenance"
    found = access.call("DELETE", path) if cancel else access.call("PUT", path, {"start": start, "end": end})
    if json:
        output.as_json(found)
    else:
        typer.echo(f"{output.plain(found['arn'])}: {output.from_to(found['maintenance']) or 'no maintenance'}")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="TOML or JSON: the device and its driver (docs/drivers.md).")],
    replace: Annotated[bool, typer.Option("--replace", help="It is there already: give it another file.")] = False,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """Add a device of your own, with the driver that runs its tasks."""
    definition = _definition(file)
    access = service.access_here(data_dir, port)
    if replace:
        _print(access.call("PUT", _path(str(definition.get("arn"))), definition), json)
    else:
        _print(access.call("POST", "devices", definition), json)


@app.command()
def remove(name: NAME, port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """Take away a device that was added, once nothing waits for it."""
    found = service.access_here(data_dir, port).call("DELETE", _path(name))
    if json:
        output.as_json(found)
    else:
        typer.echo(f"Removed: {output.plain(found['arn'])}")


def _set_status(name: str, status: str, port: int | None, data_dir: Path | None, json: bool) -> None:
    _print(service.access_here(data_dir, port).call("PUT", f"{_path(name)}/status", {"status": status}), json)


def _print(found: Mapping[str, Any], json: bool) -> None:
    if json:
        output.as_json(found)
    else:
        typer.echo(f"{output.plain(found['arn'])}: {_status(found)}")


def _path(name: str) -> str:
    return f"devices/{quote(name, safe='')}"


def _definition(file: Path) -> dict[str, Any]:
    """What the file says; where its ``document`` is a path, seen from the file, what is there."""
    content = _read(file)
    if isinstance(named := content.get("document"), str):
        content["document"] = _read(file.parent / named)
    return content


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        content = json_text.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as problem:
        kind = "JSON" if file.suffix == ".json" else "TOML"
        raise Problem(f"{file} is not {kind} in UTF-8: {problem}", 2) from None
    try:
        json_text.dumps(content, allow_nan=False)
    except (TypeError, ValueError) as problem:  # a date of TOML, nan
        raise Problem(f"{file} says what cannot be sent as JSON: {problem}", 2) from None
    if not isinstance(content, dict):
        raise Problem(f"{file} must hold an object", 2)
    return content


def _about(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("device", f"{found['name']} by {found['provider']}"),
        ("arn", found["arn"]),
        ("type", found["type"] + (f" in {found['region']}" if found["region"] else ", in every region")),
        ("status", _status(found)),
        ("hours", _hours(found)),
        *([("maintenance", output.from_to(found["maintenance"]))] if found["maintenance"] else []),
        ("tasks", _runs(found)),
        ("queued", found["queued"]),
    ]


def _status(found: Mapping[str, Any]) -> str:
    if found["offline_until"] is not None:
        return f"{found['status']} until {found['offline_until']}"
    if found["status_set"] not in ("OFFLINE", "RETIRED") and found["status_of_driver"] == found["status"] != "ONLINE":
        return f"{found['status']}, as its driver says"
    return f"{found['status']}{', set by the operator' if found['status_set'] else ''}"


def _hours(found: Mapping[str, Any]) -> str:
    if found["windows"] == "open":
        return "all hours"
    return "recorded windows, " + ("open now" if found["open"] else f"opens {found['opens_at'] or 'never'}")


def _runs(found: Mapping[str, Any]) -> str:
    match found["runs"]:
        case "driver":
            return f"by driver {found['driver']}, {found['concurrency']} at once"
        case "here":
            return "computed here"
        case _:
            return "not computed by this version"
