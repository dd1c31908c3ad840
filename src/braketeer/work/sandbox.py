"""Puts a job into a world of its own: bubblewrap where it works, else a plain process that is watched.

What a sandboxed job sees is composed from an allow-list, never the machine's root with holes in it: system folders,
the interpreter and its packages (all read-only), its own /opt/ml, home, /tmp and checkpoint folder. The data directory,
other jobs and everybody's home are not there. It has its own process space, which ends with its first process, and
dies with the runner.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from braketeer.domain.jobs import DEFAULT_CHECKPOINT_PATH
from braketeer.work.job_environment import SeenPaths
from braketeer.work.job_folder import HostFolder, JobFolder

if TYPE_CHECKING:
    import psutil

Name = Literal["bubblewrap", "bubblewrap-user", "none"]

NOBODY = 65534
PROBE_SECONDS = 20.0
PACKAGES = "/opt/packages"  # where a job finds what its requirements.txt brought
SHARED_MEMORY_BYTES = 1 << 30

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = (
    "alternatives", "ca-certificates", "ca-certificates.conf", "fonts", "group", "host.conf", "hosts", "ld.so.cache",
    "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "passwd", "pki/ca-trust", "pki/tls/certs",
    "protocols", "resolv.conf", "services", "ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf", "timezone",
)  # fmt: skip
# Where a checkpoint folder may not be put: it would hide what the job needs.
_RESERVED = (
    *_SYSTEM,
    "/dev",
    "/etc",
    "/proc",
    "/sys",
    "/run",
    "/boot",
    "/opt/ml/code",
    "/opt/ml/input",
    "/opt/ml/output",
    "/home/job/.local",  # an interpreter begins with code from there, before it is nobody
)

# No interpreter is shown if it needs one of these: they hold what jobs must not see.
_TOO_MUCH = ("/", "/boot", "/etc", "/home", "/mnt", "/opt", "/proc", "/root", "/run", "/srv", "/sys", "/tmp", "/var")  # noqa: S108


class SandboxError(Exception):
    """The job asks for what no sandbox gives. The text is meant for the job's owner."""


@dataclass(frozen=True, slots=True)
class SandboxChoice:
    """Which sandbox jobs run in, and why. ``name``: ``bubblewrap`` (started by root, the job runs as nobody),
    ``bubblewrap-user`` (in a user namespace) or ``none`` (no sandbox: rlimits and a watchdog only)."""

    name: Name
    reason: str

    @property
    def isolates(self) -> bool:
        """Whether jobs cannot see the service's files and other jobs."""
        return self.name != "none"


@dataclass(frozen=True, slots=True)
class Command:
    """What to start, and under which names the job knows its folders."""

    argv: list[str]
    extra_environment: dict[str, str]
    paths: SeenPaths


def choose(setting: str, python: str = sys.executable) -> SandboxChoice:
    """The sandbox for a setting: ``auto`` takes the strongest that works, ``bubblewrap`` insists, ``none`` takes none.

    SandboxError where it insists in vain, ValueError for another word.
    """
    if setting == "none":
        return SandboxChoice("none", "the setting says none")
    if setting not in {"auto", "bubblewrap"}:
        raise ValueError(f"'{setting}' is no sandbox: auto, bubblewrap and none are")
    choice = probe(python)
    if setting == "bubblewrap" and not choice.isolates:
        raise SandboxError(f"The sandbox bubblewrap cannot be used: {choice.reason}")
    return choice


@lru_cache(maxsize=8)
def probe(python: str = sys.executable) -> SandboxChoice:
    """The strongest sandbox that really starts ``python`` here; takes 20 to 100 ms, once."""
    if sys.platform != "linux":
        return SandboxChoice("none", f"bubblewrap needs Linux, this is {sys.platform}")
    if shutil.which("bwrap") is None:
        return SandboxChoice("none", "bubblewrap (bwrap) is not installed")
    names: tuple[Name, ...] = ("bubblewrap", "bubblewrap-user") if os.getuid() == 0 else ("bubblewrap-user",)
    problem = ""
    for name in names:
        problem = _try(name, python)
        if not problem:
            who = "nobody" if name == "bubblewrap" else "an unprivileged user namespace"
            return SandboxChoice(name, f"a trial run of bubblewrap as {who} succeeded")
    return SandboxChoice("none", f"a trial run of bubblewrap failed: {problem}")


def command(
    name: str,
    folder: JobFolder,
    host: HostFolder,
    python: str,
    arguments: Sequence[str],
    local_path: str | None,
    shown: Sequence[str],
    hidden: Sequence[str],
    packages: str | None = None,
) -> Command:
    """How to start the harness of a host in the sandbox ``name`` (see SandboxChoice).

    ``local_path`` is where the job wants its checkpoints, ``shown`` are the interpreter's folders, ``hidden`` folders
    that must not be seen even if they lie below one that is shown, ``packages`` what its requirements.txt brought.
    SandboxError where the path cannot be given.
    """
    if name == "none":
        paths = plain_paths(folder, host)
        extra = {"BRAKETEER_PACKAGES": packages} if packages else {}
        return Command([python, f"{paths.ml}/code/braket_container.py", *arguments], extra, paths)
    checkpoints = checkpoint_path(local_path, shown)
    argv = [*bubblewrap(name, host.name), *_folder("/tmp", host.tmp), *_seen(shown, hidden)]  # noqa: S108
    argv += _folder("/home/job", host.home)
    argv += _folder("/opt/ml", host.ml)
    argv += ["--symlink", "/opt/ml", "/opt/braket"]
    argv += _folder(checkpoints, folder.checkpoints)
    if folder.etc_hosts.exists():
        argv += ["--ro-bind", os.fspath(folder.etc_hosts), "/etc/hosts"]
    environment = {"BRAKETEER_UID": str(NOBODY)} if name == "bubblewrap" else {}
    if packages:
        argv += [*_parents(PACKAGES), "--ro-bind", packages, PACKAGES]
        environment["BRAKETEER_PACKAGES"] = PACKAGES
    argv += ["--remount-ro", "/"]  # what is left is memory that nobody counts
    argv += ["--chdir", "/opt/ml/code", "--", python, "/opt/ml/code/braket_container.py", *arguments]
    return Command(argv, environment, SeenPaths(checkpoints=local_path or DEFAULT_CHECKPOINT_PATH))


def tool_command(
    name: str,
    argv: Sequence[str],
    readable: Mapping[str, Path],
    writable: Mapping[str, Path],
    shown: Sequence[str],
    hidden: Sequence[str],
) -> list[str]:
    """How to start a program of ours on files that a job brought: it sees these, by their names inside, little else.

    In the sandbox ``bubblewrap`` the program becomes nobody, who must own what is ``writable``. It has the machine's
    network, and begins in the first readable folder.
    """
    if name == "none":
        return list(argv)
    scratch = ["--perms", "1777", "--size", str(SHARED_MEMORY_BYTES), "--tmpfs", "/tmp"]  # noqa: S108
    command = [*bubblewrap(name, "tool"), *scratch, *_seen(shown, hidden)]
    command += [*_parents("/tool/program"), "--ro-bind", argv[0], "/tool/program"]
    for inside, path in readable.items():
        command += [*_parents(inside), "--ro-bind", os.fspath(path), inside]
    for inside, path in writable.items():
        command += _folder(inside, path)
    # setpriv is a part of util-linux, as su and mount are.
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if name == "bubblewrap" else []
    return [*command, "--remount-ro", "/", "--chdir", next(iter(readable)), "--", *become, "/tool/program", *argv[1:]]


def plain_paths(folder: JobFolder, host: HostFolder) -> SeenPaths:
    """Without a sandbox a job knows its folders by their real names."""
    ml, checkpoints = os.fspath(host.ml), os.fspath(folder.checkpoints)
    return SeenPaths(ml, ml, checkpoints, os.fspath(host.home), os.fspath(host.tmp))


def give_away(name: str, folder: JobFolder, hosts: Sequence[HostFolder]) -> None:
    """Make the hosts' folders, and hand them to the user that the job runs as."""
    for host in hosts:
        host.home.mkdir(exist_ok=True)
        host.tmp.mkdir(exist_ok=True)
        host.tmp.chmod(0o1777)
    for top in (folder.checkpoints, *(top for host in hosts for top in (host.ml, host.home))):
        give_to_nobody(name, top)


def give_to_nobody(name: str, top: Path) -> None:
    """Hand a tree to the user that the sandbox's programs run as, where that is another one."""
    if name != "bubblewrap":
        return
    os.chown(top, NOBODY, NOBODY)
    for where, folders, files in os.walk(top):
        for inner in (*folders, *files):
            os.chown(os.path.join(where, inner), NOBODY, NOBODY, follow_symlinks=False)  # noqa: PTH118


def terminate(name: str, process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM to the harness, which hands it on to the script."""
    import psutil  # noqa: PLC0415 - loading it would delay every job's first line

    target = psutil.Process(process.pid)
    with contextlib.suppress(psutil.Error, IndexError):
        if name != "none":
            # bwrap watches from outside, its second process is the first of the job's process space, then the harness.
            target = target.children()[0].children()[0]
        target.send_signal(signal.SIGTERM)


def kill(name: str, process: subprocess.Popen[bytes], job_id: str) -> None:
    """End the job's processes, all of them; returns when the first is gone."""
    process.kill()
    process.wait()
    if name == "none":
        kill_marked(job_id)


def kill_marked(job_id: str) -> None:
    """End the processes that a job without a sandbox has left: they are known by their environment."""
    import psutil  # noqa: PLC0415

    for _ in range(10):
        left = [process for process in psutil.process_iter() if _is_marked(process, job_id)]
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if not left:
            return


def _is_marked(process: psutil.Process, job_id: str) -> bool:
    import psutil  # noqa: PLC0415

    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get("BRAKETEER_JOB_ID") == job_id
    except (psutil.Error, OSError):
        return False


def checkpoint_path(local_path: str | None, shown: Sequence[str]) -> str:
    """The absolute path for checkpoints inside; SandboxError for one that would hide a part of the system."""
    path = posixpath.normpath(local_path or DEFAULT_CHECKPOINT_PATH)
    if not path.startswith("/") or "\0" in path:
        raise SandboxError(f"checkpointConfig.localPath '{local_path}' is not an absolute path")
    path = "/" + path.lstrip("/")
    if path == "/opt/braket" or path.startswith("/opt/braket/"):
        path = "/opt/ml" + path.removeprefix("/opt/braket")
    reserved = (*_RESERVED, *shown)
    inside = any(path == taken or path.startswith(f"{taken}/") for taken in reserved)
    around = any(taken.startswith(path.rstrip("/") + "/") for taken in (*reserved, "/opt/ml", "/tmp", "/home/job"))  # noqa: S108
    if inside or around or path in {"/opt/ml", "/opt/ml/model"}:
        raise SandboxError(f"checkpointConfig.localPath '{local_path}' is a path of the system")
    return path


def bubblewrap(name: str, hostname: str) -> list[str]:
    """The beginning of bwrap's command line: who the job is, and the system's folders."""
    argv = [shutil.which("bwrap") or "bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    argv += ["--die-with-parent", "--new-session", "--hostname", hostname]
    if name == "bubblewrap":
        argv += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        argv += ["--unshare-user", "--uid", str(os.getuid() or NOBODY), "--gid", str(os.getgid() or NOBODY)]
    return argv + _system_folders()


@lru_cache(maxsize=8)
def interpreter_folders(python: str) -> tuple[str, ...]:
    """What ``python`` needs beyond the system's folders: its prefixes and whatever else is on its path.

    (A package installed in editable mode is on the path by its source tree.) Asks the interpreter, once.
    """
    question = (
        "import os, sys; real = os.path.dirname(os.path.dirname(os.path.realpath(sys.executable)));"
        "print(*{real, sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path}, sep='\\n')"
    )
    told = subprocess.run([python, "-I", "-c", question], capture_output=True, text=True, check=True, timeout=60)
    wanted = {
        path for text in told.stdout.split("\n") if text.startswith("/") for path in (text, os.path.realpath(text))
    }
    folders: list[str] = []
    for path in sorted(wanted, key=len):
        known = any(Path(path).is_relative_to(other) for other in (*folders, *_SYSTEM))
        if not known and path not in _TOO_MUCH and os.path.isdir(path):  # noqa: PTH112
            folders.append(path)
    return tuple(folders)


def _seen(shown: Sequence[str], hidden: Sequence[str]) -> list[str]:
    """The interpreter's folders, without what nobody may see in them."""
    argv: list[str] = []
    for path in shown:
        argv += [*_parents(path), "--ro-bind", path, path]
    for path in map(os.path.realpath, hidden):
        if any(Path(path).is_relative_to(other) for other in (*shown, *_SYSTEM)):
            argv += ["--perms", "0700", "--tmpfs", path]
    return argv


def _system_folders() -> list[str]:
    argv = ["--perms", "0755", "--dir", "/etc"]
    for path in _SYSTEM:
        if os.path.islink(path):  # noqa: PTH114
            argv += ["--symlink", os.readlink(path), path]  # noqa: PTH115
        elif os.path.isdir(path):  # noqa: PTH112
            argv += ["--ro-bind", path, path]
    for name in _ETC:
        if os.path.exists(f"/etc/{name}"):  # noqa: PTH110
            argv += [*_parents(f"/etc/{name}"), "--ro-bind", f"/etc/{name}", f"/etc/{name}"]
    argv += ["--proc", "/proc", "--dev", "/dev"]
    argv += ["--perms", "1777", "--size", str(SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"]  # noqa: S108
    if os.path.isdir("/sys/devices/system"):  # noqa: PTH112
        argv += [*_parents("/sys/devices/system"), "--ro-bind", "/sys/devices/system", "/sys/devices/system"]
    return argv


def _folder(path: str, source: Path) -> list[str]:
    return [*_parents(path), "--bind", os.fspath(source), path]


def _parents(path: str) -> list[str]:
    """Folders above ``path``: bwrap would make them readable by root only."""
    parts = path.strip("/").split("/")[:-1]
    argv: list[str] = []
    for count in range(1, len(parts) + 1):
        argv += ["--perms", "0755", "--dir", "/" + "/".join(parts[:count])]
    return argv


def _try(name: Name, python: str) -> str:
    """Start the interpreter as a job's is started; "" if that works, else what went wrong."""
    import tempfile  # noqa: PLC0415 - runners load this file, and do not try

    with tempfile.TemporaryDirectory() as place:
        folder = JobFolder(Path(place) / "job")
        folder.create()
        host = folder.host("algo-1")
        (folder.ml / "code").mkdir(parents=True)
        folder.checkpoints.mkdir()
        script = folder.ml / "code" / "braket_container.py"
        script.write_text(_TRIAL)
        for readable in (folder.ml, folder.ml / "code", script):
            readable.chmod(0o755)  # as a runner makes them, whatever this process's umask is
        give_away(name, folder, [host])
        try:
            trial = command(name, folder, host, python, [], None, interpreter_folders(python), [])
            ran = subprocess.run(
                trial.argv,
                env=_bare(trial.extra_environment),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PROBE_SECONDS,
                check=False,
            )
        except (OSError, SandboxError, subprocess.SubprocessError) as problem:
            return str(problem)
    if ran.returncode == 0 and ran.stdout.strip() == "ok":
        return ""
    return (ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"])[-1]


def _bare(extra: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", **extra}


_TRIAL = """
import os
if "BRAKETEER_UID" in os.environ:
    os.setgroups([]); os.setgid(int(os.environ["BRAKETEER_UID"])); os.setuid(int(os.environ["BRAKETEER_UID"]))
import json, socket, sys
open("/opt/ml/trial", "w").close()
open("/tmp/trial", "w").close()
assert os.listdir("/proc/self")
assert all(os.access(path, os.R_OK) for path in sys.path if path.startswith("/") and os.path.isdir(path))
print("ok")
"""
