"""The command line, one file a command group. It speaks HTTP to a running service, except ``serve`` and ``doctor``."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from braketeer import __version__
from braketeer.cli import (
    account,
    audit,
    aws,
    clock,
    cost,
    demo,
    device,
    doctor,
    env,
    events,
    fault,
    job,
    key,
    queue,
    reservation,
    run,
    serve,
    webhook,
)
from braketeer.cli.problems import Problem
from braketeer.config import SettingError

app = typer.Typer(
    name="braketeer",
    help="The quantum computing service you run yourself: it answers the Amazon Braket API on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
app.command()(serve.serve)
app.command()(env.env)
app.command(context_settings={"allow_interspersed_args": False})(run.run)
app.command(context_settings=PASS_ON)(aws.aws)
app.command()(demo.demo)
app.command()(doctor.doctor)
app.add_typer(account.app, name="account")
app.add_typer(key.app, name="key")
app.add_typer(clock.app, name="clock")
app.add_typer(fault.app, name="fault")
app.command()(events.events)
app.add_typer(webhook.app, name="webhook")
app.add_typer(device.app, name="device")
app.add_typer(job.app, name="job")
app.command()(audit.audit)
app.command()(cost.cost)
app.add_typer(reservation.app, name="reservation")
app.command()(queue.queue)
app.command()(queue.why)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run the command; a problem is one line on standard error and exit code 1 (2 where it was asked for wrongly)."""
    try:
        app()
    except Problem as problem:
        _end(str(problem), problem.exit_code)
    except SettingError as problem:
        _end(str(problem), 2)
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename is not None else ""
        _end(f"{where}{problem.strerror or problem}", 1)


def _end(message: str, exit_code: int) -> NoReturn:
    print(f"braketeer: {message}", file=sys.stderr)
    sys.exit(exit_code)
