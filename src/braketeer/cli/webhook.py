"""``braketeer webhook``: where events are sent."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from braketeer.cli import output, service
from braketeer.cli.account import DATA_DIR, JSON, PORT

app = typer.Typer(help="Webhooks: events sent to addresses of your own.", no_args_is_help=True)


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="An http or https address.")],
    kind: Annotated[
        list[str] | None, typer.Option(help="task, job or device; may be repeated.  [default: all]")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Only events of this account.")] = None,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
) -> None:
    """Send every event from now on to an address. Prints the secret that signs them, once, as JSON."""
    wanted: dict[str, Any] = {"url": url, "kinds": kind or None, "account": account}
    output.as_json(service.access_here(data_dir, port).call("POST", "webhooks", wanted))


@app.command("list")
def list_all(port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """List webhooks and how they fare."""
    found = service.access_here(data_dir, port).call("GET", "webhooks")["webhooks"]
    if json:
        output.as_json(found)
        return
    rows = [[one["id"], one["url"], " ".join(one["kinds"]), one["failures"], one["last_failure"]] for one in found]
    output.as_table(["id", "url", "events", "failures", "last failure"], rows)


@app.command()
def remove(
    webhook_id: Annotated[str, typer.Argument(metavar="ID", help="The webhook's id, as `webhook list` shows it.")],
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """Send nothing more to an address."""
    removed = service.access_here(data_dir, port).call("DELETE", f"webhooks/{quote(webhook_id, safe='')}")
    if json:
        output.as_json(removed)
    else:
        typer.echo(f"Removed: {webhook_id}")
