"""``braketeer key``: access keys of accounts."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from braketeer.cli import output, service, span
from braketeer.cli.account import DATA_DIR, JSON, PORT

app = typer.Typer(help="Access keys: making, listing and ending them.", no_args_is_help=True)


@app.command()
def create(
    account: Annotated[str, typer.Option(help="The account's name or number.")],
    role: Annotated[str, typer.Option(help="operator, user or viewer.")] = "user",
    expires: Annotated[str | None, typer.Option(help="Ends by itself after this time: 90s, 2h, 30d.")] = None,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
) -> None:
    """Make a key. Prints it, once, as JSON."""
    wanted: dict[str, Any] = {"account": account, "role": role}
    if expires is not None:
        wanted["expires_in"] = span.seconds(expires)
    output.as_json(service.access_here(data_dir, port).call("POST", "keys", wanted))


@app.command("list")
def list_all(
    account: Annotated[str | None, typer.Option(help="Only those of this account.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also revoked ones, and those of jobs and sessions.")
    ] = False,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """List keys, never their secrets."""
    terms = [f"account={quote(account, safe='')}"] if account is not None else []
    terms += ["all=1"] if everything else []
    keys = service.access_here(data_dir, port).call("GET", f"keys?{'&'.join(terms)}" if terms else "keys")["keys"]
    if json:
        output.as_json(keys)
        return
    rows = [[one["id"], one["name"], one["role"], one["status"], one["created_at"], one["expires_at"]] for one in keys]
    output.as_table(["id", "account", "role", "status", "created", "expires"], rows)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `key list` shows it.")],
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """End a key at once, with every temporary key that was made with it."""
    ended = service.access_here(data_dir, port).call("DELETE", f"keys/{quote(key_id, safe='')}")
    if json:
        output.as_json(ended)
    else:
        others = f", and {ended['revoked'] - 1} that were made with it" if ended["revoked"] > 1 else ""
        typer.echo(f"Revoked: {key_id}{others}" if ended["revoked"] else "Revoked: nothing that was still valid")
