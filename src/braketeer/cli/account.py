"""``braketeer account``: opening accounts one by one or by the class, their quotas, and what they have used."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from braketeer.cli import class_list, output, service
from braketeer.cli.problems import Problem

app = typer.Typer(help="Accounts: people or groups that see their own work only.", no_args_is_help=True)

PORT = Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the service.")]
DATA_DIR = Annotated[Path | None, typer.Option(help="Data directory of the service.")]
JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
COLUMNS = ("name", "account", "role", "access_key_id", "secret_access_key")


@app.command()
def create(
    name: Annotated[str | None, typer.Argument(help="The account's name.")] = None,
    number: Annotated[str | None, typer.Option("--id", help="Its number, 12 digits.  [default: a free one]")] = None,
    quota: Annotated[list[str] | None, typer.Option(help="name=value; may be given several times.")] = None,
    file: Annotated[Path | None, typer.Option("--from", help="A file with one name a line, or CSV.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, to be handed out.")] = False,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
) -> None:
    """Open an account, or all of a file (all or none), each with a key of role user. Prints the keys, once, as JSON."""
    if (name is None) == (file is None):
        raise Problem("Give either a name or --from FILE", 2)
    if file is not None and (number or quota):
        raise Problem("With --from, numbers and quotas are columns of the file", 2)
    if file is not None:
        wanted = class_list.read(file.read_bytes(), str(file))
    else:
        wanted = [{"name": name, "quotas": class_list.quotas(quota or []), **({"id": number} if number else {})}]
    answer = service.access_here(data_dir, port).call("POST", "accounts", {"accounts": wanted})
    opened = answer["accounts"]
    if as_csv:
        lines = csv.DictWriter(sys.stdout, COLUMNS, extrasaction="ignore", lineterminator="\n")
        lines.writeheader()
        lines.writerows(opened)
    else:
        output.as_json(opened[0] if file is None else opened)


@app.command("list")
def list_all(port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """List all accounts with the quotas that hold for them."""
    accounts = service.access_here(data_dir, port).call("GET", "accounts")["accounts"]
    if json:
        output.as_json(accounts)
        return
    rows = [
        [one["name"], one["account"], one["keys"], one["storage_bytes"], _quotas(one["quotas"]), one["created_at"]]
        for one in accounts
    ]
    output.as_table(["name", "account", "keys", "bytes stored", "quotas", "created"], rows)


@app.command("quota")
def set_quota(
    name: Annotated[str, typer.Argument(help="The account's name or number.")],
    changes: Annotated[list[str], typer.Argument(help="name=value: a number, none (no limit) or default.")],
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """Change quotas of an account: tasks_queued, jobs_running, storage_bytes."""
    path = f"accounts/{quote(name, safe='')}/quotas"
    changed = service.access_here(data_dir, port).call("PUT", path, {"quotas": class_list.quotas(changes)})
    if json:
        output.as_json(changed)
    else:
        typer.echo(f"{changed['name']}: {_quotas(changed['quotas'])}")


@app.command()
def usage(
    name: Annotated[str | None, typer.Argument(help="The account's name or number.  [default: all]")] = None,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """What an account, or each of all, has used since it exists."""
    access = service.access_here(data_dir, port)
    found: Any = access.call("GET", "usage" if name is None else f"usage/{quote(name, safe='')}")
    if json:
        output.as_json(found["usage"] if name is None else found)
        return
    rows = [
        [
            one["name"],
            *(sum(one["tasks"].values()), one["tasks_queued"], one["tasks"].get("FAILED", 0), one["shots"]),
            f"{one['task_seconds']:.1f}",
            *(sum(one["jobs"].values()), f"{one['job_seconds']:.1f}", one["storage_bytes"]),
        ]
        for one in (found["usage"] if name is None else [found])
    ]
    columns = ["account", "tasks", "queued", "failed", "shots", "task seconds", "jobs", "job seconds", "bytes stored"]
    output.as_table(columns, rows)


def _quotas(quotas: dict[str, int | None]) -> str:
    return " ".join(f"{name}={most}" for name, most in quotas.items() if most is not None) or "none"
