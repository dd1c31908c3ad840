"""``braketeer job``: what a hybrid job prints, what has happened to it, what it measures; a shell beside its script."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from braketeer.cli import output, service
from braketeer.cli.account import DATA_DIR, JSON, PORT
from braketeer.cli.problems import Problem

app = typer.Typer(help="Look into hybrid jobs.", no_args_is_help=True)

ARN = Annotated[str, typer.Argument(help="ARN of the hybrid job.")]

_GROUP = "/aws/braket/jobs"
_FINAL = ("COMPLETED", "FAILED", "CANCELLED")
_LOOK_SECONDS = 0.3
# What a job's process says of its variables may be anything, and nsenter, which gets them, is outside of the sandbox:
# none that a program or its loader goes by (LD_PRELOAD, GCONV_PATH) is taken over.
_KEPT = re.compile(r"(AMZN_BRAKET|AWS|BRAKET|BRAKETEER|MASTER|SM)_|(HOME|PATH|PYTHONPATH|TMPDIR)$")
# As the SDK's log_metric prints them: "Metrics - timestamp=...; name=value; iteration_number=...;".
_METRIC = re.compile(r"([^\s=;]+)=([^;]*);")


@app.command()
def logs(
    arn: ARN,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    port: PORT = None,
    data_dir: DATA_DIR = None,
) -> None:
    """Print what the job has printed, of several hosts each line with its host's name."""
    job = _Job(arn, data_dir, port)
    for line in job.lines(follow=follow):
        typer.echo(output.plain(line).replace("\\t", "    "))


@app.command()
def events(arn: ARN, port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """Show what has happened to the job; of one that has failed also its script's last lines."""
    found = _Job(arn, data_dir, port).get()
    rows = [
        (f"{event['timeOfEvent']:%Y-%m-%d %H:%M:%S}", event["eventType"], event["message"]) for event in found["events"]
    ]
    if json:
        names = ("time", "event", "message")
        output.as_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    for moment, event, message in rows:
        first, *more = message.split("\n")
        typer.echo(f"{moment}  {event:<22} {output.plain(first)}")
        for line in more:
            typer.echo(f"    {output.plain(line)}")


@app.command()
def metrics(arn: ARN, port: PORT = None, data_dir: DATA_DIR = None, json: JSON = False) -> None:
    """Show what the job has measured with log_metric, a line a measurement."""
    found = [values for line in _Job(arn, data_dir, port).lines(follow=False) if (values := metric(line))]
    if json:
        output.as_json(found)
        return
    columns = list(dict.fromkeys(name for values in found for name in values))
    output.as_table(columns, [[values.get(column) for column in columns] for values in found])


@app.command()
def shell(
    arn: ARN,
    host: Annotated[str, typer.Option(help="The host, of a job that has several.")] = "algo-1",
    port: PORT = None,
    data_dir: DATA_DIR = None,
) -> None:
    """Open a shell beside the script of a running job, with its files and variables; on the service's machine only.

    It is kept in as the script is: it sees what that sees. Commands may be piped into it.
    """
    job = _Job(arn, data_dir, port)
    status = job.get()["status"]
    if status != "RUNNING":
        raise Problem(f"The job is {status}: there is a shell only while it is RUNNING")
    process = _script_of(job.id, host)
    if process is None:
        raise Problem(f"No process of {host} of this job is on this machine")
    command, environment, place = beside(process)
    sys.stdout.flush()
    os.chdir(place)
    os.execvpe(command[0], command, environment)  # noqa: S606 - the very point: become the shell


def metric(line: str) -> dict[str, str] | None:
    """The values of a line that log_metric has printed; None for any other line."""
    head, found, rest = line.partition("Metrics - ")
    if not found or (head and not re.fullmatch(r"\[algo-\d+\] ", head)):
        return None
    return {name: value.strip() for name, value in _METRIC.findall(rest)} or None


class _Job:
    """A job as AWS's own operations tell of it: any key of its account can look."""

    def __init__(self, arn: str, data_dir: Any, port: int | None) -> None:
        import botocore.session

        parts = arn.split(":")
        if len(parts) != 6 or not parts[5].startswith("job/"):
            raise Problem(f"'{arn}' is not the ARN of a hybrid job", 2)
        self.arn, self.id = arn, parts[5].removeprefix("job/")
        access = service.access_here(data_dir, port)
        session = botocore.session.Session()
        session.set_credentials(access.access_key_id, access.secret_access_key, access.session_token)
        made = {
            name: session.create_client(name, parts[3], endpoint_url=access.endpoint) for name in ("braket", "logs")
        }
        self._braket: Any = made["braket"]
        self._logs: Any = made["logs"]

    def get(self) -> Mapping[str, Any]:
        """GetJob's answer; Problem in the service's words."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: Mapping[str, Any] = self._braket.get_job(jobArn=self.arn)
        except ClientError as refusal:
            raise Problem(str(refusal.response["Error"]["Message"])) from None
        except BotoCoreError as trouble:
            raise Problem(str(trouble)) from None
        return answer

    def lines(self, *, follow: bool) -> Iterator[str]:
        """The log's lines, each host's in order; those that are still to come too, until the job has ended."""
        tokens: dict[str, str] = {}
        while True:
            job = self.get()
            several = (job["instanceConfig"].get("instanceCount") or 1) > 1
            for stream in self._streams(job["jobName"]):
                prefix = f"[{stream.rpartition('/')[2].rpartition('-')[0]}] " if several else ""
                for line in self._read(stream, tokens):
                    yield prefix + line
            if not follow or job["status"] in _FINAL:
                return
            time.sleep(_LOOK_SECONDS)

    def _streams(self, name: str) -> list[str]:
        try:
            pages = self._logs.get_paginator("describe_log_streams").paginate(
                logGroupName=_GROUP, logStreamNamePrefix=f"{name}/{self.id}/"
            )
            return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
        except self._logs.exceptions.ResourceNotFoundException:
            return []  # nothing has been printed yet

    def _read(self, stream: str, tokens: dict[str, str]) -> Iterator[str]:
        while True:
            token = {"nextToken": tokens[stream]} if stream in tokens else {}
            page = self._logs.get_log_events(logGroupName=_GROUP, logStreamName=stream, startFromHead=True, **token)
            tokens[stream] = page["nextForwardToken"]
            if not page["events"]:
                return
            yield from (event["message"] for event in page["events"])


def _script_of(job_id: str, host: str) -> int | None:
    """The newest process of a job's host here that runs its harness: its script, or what waits for it."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "cmdline", "create_time"]):
        try:
            variables = process.environ()
        except (psutil.Error, OSError):
            continue
        ours = variables.get("BRAKETEER_JOB_ID") == job_id and variables.get("SM_CURRENT_HOST") == host
        if ours and any(word.endswith("braket_container.py") for word in process.info["cmdline"] or ()):
            found.append((process.info["create_time"], process.info["pid"]))
    return max(found)[1] if found else None


def beside(pid: int) -> tuple[list[str], dict[str, str], str]:
    """How to start a shell where the process is: command, environment, folder.

    In its namespaces, as its user, so that the shell is kept in as the script is; a plain process has a plain shell.
    Of its environment those variables that jobs are given.
    """
    import psutil

    process = psutil.Process(pid)
    variables = process.environ()
    inside = os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")  # noqa: PTH115
    if not inside:
        return [_shell(), "-i"] if sys.stdin.isatty() else [_shell()], variables, process.cwd()
    if (program := shutil.which("nsenter")) is None:
        raise Problem("A shell in a job's sandbox needs nsenter (util-linux)")
    command = [program, "--target", str(pid), "--mount", "--pid", "--net", "--ipc", "--uts"]
    if os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user"):  # noqa: PTH115
        command += ["--user", "--preserve-credentials"]
    else:
        command += ["--setuid", str(process.uids().effective), "--setgid", str(process.gids().effective)]
    inner = ["/bin/sh", "-c", 'cd "$1"; shift; exec "$@"', "sh", process.cwd(), "/bin/sh"]
    kept = {name: value for name, value in variables.items() if _KEPT.match(name)}
    return [*command, "--", *inner, *(["-i"] if sys.stdin.isatty() else [])], kept, "/"


def _shell() -> str:
    return os.environ.get("SHELL") or "/bin/sh"
