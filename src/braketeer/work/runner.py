"""The runner: the trusted process of one hybrid job, from its download to its upload.

``python -P -m braketeer.work.runner FOLDER [LOCK_DESCRIPTOR]``. It outlives the service, which finds it again by the
lock it holds; it reads and writes the files of its folder (job_folder.py) and S3, and knows no database.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import TypeVar

from braketeer.work import job_environment, job_network, sandbox
from braketeer.work.job_cgroup import ControlGroup
from braketeer.work.job_folder import (
    CANCEL,
    MAX_RUNTIME,
    SERVICE_STOPPED,
    Ending,
    JobFolder,
    forced_ending,
    now_ms,
)
from braketeer.work.job_host import Host
from braketeer.work.job_network import NetworkError, Way
from braketeer.work.job_packages import Packages, PackagesError
from braketeer.work.job_results import Checkpoints, CheckpointThread, upload_model
from braketeer.work.job_storage import Storage, StorageError
from braketeer.work.job_watchdog import ServiceWatch, Watchdog
from braketeer.work.staging import StagingError, stage, write_configuration

T = TypeVar("T")

LOOK_EVERY_SECONDS = 0.1
CLEARING_SECONDS = 5.0
LONGEST_REASON = 1024
_LONGEST_QUOTE = 900


def main(arguments: list[str]) -> int:
    """Run the job of a folder; 1 where another runner does."""
    folder = JobFolder(Path(arguments[0]))
    lock = int(arguments[1]) if len(arguments) > 1 else folder.take_lock()
    if lock is None:
        print("another runner has this job", file=sys.stderr)
        return 1
    os.set_inheritable(lock, False)
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda number, frame: folder.ask_to_stop(SERVICE_STOPPED))
    runner, unsaved = Runner(folder), folder.ending()
    ending = runner.run() if unsaved is None else runner.save_again(unsaved)
    with contextlib.suppress(FileNotFoundError):  # the folder is gone: nobody waits for a last word
        folder.end(ending)
    return 0


class Runner:
    """One run of one job."""

    def __init__(self, folder: JobFolder) -> None:
        self._folder = folder
        self._spec = spec = folder.read_spec()
        self._deadline = time.monotonic() + spec.run_seconds
        self._service = ServiceWatch(folder, spec.patience_seconds)
        self._group = ControlGroup(spec.job_id, spec.most_processes * spec.host_count, spec.host_cpus * spec.host_count)
        self._watchdog = Watchdog(folder.path, spec, self._group)
        self._hosts = [Host(spec, folder, name) for name in spec.hosts]
        self._log = self._hosts[0].log
        self._checkpoints_uri: str | None = (spec.request.get("checkpointConfig") or {}).get("s3Uri")
        self._checkpoints: Checkpoints | None = None  # once the job has been staged
        self._packages: Path | None = None

    def run(self) -> Ending:
        """The whole life of the job. Never raises: whatever happens becomes an ending."""
        self._watchdog.start()
        try:
            way: Future[Way] = Future()
            threading.Thread(target=lambda: _into(way, self._find_way), name="network", daemon=True).start()
            self._checkpoints = self._prepare()
            ending = self._run_script(way.result())
        except MustEnd as end:
            ending = forced_ending(end.why, self._spec.request["stoppingCondition"]["maxRuntimeInSeconds"])
        except (StagingError, PackagesError, NetworkError, sandbox.SandboxError, StorageError) as problem:
            ending = _failed(str(problem))
        except Exception as problem:  # noqa: BLE001 - somebody waits for the last word
            ending = _failed(f"The job's runner failed: {type(problem).__name__}: {problem}")
        self._watchdog.stop()
        self._group.remove()
        if ending.outcome != "COMPLETED" and self._spec.sandbox == "none":
            sandbox.kill_marked(self._spec.job_id)  # what was installing packages, say
        self._tell(ending.reason)
        if self._checkpoints is not None:
            ending = self._saved(ending, self._checkpoints)
        return replace(ending, ended_at=now_ms())

    def save_again(self, ending: Ending) -> Ending:
        """Bring to S3 what the run could not, because the service was away; the ending is what it was."""
        self._group.remove()
        return self._saved(ending, Checkpoints(self._folder.checkpoints, self._checkpoints_uri))

    def _prepare(self) -> Checkpoints:
        """Stage the job in a thread, so that nothing it waits for can keep the runner from ending the job."""
        self._folder.add_progress("DOWNLOADING_DATA", "Downloading the script and its data.")
        outcome: Future[Checkpoints] = Future()
        threading.Thread(target=lambda: _into(outcome, self._stage), name="staging", daemon=True).start()
        try:
            while not wait([outcome], LOOK_EVERY_SECONDS).done:
                self._check()
        except MustEnd:
            wait([outcome], CLEARING_SECONDS)  # it ends for the same reason, and clears away what it was building
            raise
        return outcome.result()

    def _stage(self) -> Checkpoints:
        folder, spec = self._folder, self._spec
        self._require_what_runs_it()
        stage(spec.request, self._storage(self._check), folder.ml, folder.checkpoints, spec.disk_bytes)
        if not spec.image:
            packages = Packages(spec, self._group, self._log.write, self._check, self._watchdog.watching)
            self._packages = packages.layer(folder.ml / "code/customer_code/extracted")
        for host in self._hosts:
            if host.own.ml != folder.ml:
                copytree(folder.ml, host.own.ml)
            write_configuration(host.own.ml, job_environment.configuration(spec, host.name))
        checkpoints = Checkpoints(folder.checkpoints, self._checkpoints_uri)
        checkpoints.remember_restored()
        sandbox.give_away(spec.sandbox, folder, [host.own for host in self._hosts])
        return checkpoints

    def _require_what_runs_it(self) -> None:
        spec = self._spec
        if spec.image and not spec.engine:
            raise StagingError(f"The image {spec.image} needs podman/docker or an operator's mapping")
        if spec.image and spec.own_network:
            raise StagingError(f"The image {spec.image} needs the machine's network, which jobs do not have here")
        if not spec.image and not spec.request["algorithmSpecification"].get("scriptModeConfig"):
            raise StagingError("A job without scriptModeConfig needs an image of its own, and podman/docker to run it")

    def _find_way(self) -> Way:
        """How the job reaches its service, and its hosts each other."""
        spec, find = self._spec, self._folder.endpoint
        if spec.image:  # a container has the machine's network
            return Way(spec.endpoint, {}, [])
        if spec.own_network:
            way = job_network.own(spec.endpoint, find, as_user=os.getuid() != 0)
            names = "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
        else:
            way = job_network.shared(spec.endpoint, find)
            names = Path("/etc/hosts").read_text() if Path("/etc/hosts").exists() else ""
        self._folder.etc_hosts.write_text(job_environment.etc_hosts(spec, way.names, names))
        return way

    def _run_script(self, way: Way) -> Ending:
        """How the script ended, on all hosts; MustEnd once it has been ended before its time."""
        assert self._checkpoints is not None  # noqa: S101 - prepared
        syncing: CheckpointThread | None = None
        try:
            for host in self._hosts:
                self._check()
                self._watchdog.watch_process(host.start(way.endpoint, way.entering, self._group, self._packages))
            self._progress("RUNNING", " ".join(filter(None, ["The script is running.", self._spec.warning])))
            syncing = CheckpointThread(self._checkpoints, self._storage)
            ending = self._wait()
            if ending.outcome != "COMPLETED":
                self._end_gently()
            return ending
        except MustEnd as end:
            if end.why in _GENTLE:
                self._end_gently()
            raise
        finally:
            for host in self._hosts:
                host.kill()
            self._group.remove()
            if syncing is not None:
                syncing.stop()

    def _wait(self) -> Ending:
        """Return when every host has ended by itself, or one of them has failed: then all are to end."""
        running = list(self._hosts)
        while running:
            for host in list(running):
                self._check()
                code = host.poll(LOOK_EVERY_SECONDS / len(running))
                if code is None:
                    continue
                running.remove(host)
                ending = _ending_of(code, host.failure(), host.last_lines(), host.name if self._hosts[1:] else "")
                if ending.outcome != "COMPLETED":
                    return ending
        return ending

    def _end_gently(self) -> None:
        """Ask every host to end, and give them the same time for it."""
        for host in self._hosts:
            host.terminate()
        deadline = time.monotonic() + self._spec.grace_seconds
        for host in self._hosts:
            host.wait(deadline - time.monotonic())

    def _check(self) -> None:
        """MustEnd if the job may not go on."""
        why = self._folder.stop_reason() or self._watchdog.verdict or self._service.problem()
        if why is None and time.monotonic() > self._deadline:
            why = MAX_RUNTIME
        if why is not None:
            raise MustEnd(why)

    def _saved(self, ending: Ending, checkpoints: Checkpoints) -> Ending:
        """The ending, once results and checkpoints are in S3; where they cannot be brought there it is FAILED."""
        hurried = self._folder.stop_reason() == SERVICE_STOPPED or self._service.problem() is not None
        storage = self._storage(lambda: None, 0.0 if hurried else self._spec.patience_seconds)
        self._progress("UPLOADING_RESULTS", "Uploading the results.")
        # Each by itself, so that a checkpoint that cannot be stored does not cost the results.
        problems = [*_problems(lambda: self._upload_model(storage)), *_problems(lambda: checkpoints.sync(storage))]
        if not problems:
            return replace(ending, saved=True)
        reason = " ".join(problems)
        self._tell(reason)
        return _failed(reason, saved=False) if ending.outcome == "COMPLETED" else replace(ending, saved=False)

    def _upload_model(self, storage: Storage) -> None:
        models = [host.own.ml / "model" for host in self._hosts]
        left_out = upload_model(self._spec.request, models, self._folder.path / "model.tar.gz", storage)
        if left_out:
            self._tell(f"Results of the same name on another host are left out: {', '.join(left_out[:20])}")

    def _progress(self, event: str, message: str) -> None:
        """A full disk loses an event, but must not cost the job."""
        with contextlib.suppress(OSError):
            self._folder.add_progress(event, message)

    def _tell(self, text: str | None) -> None:
        """Put a word of our own into the job's log."""
        with contextlib.suppress(OSError):
            self._log.write(text.encode(errors="replace").split(b"\n") if text else [])

    def _storage(self, interrupted: Callable[[], None], patience: float | None = None) -> Storage:
        patience = self._spec.patience_seconds if patience is None else patience
        spec = self._spec
        kms_key = spec.request["outputDataConfig"].get("kmsKeyId")
        return Storage(self._folder.endpoint, spec.credentials, spec.region, patience, interrupted, kms_key)


class MustEnd(Exception):
    """The job may not go on: it was cancelled, its time is up, it took too much, or the service is gone."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


# Ends that leave the script time to save its work.
_GENTLE = {CANCEL, MAX_RUNTIME, SERVICE_STOPPED}


def _into(outcome: Future[T], work: Callable[[], T]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as problem:  # noqa: BLE001 - it is raised again where the outcome is asked for
        outcome.set_exception(problem)


def _problems(upload: Callable[[], object]) -> list[str]:
    """What kept an upload from S3, in the owner's words; empty where nothing did."""
    try:
        upload()
    except StorageError as problem:
        return [f"The results could not be stored. {problem}"]
    except Exception as problem:  # noqa: BLE001 - somebody waits for the last word
        return [f"The results could not be stored. {type(problem).__name__}: {problem}"]
    return []


def _ending_of(code: int, failure: str, last_lines: list[str], host: str) -> Ending:
    """How a host ends whose harness returned ``code`` and left ``failure`` in output/failure (real Braket's wording).

    ``host`` is named where there are several. A script that says nothing of what has failed is quoted.
    """
    if code == 0 and not failure:
        return Ending("COMPLETED", None, now_ms(), [])
    code = 128 - code if code < 0 else code or 1
    if not failure:
        quoted = " | ".join(line.strip() for line in last_lines if line.strip())[-_LONGEST_QUOTE:]
        failure = f"the script ended with exit code {code}" + (f", its last lines: {quoted}" if quoted else "")
    tail = f", exit code: {code}"
    head = f"AlgorithmError: {f'{host}: ' if host else ''}{failure}"
    return replace(_failed(head[: LONGEST_REASON - len(tail)] + tail), last_lines=last_lines)


def _failed(reason: str, *, saved: bool = True) -> Ending:
    # What no database takes as text, such as half of a surrogate pair from a file's name, is replaced.
    clear = reason.encode(errors="replace").decode().replace("\0", "\ufffd")
    return Ending("FAILED", clear[:LONGEST_REASON], now_ms(), [], saved)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
