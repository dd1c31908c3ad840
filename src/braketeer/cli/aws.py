"""``braketeer aws``: the real AWS CLI, pointed at the service."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys

import typer

from braketeer.cli import service
from braketeer.cli.problems import Problem


def aws(context: typer.Context) -> None:
    """Run the real AWS CLI against the service: braketeer aws braket search-jobs --filters '[]'.

    The service is that of AWS_ENDPOINT_URL, with the keys beside it, else the one of the data directory.
    """
    command = [*aws_command(), *context.args]
    environment = service.access_here().environment()
    sys.stdout.flush()
    os.execvpe(command[0], command, environment)  # noqa: S606 - the very point: become the AWS CLI


def aws_command() -> list[str]:
    """How the AWS CLI is started: the one of this environment, else the one of the PATH."""
    if importlib.util.find_spec("awscli") is not None:
        return [sys.executable, "-m", "awscli"]
    found = shutil.which("aws")
    if found is None:
        raise Problem("The AWS CLI is not installed: `make setup` installs it, or pip install awscli", 127)
    return [found]
