"""What commands import and read first, done once, for ``tests.processes`` to fork from. It starts no thread."""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import awscli
import awscli.clidriver
import awscli.customizations.s3.s3handler
import awscli.customizations.s3.subcommands
import botocore.session

import braketeer.cli
import braketeer.server
from braketeer.aws.model import Api

DATA = os.fspath(Path(awscli.__file__).parent / "data")


def _aws() -> int:
    os.environ["AWS_DATA_PATH"] = DATA  # importing it has set that, in another environment
    return int(awscli.clidriver.main())


COMMANDS: dict[str, Callable[[], int | None]] = {"braketeer": braketeer.cli.main, "aws": _aws}

botocore.session.create_loader = functools.cache(botocore.session.create_loader)
for name in ("braket", "ecr", "iam", "logs", "pricing", "s3", "sts"):
    Api.load(name)
    botocore.session.create_loader(DATA).load_service_model(name, "service-2")
for words in (["braketeer", "version"], ["aws", "--version"]):
    with (
        mock.patch.object(sys, "argv", words),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.suppress(SystemExit),
    ):
        COMMANDS[words[0]]()
gc.collect()
gc.freeze()  # so that what the processes share stays shared
