"""Jobs that want more than is theirs: each is contained, and the service's files stay its own."""

from __future__ import annotations

import gzip
import json
import socket
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from braketeer.work import sandbox
from braketeer.work.job_cgroup import ControlGroup
from tests.integration.job_host import BUCKET, JobHost, archive, until

ZEROS = bytes(1 << 24)


@pytest.fixture(scope="module", params=["bubblewrap", "bubblewrap-user"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobHost]:
    """Root starts jobs as nobody; anybody else, and root where that fails, in a user namespace."""
    if not sandbox.probe().isolates:
        pytest.skip(f"no sandbox here: {sandbox.probe().reason}")
    started = JobHost(tmp_path_factory.mktemp("host"), request.param, most_processes=128).start()
    yield started
    started.close()


@pytest.fixture(scope="module")
def any_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobHost]:
    """For what happens before a sandbox begins, or in any."""
    started = JobHost(tmp_path_factory.mktemp("host"), memory_bytes=1 << 29).start()
    yield started
    started.close()


def found_by(host: JobHost, script: str) -> object:
    """What the script's ``tell`` was given last."""
    head = "import json, os\nfrom pathlib import Path\n"
    head += "def tell(what): Path(os.environ['AMZN_BRAKET_JOB_RESULTS_DIR'], 'told').write_text(json.dumps(what))\n"
    job_id = host.create(head + script)
    job = host.ended(job_id)
    assert job["status"] == "COMPLETED", (job["failure_reason"], host.log(job_id)[-20:])
    return json.loads((host.output(job_id) or {})["told"])


def test_a_job_cannot_see_the_services_files_nor_anybodys_home(host: JobHost) -> None:
    other = host.create("import time; print('begun', flush=True); time.sleep(30)")
    host.says(other, "begun")
    looked_for = [
        str(host.folder / "data"),
        str(host.folder / "data" / "braketeer.db"),
        str(host.folder / "data" / "secret.key"),
        str(host.jobs_folder),
        str(host.jobs_folder / other / "spec.json"),
        str(Path.home() / ".aws"),
        str(Path.home() / ".ssh"),
        "/etc/shadow",
        "/var",
        "/run",
    ]
    seen = found_by(host, f"tell([path for path in {looked_for!r} if os.path.lexists(path)])")
    host.cancel(other)
    assert seen == []


def test_a_job_sees_its_own_processes_only_and_is_not_root(host: JobHost) -> None:
    script = """
pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
words = [status[name].strip() for name in ("CapEff", "NoNewPrivs")]
tell([max(pids) < 100, os.getuid(), os.geteuid(), os.getgroups(), *words])
"""
    few, uid, effective, groups, capabilities, no_new = found_by(host, script)  # type: ignore[misc]
    assert few
    assert 0 not in (uid, effective)
    assert 0 not in groups
    assert (int(capabilities, 16), no_new) == (0, "1")


def test_a_job_cannot_write_to_the_system_or_its_interpreter(host: JobHost) -> None:
    script = """
import sys
def can(path):
    try:
        open(path + "/trial", "w").close()
        return True
    except OSError:
        return False
tell([path for path in ["/usr", "/etc", "/", "/opt", sys.prefix, os.path.dirname(json.__file__)] if can(path)])
"""
    assert found_by(host, script) == []


def test_a_job_has_room_of_its_own(host: JobHost) -> None:
    script = """
import multiprocessing, tempfile
def can(path):
    path = os.path.join(path, "trial")
    open(path, "w").write("x")
    return open(path).read() == "x"
lock = multiprocessing.get_context("fork").Lock()
paths = ["/tmp", tempfile.gettempdir(), os.path.expanduser("~"), "/opt/ml/output/data", "/opt/braket/model", "."]
tell([can(path) for path in [*paths, "/dev/shm"]])
os.remove("/opt/braket/model/trial")
"""
    assert found_by(host, script) == [True] * 7


def test_links_in_the_results_lead_the_runner_nowhere(host: JobHost) -> None:
    database = host.folder / "data" / "braketeer.db"
    script = f"""
import os, time
from pathlib import Path
model, checkpoints = Path("/opt/ml/model"), Path("/opt/ml/checkpoints")
for folder in (model, checkpoints):
    (folder / "file").symlink_to({str(database)!r})
    (folder / "folder").symlink_to({str(host.folder)!r})
    os.mkfifo(folder / "pipe")
    (folder / "real").write_text("real")
Path("/opt/ml/output/failure").symlink_to({str(host.folder / "data" / "secret.key")!r})
"""
    prefix = f"traps-{time.time_ns()}"
    config = {"s3Uri": f"s3://{BUCKET}/{prefix}", "localPath": "/opt/braket/checkpoints/"}
    job_id = host.create(script, checkpointConfig=config)
    assert host.ended(job_id)["status"] == "COMPLETED"
    assert host.output(job_id) == {"real": b"real"}
    assert host.keys(prefix) == [f"{prefix}/real"]


def test_a_memory_hog_is_ended_with_the_reason(any_host: JobHost) -> None:
    script = """
import time
print("begun", flush=True)
hog = []
while True:
    hog.append(bytearray(b"x" * (64 << 20)))
    time.sleep(0.02)
"""
    job_id = any_host.create(script)
    job = any_host.ended(job_id)
    assert job["status"] == "FAILED"
    assert job["failure_reason"] == "The job's processes used more than 0.5 GiB of memory"


def test_a_disk_filler_is_ended_with_the_reason(any_host: JobHost) -> None:
    script = """
import os, tempfile, time
for n in range(6):
    with open(f"{tempfile.gettempdir()}/{n}", "wb") as file: os.posix_fallocate(file.fileno(), 0, 256 << 20)
time.sleep(60)
"""
    job_id = any_host.create(script)
    job = any_host.ended(job_id)
    assert job["status"] == "FAILED"
    assert job["failure_reason"] == "The job's files took more than 1.0 GiB (volumeSizeInGb)"
    until((any_host.jobs_folder / job_id).exists, lambda there: not there)


def test_a_fork_bomb_is_ended_and_leaves_nothing(host: JobHost) -> None:
    """One that doubles itself only where a control group bounds it: else it would be the whole machine's."""
    group = ControlGroup("probe", 1)
    group.remove()
    script = f"""
import os, time
doubles = {group.exists}
while True:
    try:
        if os.fork() == 0 and not doubles:
            time.sleep(60)
    except OSError:
        pass
    time.sleep(0.01)
"""
    job_id = host.create(script)
    job = host.ended(job_id)
    assert job["status"] == "FAILED"
    assert job["failure_reason"] in {
        "The job had more than 128 processes",
        "The job had more than 128 processes and threads",
    }
    assert [path for root in ("pids", "cpu", "") for path in Path("/sys/fs/cgroup", root).glob(f"*{job_id}*")] == []
    assert host.ended(host.create("print('the next one runs')"))["status"] == "COMPLETED"


def test_a_hostile_archive_fails_the_job_with_the_reason(any_host: JobHost) -> None:
    hostile = {
        archive({"/etc/x": "1"}): "'/etc/x' is an absolute path",
        archive({"../x": "1"}): "'../x' leads out of it",
        bomb((1 << 30) + 1): "it unpacks to more than the job's volume may hold",
    }
    jobs = {any_host.create(content): reason for content, reason in hostile.items()}
    for job_id, reason in jobs.items():
        job = any_host.ended(job_id)
        assert job["status"] == "FAILED"
        assert job["failure_reason"].endswith(f"/script/source.tar.gz was refused: {reason}")


def test_a_checkpoint_path_of_the_system_fails_the_job(any_host: JobHost) -> None:
    config = {"s3Uri": f"s3://{BUCKET}/any", "localPath": "/etc/checkpoints"}
    job = any_host.ended(any_host.create("print(1)", checkpointConfig=config))
    assert job["failure_reason"] == "checkpointConfig.localPath '/etc/checkpoints' is a path of the system"


def test_a_job_is_cancelled_while_it_waits_for_its_data(tmp_path: Path) -> None:
    """S3 that takes connections and never answers: a cancel must not wait for it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        host = JobHost(tmp_path, endpoint=endpoint).start()
        try:
            job_id = host.create("print(1)")
            until(lambda: host.job(job_id)["events"][-1]["eventType"], lambda event: event == "DOWNLOADING_DATA")
            host.cancel(job_id)
            assert host.ended(job_id, 15)["status"] == "CANCELLED"
        finally:
            host.close()


def test_jobs_end_with_the_service_where_that_is_wanted(tmp_path: Path) -> None:
    host = JobHost(tmp_path, stop_jobs=True).start()
    job_id = host.create("import time; print('begun', flush=True); time.sleep(60)")
    host.says(job_id, "begun")
    host.close()
    again = JobHost(tmp_path)
    job = again.job(job_id)
    again.close()
    assert (job["status"], job["failure_reason"]) == ("FAILED", "The service was stopped and ended its jobs")


def test_a_job_over_its_time_by_the_services_clock_is_ended(tmp_path: Path) -> None:
    """maxRuntimeInSeconds counts in service time, which an operator may advance."""

    class Advanced:
        offset = 0

        def now_ms(self) -> int:
            return time.time_ns() // 1_000_000 + self.offset

    clock = Advanced()
    host = JobHost(tmp_path, clock=clock).start()
    try:
        job_id = host.create("import time; print('begun', flush=True); time.sleep(60)")
        host.says(job_id, "begun")
        clock.offset = 3601 * 1000
        job = host.ended(job_id)
        assert job["failure_reason"] == "The job ran longer than its maxRuntimeInSeconds of 3600"
        assert job["ended_at"] - job["started_at"] >= 3600 * 1000
    finally:
        host.close()


def test_at_most_as_many_jobs_as_slots_run_at_once(tmp_path: Path) -> None:
    host = JobHost(tmp_path, slots=2).start()
    try:
        script = "import os, time\nprint('begun', flush=True)\ntime.sleep(0.3)\n"
        job_ids = [host.create(script) for _ in range(5)]
        rows = [host.ended(job_id) for job_id in job_ids]
        assert {row["status"] for row in rows} == {"COMPLETED"}
        started = [row["started_at"] for row in rows]
        assert started == sorted(started)
        for row in rows:
            others = [other for other in rows if other["started_at"] <= row["started_at"] < other["ended_at"]]
            assert len(others) <= 2
    finally:
        host.close()


def test_what_a_job_writes_to_tmp_is_not_in_the_machines_tmp(host: JobHost) -> None:
    name = f"/tmp/of-the-job-{time.time_ns()}"
    assert host.ended(host.create(f"open({name!r}, 'w').close()"))["status"] == "COMPLETED"
    assert not Path(name).exists()


def bomb(size: int) -> bytes:
    """A tar.gz with one file of zeros, made without ever having them: gzip members one after the other."""
    member = tarfile.TarInfo("bomb")
    member.size = size
    whole, rest = divmod(size, len(ZEROS))
    return gzip.compress(member.tobuf()) + whole * gzip.compress(ZEROS) + gzip.compress(ZEROS[:rest])
