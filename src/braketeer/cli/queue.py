"""``braketeer queue`` and ``braketeer why``: what waits on each device, and what a task or job waits for."""

from __future__ import annotations

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console

from braketeer.cli import output, service
from braketeer.cli.account import DATA_DIR, JSON, PORT
from braketeer.cli.problems import Problem

REFRESH_SECONDS = 2.0


def queue(
    device: Annotated[str | None, typer.Argument(metavar="[ARN]", help="Only this device.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew every two seconds, until Ctrl-C.")] = False,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """Show the devices with what is queued and running on them, and the next window that somebody has reserved."""
    access = service.access_here(data_dir, port)
    path = "queue" if device is None else f"queue/{quote(device, safe='')}"
    if json:
        if watch:
            raise Problem("--watch and --json do not go together", 2)
        output.as_json(access.call("GET", path))
        return
    while True:
        found = access.call("GET", path)
        if watch:
            Console().clear()
        _print(found if device is None else {"now": found["now"], "devices": [found]})
        if not watch:
            return
        try:
            time.sleep(REFRESH_SECONDS)
        except KeyboardInterrupt:
            return


def why(
    arn: Annotated[str, typer.Argument(help="ARN of a quantum task or a hybrid job.")],
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """Say what a task or job waits for: which rule, behind how many of whom, until when."""
    found = service.access_here(data_dir, port).call("GET", f"why/{quote(arn, safe='')}")
    if json:
        output.as_json(found)
        return
    if not found["waits"]:
        typer.echo(found["text"])
        return
    place = "in a reservation" if found["position"] is None else f"position {found['position']}"
    typer.echo(f"QUEUED on {found['device']}, {place}:")
    for reason in found["reasons"]:
        typer.echo(f"- {output.plain(reason['text'])} ({reason['rule']})")


def _print(found: dict[str, Any]) -> None:
    rows = [
        [
            one["name"],
            one["status"],
            *(one["tasks"][queue] for queue in ("reserved", "priority", "normal")),
            str(one["running"]),
            one["jobs"]["queued"],
            str(one["jobs"]["running"]),
            _waits(one["waits"]),
            _window(one["reservation"]),
            output.from_to(one["maintenance"]),
        ]
        for one in found["devices"]
    ]
    columns = ["device", "status", "reserved", "priority", "normal", "running", "jobs queued", "jobs running"]
    typer.echo(f"{found['now']}  tasks and jobs by device")
    output.as_table([*columns, "held by", "next or open reservation", "maintenance"], rows)


def _waits(rule: dict[str, Any] | None) -> str:
    if rule is None:
        return ""
    return rule["rule"] if rule["until"] is None else f"{rule['rule']} until {rule['until']}"


def _window(reservation: dict[str, Any] | None) -> str:
    if reservation is None:
        return ""
    return f"{output.from_to(reservation)}, {reservation['account']} ({reservation['kind']})"
