"""The runner: the trusted process of one hybrid job, from its download to its upload.

``python -P -m braketeer.work.runner FOLDER [LOCK_DESCRIPTOR]``. It outlives the service, which finds it again by the
lock it holds; it reads and writes the files of its folder (job_folder.py) and S3, and knows no database.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from braketeer.work import job_environment, sandbox
from braketeer.work.job_cgroup import ControlGroup
from braketeer.work.job_folder import (
    CANCEL,
    MAX_RUNTIME,
    SERVICE_STOPPED,
    Ending,
    JobFolder,
    JobSpec,
    forced_ending,
    now_ms,
)
from braketeer.work.job_log import LogFile, Pump
from braketeer.work.job_results import Checkpoints, CheckpointThread, upload_model
from braketeer.work.job_storage import Storage, StorageError
from braketeer.work.job_trees import read_text
from braketeer.work.job_watchdog import ServiceWatch, Watchdog
from braketeer.work.staging import StagingError, stage, write_configuration

T = TypeVar("T")

LOOK_EVERY_SECONDS = 0.1
LONGEST_REASON = 1024
MOST_PROCESSES_OF_NOBODY = 4096  # of all jobs together: they share the user


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
        self._spec = folder.read_spec()
        self._deadline = time.monotonic() + self._spec.run_seconds
        self._service = ServiceWatch(folder, self._spec.patience_seconds)
        self._group = ControlGroup(self._spec.job_id, self._spec.most_processes)
        self._watchdog = Watchdog(folder.path, self._spec, self._group)
        self._log = LogFile(folder.logs / f"{job_environment.HOST}.log")
        checkpoint_config = self._spec.request.get("checkpointConfig") or {}
        self._local_path: str | None = checkpoint_config.get("localPath")
        self._checkpoints_uri: str | None = checkpoint_config.get("s3Uri")
        self._checkpoints: Checkpoints | None = None  # once the job has been staged

    def run(self) -> Ending:
        """The whole life of the job. Never raises: whatever happens becomes an ending."""
        self._watchdog.start()
        try:
            self._checkpoints = self._prepare()
            code = self._run_script()
            ending = _ending_of(code, read_text(self._folder.ml, "output/failure", 4 * LONGEST_REASON).strip())
        except MustEnd as end:
            ending = forced_ending(end.why, self._spec.request["stoppingCondition"]["maxRuntimeInSeconds"])
        except (StagingError, sandbox.SandboxError, StorageError) as problem:
            ending = _failed(str(problem))
        except Exception as problem:  # noqa: BLE001 - somebody waits for the last word
            ending = _failed(f"The job's runner failed: {type(problem).__name__}: {problem}")
        self._watchdog.stop()
        self._group.remove()
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
        while not wait([outcome], LOOK_EVERY_SECONDS).done:
            self._check()
        return outcome.result()

    def _stage(self) -> Checkpoints:
        folder, spec = self._folder, self._spec
        stage(spec.request, self._storage(self._check), folder.ml, folder.checkpoints, spec.disk_bytes)
        write_configuration(folder.ml, job_environment.configuration(spec))
        checkpoints = Checkpoints(folder.checkpoints, self._checkpoints_uri)
        checkpoints.remember_restored()
        sandbox.give_away(spec.sandbox, folder)
        return checkpoints

    def _run_script(self) -> int:
        """The harness's exit code; MustEnd once the script has been ended before its time."""
        assert self._checkpoints is not None  # noqa: S101 - prepared
        process = self._start()
        self._progress("RUNNING", "The script is running.")
        assert process.stdout is not None  # noqa: S101 - asked for in _start
        pump = Pump(process.stdout.fileno(), self._log)
        self._watchdog.watch_process(process.pid)
        syncing = CheckpointThread(self._checkpoints, self._storage)
        try:
            self._wait(process, pump)
        except MustEnd as end:
            if end.why in _GENTLE:
                sandbox.terminate(self._spec.sandbox, process)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(self._spec.grace_seconds)
            raise
        finally:
            sandbox.kill(self._spec.sandbox, process, self._spec.job_id)
            self._group.remove()
            pump.ended.wait(10)
            syncing.stop()
        return process.returncode

    def _start(self) -> subprocess.Popen[bytes]:
        spec = self._spec
        arguments = job_environment.arguments(spec)
        command = sandbox.command(
            spec.sandbox, self._folder, spec.python, arguments, self._local_path, spec.shown, spec.hidden
        )
        path = f"{Path(spec.python).parent}:/usr/local/bin:/usr/bin:/bin"
        variables = job_environment.environment(spec, command.paths, os.cpu_count() or 1, path)
        self._check()
        # Popen must be called by the main thread: the sandbox dies with the thread that started it.
        return subprocess.Popen(
            self._group.entering(command.argv),
            env=variables | command.extra_environment | _limits(spec),
            cwd=self._folder.ml / "code",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _wait(self, process: subprocess.Popen[bytes], pump: Pump) -> None:
        """Return when the process has ended by itself. The end of its output is usually just before that."""
        while process.poll() is None:
            self._check()
            if pump.ended.wait(LOOK_EVERY_SECONDS):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_EVERY_SECONDS)

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
        model, archive = self._folder.ml / "model", self._folder.path / "model.tar.gz"
        # Each by itself, so that a checkpoint that cannot be stored does not cost the results.
        problems = [
            *_problems(lambda: upload_model(self._spec.request, model, archive, storage)),
            *_problems(lambda: checkpoints.sync(storage)),
        ]
        if not problems:
            return replace(ending, saved=True)
        reason = " ".join(problems)
        self._tell(reason)
        return _failed(reason, saved=False) if ending.outcome == "COMPLETED" else replace(ending, saved=False)

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


def _ending_of(code: int, failure: str) -> Ending:
    """How a job ends whose harness returned ``code`` and left ``failure`` in output/failure (real Braket's wording)."""
    if code == 0 and not failure:
        return Ending("COMPLETED", None, now_ms(), [])
    code = 128 - code if code < 0 else code or 1
    tail = f", exit code: {code}"
    head = f"AlgorithmError: {failure or f'the script ended with exit code {code}'}"
    return _failed(head[: LONGEST_REASON - len(tail)] + tail)


def _limits(spec: JobSpec) -> dict[str, str]:
    """Limits that the harness sets for itself and all below: {name in module resource: value}."""
    limits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": spec.disk_bytes}
    if spec.sandbox == "bubblewrap":
        limits["RLIMIT_NPROC"] = MOST_PROCESSES_OF_NOBODY
    return {"BRAKETEER_LIMITS": json.dumps(limits)}


def _failed(reason: str, *, saved: bool = True) -> Ending:
    # What no database takes as text, such as half of a surrogate pair from a file's name, is replaced.
    clear = reason.encode(errors="replace").decode().replace("\0", "\ufffd")
    return Ending("FAILED", clear[:LONGEST_REASON], now_ms(), [], saved)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
