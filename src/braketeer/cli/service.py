"""A running service as the command line sees it: where it is, with which key, and how to start one for a while."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from braketeer.cli.problems import Problem
from braketeer.config import DEFAULT_HOST, DEFAULT_PORT, default_data_dir

START_SECONDS = 60.0
STOP_SECONDS = 30.0
REGION = "us-east-1"
CLEARED = ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN")


@dataclass(frozen=True, slots=True)
class Access:
    """An address and a key: what a client needs."""

    endpoint: str
    access_key_id: str
    secret_access_key: str

    def variables(self) -> dict[str, str]:
        """The environment of an unmodified AWS client."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "BRAKET_PRICE_OFFERS_URL": f"{self.endpoint}/_braketeer/prices.csv",
        }

    def environment(self) -> dict[str, str]:
        """This process's environment with the variables set, and what would get in their way taken out."""
        kept = {name: value for name, value in os.environ.items() if name not in CLEARED}
        return kept | self.variables()


def access(data_dir: Path | None, port: int | None, account: str = "default") -> Access:
    """Address and key of the service of a data directory; Problem where it was never started."""
    folder = data_dir or default_data_dir()
    try:
        key = json.loads((folder / "credentials.json").read_text())[account]
    except FileNotFoundError as missing:
        raise Problem(f"There is no service in {folder} yet: start it with `braketeer serve`") from missing
    except KeyError as missing:
        raise Problem(f"{folder} has no credentials of account '{account}'") from missing
    return Access(_endpoint(folder, port), key["access_key_id"], key["secret_access_key"])


def is_healthy(endpoint: str) -> Mapping[str, object] | None:
    """The health document of a service that answers, else None."""
    try:
        with urllib.request.urlopen(f"{endpoint}/_braketeer/health", timeout=5) as answer:  # noqa: S310 - http
            document = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return None
    return document if isinstance(document, dict) and document.get("status") == "ok" else None


@contextlib.contextmanager
def started(*options: str, data_dir: Path | None = None) -> Iterator[tuple[Access, Path]]:
    """A service of one's own on a free port, stopped (with its jobs) at the end; yields its access and data directory.

    Without ``data_dir`` it gets a fresh directory that is removed again.
    """
    with contextlib.ExitStack() as stack:
        folder = data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="braketeer-")))
        log_path = folder / "service.log"
        command = [sys.executable, "-m", "braketeer", "serve", "--port", "0", "--stop-jobs", "--data-dir", str(folder)]
        with log_path.open("ab") as log:
            process = subprocess.Popen([*command, *options], stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_until_ready(process, folder, log_path)
            yield access(folder, None), folder
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], folder: Path, log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Problem(f"The service did not start:\n{log_path.read_text(errors='replace')[-4000:]}")
        document = folder / "service.json"
        if document.exists():
            with contextlib.suppress(ValueError):
                if is_healthy(json.loads(document.read_text())["endpoint"]):
                    return
        time.sleep(0.02)
    raise Problem(f"The service was not ready within {START_SECONDS:.0f} s")


def _endpoint(folder: Path, port: int | None) -> str:
    if port is not None:
        return f"http://{DEFAULT_HOST}:{port}"
    try:
        return str(json.loads((folder / "service.json").read_text())["endpoint"])
    except (OSError, ValueError, KeyError):
        return f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
