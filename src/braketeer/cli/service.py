"""A running service as the command line sees it: where it is, with which key, and how to start one for a while."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from braketeer.cli.problems import Problem
from braketeer.config import DEFAULT_HOST, DEFAULT_PORT, Settings, default_data_dir

START_SECONDS = 60.0
END_OF_JOB_SECONDS = 10.0  # that the service waits for a job's results beyond its grace
STOP_SECONDS = 20.0  # for everything else: open requests, workers, the database
CALL_SECONDS = 60.0  # that a call of the operator's API may take
REGION = "us-east-1"
CLEARED = ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN")


@dataclass(frozen=True, slots=True)
class Access:
    """An address and a key: what a client needs."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    region: str = REGION

    def variables(self) -> dict[str, str]:
        """The environment of an unmodified AWS client."""
        token = {} if self.session_token is None else {"AWS_SESSION_TOKEN": self.session_token}
        return token | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "BRAKET_PRICE_OFFERS_URL": f"{self.endpoint}/_braketeer/prices.csv",
        }

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """What the operator's API answers, as in ``call("POST", "accounts", {...})``.

        ``path`` is below ``/_braketeer/``; what is not plain in it is quoted: ``f"costs/{quote(arn, safe='')}"``.

        Problem with the service's own words where it refuses, and where it is not there.
        """
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        data = b"" if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        url = f"{self.endpoint}/_braketeer/{path}"
        signed = AWSRequest(method, url, headers, data)
        key = Credentials(self.access_key_id, self.secret_access_key, self.session_token)
        SigV4Auth(key, "braketeer", self.region).add_auth(signed)
        request = urllib.request.Request(url, data or None, dict(signed.headers), method=method)  # noqa: S310 - http
        try:
            with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:  # noqa: S310 - http
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            raise Problem(_words_of(refusal)) from None
        except (OSError, ValueError, http.client.HTTPException) as trouble:
            reason = getattr(trouble, "reason", None) or trouble
            raise Problem(f"The service at {self.endpoint} does not answer ({reason}): is it running?") from None

    def environment(self) -> dict[str, str]:
        """This process's environment with the variables set, and what would get in their way taken out."""
        kept = {name: value for name, value in os.environ.items() if name not in CLEARED}
        return kept | self.variables()


class Signalled(SystemExit):
    """A signal has asked this process to end; unlike the signal, it lets every ``finally`` have its turn."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


def access(data_dir: Path | None, port: int | None, account: str = "default") -> Access:
    """Address and key of the service of a data directory; Problem where it was never started."""
    folder = data_dir or default_data_dir()
    path = folder / "credentials.json"
    try:
        key = json.loads(path.read_bytes())[account]
        return Access(_endpoint(folder, port), str(key["access_key_id"]), str(key["secret_access_key"]))
    except FileNotFoundError as missing:
        raise Problem(f"There is no service in {folder} yet: start it with `braketeer serve`") from missing
    except KeyError as missing:
        raise Problem(f"{path} has no credentials of account '{account}'") from missing
    except (ValueError, TypeError) as broken:
        raise Problem(f"{path} cannot be read as credentials: {broken}") from broken


def access_here(data_dir: Path | None = None, port: int | None = None) -> Access:
    """As ``access`` where an option says which service; else that of AWS_ENDPOINT_URL, else the default one.

    The keys of the environment go with its AWS_ENDPOINT_URL only: on their own they are likely those of a cloud.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
    if data_dir is not None or port is not None or not endpoint:
        return access(data_dir, port)
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    region = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION") or REGION
    if key_id and secret:
        return Access(endpoint, key_id, secret, os.environ.get("AWS_SESSION_TOKEN") or None, region)
    try:
        return replace(access(None, None), endpoint=endpoint, region=region)
    except Problem as problem:
        raise Problem(f"AWS_ENDPOINT_URL is {endpoint}, but there are no AWS keys beside it. {problem}") from problem


def _words_of(refusal: urllib.error.HTTPError) -> str:
    """What the service says, or the bare status where something else has answered."""
    try:
        return str(json.load(refusal)["message"])
    except (OSError, ValueError, LookupError, TypeError):
        return f"The service answers {refusal.code} {refusal.reason}"


def is_healthy(endpoint: str) -> Mapping[str, object] | None:
    """The health document of a service that answers, else None."""
    try:
        with urllib.request.urlopen(f"{endpoint}/_braketeer/health", timeout=5) as answer:  # noqa: S310 - http
            document = json.load(answer)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return document if isinstance(document, dict) and document.get("status") == "ok" else None


@contextlib.contextmanager
def started(*options: str, data_dir: Path | None = None) -> Iterator[tuple[Access, Path]]:
    """A service of one's own on a free port, stopped (with its jobs) at the end; yields its access and data directory.

    Without ``data_dir`` it gets a fresh directory that is removed again. Within the block SIGTERM and SIGHUP raise
    Signalled. Should this process be killed without a chance, the service stops by itself.
    """
    settings = Settings.of(data_dir=data_dir)  # what the service would refuse is refused here, in one line
    with contextlib.ExitStack() as stack:
        stack.enter_context(_signals_raise())
        if data_dir is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="braketeer-")))
        else:
            folder = settings.data_dir
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        theirs, ours = os.pipe()  # nobody writes: that our end is open is the news
        stack.callback(os.close, ours)
        command = [sys.executable, "-m", "braketeer", "serve", "--port", "0", "--stop-jobs", "--data-dir", str(folder)]
        command += ["--stop-with-fd", str(theirs), *options]
        log_path = folder / "service.log"
        environment = dict(os.environ)
        if data_dir is None:  # a database would outlive this directory, and belong to no other
            environment.pop("BRAKETEER_DATABASE", None)
        try:
            with log_path.open("ab") as log:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(theirs,),
                    env=environment,
                )
        finally:
            os.close(theirs)
        stack.callback(_stop, process, stop_seconds(settings.job_grace_seconds))
        _wait_until_ready(process, folder, log_path)
        yield access(folder, None), folder


def stop_seconds(grace_seconds: float) -> float:
    """The longest that a service takes to stop with its jobs: they are asked to end, and waited for, twice."""
    return 2 * (grace_seconds + END_OF_JOB_SECONDS) + STOP_SECONDS


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """The first SIGTERM or SIGHUP raises Signalled, later ones do nothing. One ignored before (nohup) stays so."""
    ours = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]

    def end(number: int, _: object) -> None:
        for each in ours:
            signal.signal(each, lambda *_: None)
        raise Signalled(number)

    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    process.terminate()
    try:
        process.wait(seconds)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):  # too long, for us or for whoever waits for us
        process.kill()
        process.wait()
        print("braketeer: the service was killed before it had stopped", file=sys.stderr)


def _wait_until_ready(process: subprocess.Popen[bytes], folder: Path, log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Problem(f"The service did not start:\n{log_path.read_text(errors='replace')[-4000:]}")
        with contextlib.suppress(OSError, ValueError, KeyError):
            document = json.loads((folder / "service.json").read_bytes())
            if document["pid"] == process.pid and is_healthy(document["endpoint"]):
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
