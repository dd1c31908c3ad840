"""``braketeer events``: what has happened to tasks, jobs and devices, as EventBridge tells it."""

from __future__ import annotations

import json as json_format
import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from braketeer.cli import output, service
from braketeer.cli.account import DATA_DIR, JSON, PORT
from braketeer.cli.problems import Problem

AT_ONCE = 1000
WAIT_SECONDS = 20
PAUSE_SECONDS = 1.0  # before a service that went away is asked again


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    after: Annotated[str, typer.Option(help="Only what came after this place, or `now`.")] = "",
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """Print the events that are kept (7 days), oldest first; with --json one document a line."""
    access = service.access_here(data_dir, port)
    place, asked = after, False
    while True:
        wait = WAIT_SECONDS if follow and asked else 0
        try:
            found = access.call("GET", f"events?after={quote(place, safe='')}&limit={AT_ONCE}&wait={wait}")
        except Problem:
            if not follow or not asked:
                raise
            time.sleep(PAUSE_SECONDS)  # it is being started again, most likely
            continue
        asked, place = True, found["after"]
        for event in found["events"]:
            typer.echo(json_format.dumps(event) if json else _line(event))
        if not follow and len(found["events"]) < AT_ONCE:
            return


def _line(event: dict[str, Any]) -> str:
    detail = event["detail"]
    status = detail.get("status") or detail.get("deviceStatus")
    reason = f"  {detail['failureReason']}" if "failureReason" in detail else ""
    return output.plain(f"{event['time']}  {status:<10}  {event['resources'][0]}{reason}")
