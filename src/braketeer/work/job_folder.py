"""The folder of a running job: what the supervisor and the runner tell each other through files.

Neither needs the other to be alive. The supervisor writes the specification and requests to stop; the runner writes
progress, log lines and at the end the status. Both write whole files (temporary name, then rename) or append whole
lines. The lock is the proof that a runner lives: the supervisor takes it and the runner inherits it, so there is no
moment between the start of a runner and its lock.

    spec.json          what to run, with the job's credentials; mode 0600
    lock               held by the runner as long as it lives
    progress.jsonl     {"event", "message", "at"}, a line each; a line that a full disk has torn is nothing
    endpoint           where the service is that follows the job, if it is no longer the one of the specification
    stop.json          {"reason"}: the supervisor asks the runner to end the job
    status.json        how it ended; the runner's last word
    logs/algo-1.log    "{epoch ms}\\t{text}\\n", a record each
    ml/                becomes /opt/ml for the job;  checkpoints/, tmp/ and home/ likewise
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# Why a runner may be asked to end its job.
CANCEL, MAX_RUNTIME, SERVICE_STOPPED = "cancel", "max-runtime", "service-stopped"

KEPT_SECONDS = 7 * 86400  # the folder of a job whose results could not be brought to S3
_LAST_WORDS = 8192


@dataclass(frozen=True, slots=True)
class Credentials:
    """Temporary keys of the job's account; they end with the job."""

    access_key_id: str
    secret_access_key: str
    session_token: str


@dataclass(frozen=True, slots=True)
class JobSpec:
    """All that a runner knows. ``request`` holds CreateJob's members; times are seconds, sizes bytes.

    ``host_count`` hosts have ``host_cpus`` cores (0: all) and ``host_memory_bytes`` each, and ``memory_bytes``
    together. ``own_network``: the job reaches nothing but the service. ``layers`` is where the packages of the
    account's jobs are kept. ``warning`` is told its owner. ``image``, where it is no interpreter of this machine, is
    run by ``engine``, podman or docker, if there is one.
    """

    job_id: str
    job_arn: str
    job_name: str
    job_token: str
    account: str
    region: str
    endpoint: str
    credentials: Credentials
    request: dict[str, Any]
    python: str
    sandbox: str
    shown: list[str]
    hidden: list[str]
    run_seconds: float
    grace_seconds: float
    patience_seconds: float
    memory_bytes: int
    disk_bytes: int
    most_processes: int
    host_count: int = 1
    host_cpus: int = 0
    host_memory_bytes: int = 0
    own_network: bool = False
    layers: str = ""
    install_seconds: float = 600.0
    install_environment: dict[str, str] = field(default_factory=dict)
    warning: str | None = None
    engine: str = ""
    image: str | None = None

    @property
    def hosts(self) -> list[str]:
        """The names of the job's hosts; the first leads."""
        return [f"algo-{number}" for number in range(1, self.host_count + 1)]

    @classmethod
    def from_json(cls, text: str) -> JobSpec:
        members = json.loads(text)
        return cls(**{**members, "credentials": Credentials(**members["credentials"])})


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended. ``saved`` is False where results or checkpoints could not be brought to S3."""

    outcome: str  # COMPLETED, FAILED or CANCELLED
    reason: str | None
    ended_at: int  # real time, epoch milliseconds
    events: list[list[str]]  # [event type, message] to show before the outcome's own
    saved: bool = True
    last_lines: list[str] = field(default_factory=list)  # of a script that has failed


def forced_ending(why: str, run_seconds: int) -> Ending:
    """How a job ends that is ended before its time: one of the three reasons, or a sentence for its owner."""
    if why == CANCEL:
        return Ending("CANCELLED", None, now_ms(), [])
    if why == MAX_RUNTIME:
        reason = f"The job ran longer than its maxRuntimeInSeconds of {run_seconds}"
        return Ending("FAILED", reason, now_ms(), [["MAX_RUNTIME_EXCEEDED", f"{reason}."]])
    if why == SERVICE_STOPPED:
        why = "The service was stopped and ended its jobs"
    return Ending("FAILED", why, now_ms(), [])


@dataclass(frozen=True, slots=True)
class HostFolder:
    """What one host of a job has for itself."""

    name: str
    ml: Path
    home: Path
    tmp: Path


class JobFolder:
    """One job's folder, and its files by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ml = path / "ml"
        self.checkpoints = path / "checkpoints"
        self.logs = path / "logs"
        self.progress = path / "progress.jsonl"
        self.heartbeat = path.parent / "heartbeat"
        self.etc_hosts = path / "etc-hosts"

    def host(self, name: str) -> HostFolder:
        """The folder of the host ``algo-N``."""
        top = self.path if name == "algo-1" else self.path / "hosts" / name
        return HostFolder(name, top / "ml", top / "home", top / "tmp")

    def create(self) -> None:
        """Make the folder as it must be before a runner starts; what an earlier try left is kept."""
        for folder in (self.path, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write_spec(self, spec: JobSpec) -> None:
        write_whole(self.path / "spec.json", json.dumps(asdict(spec)))

    def read_spec(self) -> JobSpec:
        return JobSpec.from_json((self.path / "spec.json").read_text())

    def move_to(self, endpoint: str) -> None:
        """Tell the runner which service follows the job now."""
        write_whole(self.path / "endpoint", endpoint)

    def endpoint(self) -> str:
        """Where the service is."""
        try:
            return (self.path / "endpoint").read_text()
        except FileNotFoundError:
            return self.read_spec().endpoint

    def ask_to_stop(self, reason: str) -> None:
        """Ask the runner to end the job: CANCEL, MAX_RUNTIME or SERVICE_STOPPED. The first request holds."""
        if self.path.is_dir() and self.stop_reason() is None:
            write_whole(self.path / "stop.json", json.dumps({"reason": reason}))

    def stop_reason(self) -> str | None:
        reason = _members(self.path / "stop.json").get("reason")
        return None if reason is None else str(reason)

    def end(self, ending: Ending) -> None:
        write_whole(self.path / "status.json", json.dumps(asdict(ending)))

    def ending(self) -> Ending | None:
        """How the job ended, or None as long as the runner has not said so in a way that can be read."""
        try:
            return Ending(**_members(self.path / "status.json"))
        except TypeError:
            return None

    def was_begun(self) -> bool:
        """Whether a runner has begun its work: then no other may begin it again."""
        return self.progress.exists()

    def add_progress(self, event: str, message: str) -> None:
        line = json.dumps({"event": event, "message": message, "at": now_ms()})
        with self.progress.open("a+b") as file:
            if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                line = f"\n{line}"  # a full disk has torn the line before
            file.write(f"{line}\n".encode())

    def log_files(self) -> list[Path]:
        """One file a host, in the order of the hosts' names."""
        return sorted(self.logs.glob("*.log"))

    def take_lock(self) -> int | None:
        """A descriptor that holds the lock, or None where a living process holds it."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def runner_lives(self) -> bool:
        """Whether some process holds the lock."""
        if not (self.path / "lock").exists():
            return False
        descriptor = self.take_lock()
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def runner_output(self) -> str:
        """The end of what the runner itself printed, which is nothing unless something is broken."""
        try:
            with (self.path / "runner.log").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_WORDS))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def remove(self) -> None:
        """Remove the folder with all that is in it, however deep a job has nested it."""
        subprocess.run(["rm", "-rf", "--", os.fspath(self.path)], check=False)

    def forget_secrets(self) -> None:
        for path in (self.path / "spec.json", *self.path.glob("variables-*")):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def parse_progress(data: bytes) -> list[tuple[str, str, int]]:
    """The (event, message, real epoch ms) of whole lines of progress.jsonl; what is none of ours is passed over."""
    found = []
    for line in data.splitlines():
        try:
            members = json.loads(line)
            found.append((str(members["event"]), str(members["message"]), int(members["at"])))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def write_whole(path: Path, text: str) -> None:
    """Write a file that is either there completely or not at all, readable by its owner only."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def now_ms() -> int:
    """Real time; whoever shows it converts it to service time."""
    return time.time_ns() // 1_000_000


def _members(path: Path) -> dict[str, Any]:
    """The members of a JSON file; none where there is no file or no object in it."""
    try:
        members = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return members if isinstance(members, dict) else {}
