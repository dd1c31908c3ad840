"""``braketeer audit``: who has changed what."""

from __future__ import annotations

import json as json_text
import time
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from braketeer.cli import output, service
from braketeer.cli.account import DATA_DIR, PORT

LOOK_EVERY_SECONDS = 1.0


def audit(
    account: Annotated[str | None, typer.Option(help="Only what this account has done (name or number).")] = None,
    since: Annotated[str | None, typer.Option(help="From this ISO time on (UTC unless it says otherwise).")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what is done from now on.")] = False,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one line each.")] = False,
) -> None:
    """Print every call that changed something or was refused, the oldest first."""
    access = service.access_here(data_dir, port)
    for line in _lines(access, {"account": account, "since": since}, follow):
        typer.echo(json_text.dumps(line) if json else _for_eyes(line))


def _lines(access: service.Access, terms: dict[str, str | None], follow: bool) -> Iterator[dict[str, Any]]:
    query = {name: value for name, value in terms.items() if value is not None}
    while True:
        page = access.call("GET", f"audit?{urlencode(query)}")
        yield from page["lines"]
        query["cursor"] = page["cursor"]
        if page["complete"]:
            if not follow:
                return
            time.sleep(LOOK_EVERY_SECONDS)


def _for_eyes(line: dict[str, Any]) -> str:
    what = f"{line['service']}:{line['operation']}"
    parts = (line["at"], line["account"], line["key"], line["source"], what, line["resource"] or "-")
    return output.plain("  ".join([*parts, line["error"] or str(line["status"])]))
