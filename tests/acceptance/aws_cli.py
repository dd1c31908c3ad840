"""The AWS CLI as a command: version 1 of the virtual environment, or version 2 where the machine has one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from botocore import xform_name

from tests import processes
from tests.acceptance.members import braket_model
from tests.services import RunningService


@dataclass(frozen=True)
class AwsCli:
    """Call it with the words of a command line. Old versions 2 do not read AWS_ENDPOINT_URL, so these are told."""

    service: RunningService
    second: str | None = None

    @property
    def is_second(self) -> bool:
        return self.second is not None

    def __call__(self, *words: str) -> Any:
        """What the command prints, read if it is JSON; it must succeed."""
        done = self._run(words)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    def refused(self, *words: str) -> str:
        """What the command says on standard error; it must fail."""
        done = self._run(words)
        assert done.returncode != 0, f"{words}: {done.stdout}"
        return done.stderr

    def skeleton(self, operation: str) -> dict[str, Any] | None:
        """The request that ``--generate-cli-skeleton`` proposes; None for an operation that this version has not."""
        if not self.is_second:
            return _skeletons().get(operation)
        done = self._run(("braket", operation, "--generate-cli-skeleton", "yaml-input"))
        if "Invalid choice" in done.stderr:
            return None
        assert done.returncode == 0, done.stderr
        return yaml.safe_load(done.stdout) or {}

    def ask(self, operation: str, request: dict[str, Any], folder: Path) -> Any:
        """The answer to a whole request from a file: ``--cli-input-yaml`` where there is that, else the JSON one."""
        form = "yaml" if self.is_second else "json"
        path = folder / f"{operation}.{form}"
        path.write_text(yaml.safe_dump(request) if self.is_second else json.dumps(request))
        return self("braket", operation, f"--cli-input-{form}", f"file://{path}")

    def _run(self, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        environment = self.service.access.environment() | {"AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1"}
        if self.second is None:
            return processes.run(["aws", *words], environment, timeout=120)
        command = [self.second, *words, "--endpoint-url", self.service.access.endpoint]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


@cache
def _skeletons() -> dict[str, dict[str, Any]]:
    """Version 1's skeletons of all Braket operations, by one process instead of seventeen."""
    names = [xform_name(name, "-") for name in braket_model().operation_names]
    script = (
        "import sys\nfrom awscli.clidriver import create_clidriver\n"
        "for name in sys.argv[1:]: create_clidriver().main(['braket', name, '--generate-cli-skeleton'])\n"
    )
    environment = os.environ | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": ""}
    printed = subprocess.run(
        [sys.executable, "-c", script, *names], env=environment, capture_output=True, text=True, check=True, timeout=120
    ).stdout
    found, place = [], 0
    while place < len(printed.rstrip()):
        skeleton, end = json.JSONDecoder().raw_decode(printed, place)
        found.append(skeleton)
        place = end + 1
    return dict(zip(names, found, strict=True))


@cache
def second_version() -> str | None:
    """Where a version 2 of the AWS CLI is: BRAKETEER_TEST_AWS2, or one of the usual places."""
    for path in (os.environ.get("BRAKETEER_TEST_AWS2"), "/usr/local/bin/aws", "/usr/bin/aws"):
        if path and Path(path).exists():
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=120).stdout
            if said.startswith("aws-cli/2."):
                return path
    return None
