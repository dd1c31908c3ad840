"""Jobs from their row to their end, by a real supervisor, real runners and a real S3, in and out of the sandbox."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from braketeer.domain.accounts import JOBS_ROLE_NAME
from braketeer.store import accounts
from braketeer.work import sandbox
from tests.integration.job_host import BUCKET, JobHost, archive, until

HP_SCRIPT = """
import json, os, sys
from pathlib import Path
results = Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"])
def main(times: int, rate: float, fast: bool, word):
    (results / "results.json").write_text(json.dumps([times, rate, fast, word]))
    (results / "deep").mkdir()
    (results / "deep" / "more.bin").write_bytes(bytes(range(256)))
"""
ENDLESS = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.05)\n"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ENDLESS


@pytest.fixture(scope="module", params=["bubblewrap", "none"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobHost]:
    if request.param == "bubblewrap" and not sandbox.probe().isolates:
        pytest.skip(f"no sandbox here: {sandbox.probe().reason}")
    started = JobHost(tmp_path_factory.mktemp("host"), request.param).start()
    yield started
    started.close()


@pytest.fixture(scope="module")
def any_host(tmp_path_factory: pytest.TempPathFactory, shared_database_url: str) -> Iterator[JobHost]:
    """For what is the same in and out of a sandbox."""
    started = JobHost(tmp_path_factory.mktemp("host"), "auto", database_url=shared_database_url).start()
    yield started
    started.close()


def test_a_script_runs_and_its_results_are_one_flat_archive(host: JobHost) -> None:
    given = {"times": "3", "rate": "0.5", "fast": "true", "word": "7"}
    job_id = host.create(
        archive({"package/script.py": HP_SCRIPT}), hyperParameters=given, entry_point="package.script:main"
    )
    job = host.ended(job_id)
    assert (job["status"], job["failure_reason"]) == ("COMPLETED", None), host.log(job_id)
    output = host.output(job_id)
    assert output == {"results.json": b'[3, 0.5, true, "7"]', "deep/more.bin": bytes(range(256))}
    assert [event["eventType"] for event in job["events"]] == [
        "QUEUED_FOR_EXECUTION",
        "STARTING_INSTANCE",
        "DOWNLOADING_DATA",
        "RUNNING",
        "UPLOADING_RESULTS",
        "COMPLETED",
    ]
    moments = [event["timeOfEvent"] for event in job["events"]]
    assert moments == sorted(moments)
    assert job["created_at"] <= job["started_at"] <= moments[-1] == job["ended_at"]


def test_the_log_holds_the_lines_that_clients_look_for(any_host: JobHost) -> None:
    job_id = any_host.create("print('from the script')")
    any_host.ended(job_id)
    lines = any_host.log(job_id)
    text = "\n".join(lines)
    for expected in (
        "Invoking script with the following command:",
        "braket_container.py",
        '"user_entry_point": "braket_container.py"',
        "Beginning Setup",
        "Running Code As Process",
        "from the script",
        "Code Run Finished",
        "Reporting training SUCCESS",
    ):
        assert expected in text
    order = [lines.index(line) for line in ("Running Code As Process", "from the script", "Code Run Finished")]
    assert order == sorted(order)


def test_the_environment_is_the_contracts_and_nothing_of_the_services(
    host: JobHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_SERVICE", "yes")
    script = """
import json, os
from pathlib import Path
inner = {name: Path(os.environ[name]).exists() for name in ("AMZN_BRAKET_HP_FILE", "AMZN_BRAKET_CHECKPOINT_DIR")}
out = {"environment": dict(os.environ), "there": inner, "cwd": sorted(set(os.listdir(".")) - {"__pycache__"})}
Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"], "seen.json").write_text(json.dumps(out))
"""
    window = "arn:aws:braket:us-east-1:000000000000:reservation/x"
    job_id = host.create(
        script,
        hyperParameters={"n": "1"},
        associations=[{"arn": window, "type": "RESERVATION_TIME_WINDOW_ARN"}],
    )
    host.ended(job_id)
    seen = json.loads((host.output(job_id) or {})["seen.json"])
    assert seen["there"] == {"AMZN_BRAKET_HP_FILE": True, "AMZN_BRAKET_CHECKPOINT_DIR": True}
    assert seen["cwd"] == ["script.py"]
    variables = seen["environment"]
    assert "A_SECRET_OF_THE_SERVICE" not in variables
    job = host.job(job_id)
    expected = {
        "AWS_REGION": "us-east-1",
        "AMZN_BRAKET_JOB_NAME": "some-job",
        "AMZN_BRAKET_JOB_TOKEN": job["job_token"],
        "AMZN_BRAKET_DEVICE_ARN": job["device_arn"],
        "AMZN_BRAKET_OUT_S3_BUCKET": BUCKET,
        "AMZN_BRAKET_TASK_RESULTS_S3_URI": f"s3://{BUCKET}/jobs/some-job/tasks",
        "AMZN_BRAKET_RESERVATION_TIME_WINDOW_ARN": window,
        "AMZN_BRAKET_RESERVATION_DEVICE_ARN": job["device_arn"],
        "SM_HP_N": "1",
    }
    assert expected.items() <= variables.items()
    assert variables["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")


def test_a_jobs_credentials_work_inside_and_end_with_it(any_host: JobHost) -> None:
    script = """
import boto3, os, json
from pathlib import Path
who = boto3.client("sts").get_caller_identity()["Arn"]
key = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"], "who.json").write_text(json.dumps([who, key]))
"""
    job_id = any_host.create(script)
    job = any_host.ended(job_id)
    assert job["status"] == "COMPLETED", any_host.log(job_id)
    who, key = json.loads((any_host.output(job_id) or {})["who.json"])
    assert JOBS_ROLE_NAME in who
    found = any_host.database.read_now(lambda c: accounts.find_key(c, any_host.secret, key["AWS_ACCESS_KEY_ID"]))
    assert found is None, "the key of a job that has ended still works"


def test_inputs_arrive_in_their_channels(any_host: JobHost) -> None:
    script = """
import json, os
from pathlib import Path
top = Path(os.environ["AMZN_BRAKET_INPUT_DIR"])
found = {str(p.relative_to(top)): p.read_text() for p in top.rglob("*") if p.is_file()}
Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"], "found.json").write_text(json.dumps(found))
"""
    s3 = any_host.s3()
    s3.create_bucket(Bucket=BUCKET)
    manifest = [{"prefix": f"s3://{BUCKET}/in/"}, "one.txt", "folder/deep/b"]
    s3.put_object(Bucket=BUCKET, Key="in/list.manifest", Body=json.dumps(manifest).encode())
    for key in ("in/one.txt", "in/folder/a", "in/folder/deep/b", "in/part-1", "in/part-2/c", "in/odd//key"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    s3.put_object(Bucket=BUCKET, Key="in/folder/", Body=b"")
    channels = [
        channel("exact", f"s3://{BUCKET}/in/one.txt"),
        channel("folder", f"s3://{BUCKET}/in/folder"),
        channel("slash", f"s3://{BUCKET}/in/folder/"),
        channel("prefix", f"s3://{BUCKET}/in/part-"),
        channel("odd", f"s3://{BUCKET}/in/odd//"),
        channel("listed", f"s3://{BUCKET}/in/list.manifest"),
    ]
    job_id = any_host.create(script, inputDataConfig=channels)
    assert any_host.ended(job_id)["status"] == "COMPLETED", any_host.log(job_id)
    assert json.loads((any_host.output(job_id) or {})["found.json"]) == {
        "exact/one.txt": "in/one.txt",
        "folder/a": "in/folder/a",
        "folder/deep/b": "in/folder/deep/b",
        "slash/a": "in/folder/a",
        "slash/deep/b": "in/folder/deep/b",
        "prefix/part-1": "in/part-1",
        "prefix/part-2/c": "in/part-2/c",
        "odd/key": "in/odd//key",
        "listed/one.txt": "in/one.txt",
        "listed/folder/deep/b": "in/folder/deep/b",
    }


def test_a_script_that_fails_says_why(any_host: JobHost) -> None:
    reasons = {
        "open('fake_file')": "FileNotFoundError: [Errno 2] No such file or directory: 'fake_file', exit code: 1",
        "raise RuntimeError": "RuntimeError, exit code: 1",
        "import sys; sys.exit(7)": "the script ended with exit code 7, exit code: 7",
        "import sys; print('no'); print('way'); sys.exit(7)": (
            "the script ended with exit code 7, its last lines: no | way, exit code: 7"
        ),
        "import sys; sys.exit('no such molecule')": "no such molecule, exit code: 1",
        "import os; os.kill(os.getpid(), 11)": "The script was ended by signal SIGSEGV, exit code: 139",
        "def broken(:": "SyntaxError: invalid syntax (script.py, line 1), exit code: 1",
        "raise ValueError('x' * 5000)": f"ValueError: {'x' * 982}, exit code: 1",
    }
    jobs = {script: any_host.create(script) for script in reasons}
    ended = {script: any_host.ended(job_id) for script, job_id in jobs.items()}
    assert {script: job["failure_reason"] for script, job in ended.items()} == {
        script: f"AlgorithmError: {reason}" for script, reason in reasons.items()
    }
    for job in ended.values():
        assert (job["status"], job["events"][-1]["eventType"]) == ("FAILED", "FAILED")
        assert any_host.output(job["id"]) is None
        assert "Reporting training FAILURE" in any_host.log(job["id"])


def test_a_traceback_is_in_the_log_and_names_the_users_lines_only(any_host: JobHost) -> None:
    job_id = any_host.create("def inner():\n    raise KeyError('gone')\ninner()\n")
    any_host.ended(job_id)
    text = "\n".join(any_host.log(job_id))
    assert "KeyError: 'gone'" in text
    told = any_host.job(job_id)["events"][-1]["message"]
    assert told.startswith("AlgorithmError: KeyError: 'gone', exit code: 1\n\nThe script's last lines:\nTraceback")
    assert told.endswith("KeyError: 'gone'")
    assert 'script.py", line 2, in inner' in text
    assert 'braket_container.py", line' not in text


def test_an_entry_point_may_name_the_file(any_host: JobHost) -> None:
    job_id = any_host.create(archive({"folder/run.py": "print('ran')"}), entry_point="folder/run.py")
    assert any_host.ended(job_id)["status"] == "COMPLETED"
    assert "ran" in any_host.log(job_id)


def test_an_entry_point_that_is_not_there_fails_the_job(any_host: JobHost) -> None:
    job_id = any_host.create("print(1)", entry_point="another")
    job = any_host.ended(job_id)
    assert job["status"] == "FAILED"
    assert "No module named another" in job["failure_reason"]


def test_a_job_over_its_time_fails_and_its_work_is_saved(host: JobHost) -> None:
    script = """
import os, signal, time
from pathlib import Path
def save(*_):
    Path(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"], "late.txt").write_text("saved")
    Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"], "partial.txt").write_text("some")
    raise SystemExit(0)
signal.signal(signal.SIGTERM, save)
time.sleep(60)
"""
    prefix = f"checkpoints-{time.time_ns()}"
    job_id = host.create(
        script,
        stoppingCondition={"maxRuntimeInSeconds": 1},
        checkpointConfig={"s3Uri": f"s3://{BUCKET}/{prefix}", "localPath": "/opt/jobs/checkpoints"},
    )
    job = host.ended(job_id)
    assert (job["status"], job["failure_reason"]) == (
        "FAILED",
        "The job ran longer than its maxRuntimeInSeconds of 1",
    )
    assert [event["eventType"] for event in job["events"]][-2:] == ["MAX_RUNTIME_EXCEEDED", "FAILED"]
    assert host.keys(prefix) == [f"{prefix}/late.txt"]
    assert host.output(job_id) == {"partial.txt": b"some"}


def test_sigterm_ignored_is_followed_by_sigkill(any_host: JobHost) -> None:
    job_id = any_host.create(STUBBORN, stoppingCondition={"maxRuntimeInSeconds": 1})
    assert any_host.ended(job_id, 20)["failure_reason"] == "The job ran longer than its maxRuntimeInSeconds of 1"


@pytest.mark.parametrize("script", [ENDLESS, STUBBORN])
def test_a_running_job_is_cancelled(host: JobHost, script: str) -> None:
    job_id = host.create(script)
    host.says(job_id, "begun")
    host.cancel(job_id)
    assert host.job(job_id)["status"] in ("CANCELLING", "CANCELLED")
    job = host.ended(job_id, 20)
    assert (job["status"], job["failure_reason"]) == ("CANCELLED", None)
    assert job["events"][-1]["eventType"] == "CANCELLED"


def test_checkpoints_come_back_and_are_kept_while_the_script_runs(any_host: JobHost) -> None:
    script = """
import os, time
from pathlib import Path
folder = Path(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"])
print("restored", (folder / "deep" / "old.txt").read_text(), flush=True)
(folder / "new.txt").write_text("first")
while not (folder / "stop").exists(): time.sleep(0.05)
"""
    prefix = f"checkpoints-{time.time_ns()}"
    s3 = any_host.s3()
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}/deep/old.txt", Body=b"yesterday")
    config = {"s3Uri": f"s3://{BUCKET}/{prefix}/", "localPath": "/opt/braket/checkpoints/"}
    job_id = any_host.create(script, checkpointConfig=config)
    any_host.says(job_id, "restored yesterday")
    until(lambda: any_host.keys(prefix), lambda keys: f"{prefix}/new.txt" in keys)
    assert any_host.job(job_id)["status"] == "RUNNING"
    any_host.cancel(job_id)
    any_host.ended(job_id)
    assert any_host.keys(prefix) == [f"{prefix}/deep/old.txt", f"{prefix}/new.txt"]


def test_what_cannot_be_staged_fails_the_job_with_the_reason(any_host: JobHost) -> None:
    cases: list[tuple[dict[str, object], str]] = [
        (
            {"algorithmSpecification": {"scriptModeConfig": {"entryPoint": "a", "s3Uri": f"s3://{BUCKET}/not/there.py"}}},
            f"The script cannot be downloaded. s3://{BUCKET}/not/there.py: there is no such object",
        ),
        (
            {"algorithmSpecification": {"scriptModeConfig": {"entryPoint": "a", "s3Uri": "s3://no-such-bucket/a.py"}}},
            "The script cannot be downloaded. s3://no-such-bucket/a.py: there is no such bucket",
        ),
        (
            {"algorithmSpecification": {"scriptModeConfig": {"entryPoint": "a", "s3Uri": f"s3://{BUCKET}/a//b.py"}}},
            f"The script cannot be downloaded. s3://{BUCKET}/a//b.py: there is no such object",
        ),
        (
            {"algorithmSpecification": {"containerImage": {"uri": "12345678901.dkr.ecr.us-east-1.amazonaws.com/x:1"}}},
            "The image 12345678901.dkr.ecr.us-east-1.amazonaws.com/x:1 needs podman/docker or an operator's mapping",
        ),
        (
            {"inputDataConfig": [{"channelName": "x", "dataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}/void/"}}}]},
            f"No data found for channel 'x': nothing at s3://{BUCKET}/void/",
        ),
        (
            {"inputDataConfig": [{"channelName": "x", "dataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}/up.manifest"}}}]},
            "The key '../up' cannot be a file's path",
        ),
    ]  # fmt: skip
    s3 = any_host.s3()
    s3.create_bucket(Bucket=BUCKET)
    up = [{"prefix": f"s3://{BUCKET}/in/"}, "../up"]
    s3.put_object(Bucket=BUCKET, Key="up.manifest", Body=json.dumps(up).encode())
    jobs = [any_host.create("print(1)", **change) for change, _ in cases]
    ended = [any_host.ended(job_id) for job_id in jobs]
    assert {job["status"] for job in ended} == {"FAILED"}
    assert [job["failure_reason"] for job in ended] == [reason for _, reason in cases]


def test_an_output_bucket_that_is_gone_fails_the_job(any_host: JobHost) -> None:
    script = "import os\nopen(os.environ['AMZN_BRAKET_JOB_RESULTS_DIR'] + '/x', 'w').write('x')"
    job_id = any_host.create(script, outputDataConfig={"s3Path": "s3://no-such-bucket/here"})
    job = any_host.ended(job_id)
    assert job["failure_reason"] == (
        "The results could not be stored. s3://no-such-bucket/here/output/model.tar.gz: there is no such bucket."
        f" What is not in S3 is kept for 7 days on the service's machine in {any_host.jobs_folder / job_id}."
    )


def test_many_lines_long_lines_and_binary_output_survive(any_host: JobHost) -> None:
    script = """
import sys
for n in range(20000): print("line", n)
print("x" * 600_000)
sys.stdout.flush()
sys.stdout.buffer.write(b"\\xff\\x00\\xfe\\n")
sys.stdout.buffer.write(b"no newline at the end")
"""
    job_id = any_host.create(script)
    assert any_host.ended(job_id)["status"] == "COMPLETED"
    lines = any_host.log(job_id)
    start = lines.index("line 0")
    assert lines[start : start + 20000] == [f"line {n}" for n in range(20000)]
    assert "".join(line for line in lines if set(line) == {"x"}) == "x" * 600_000
    assert "\ufffd\ufffd\ufffd" in lines
    assert any(line.startswith("no newline at the end") for line in lines)


def test_no_process_of_a_job_outlives_it(host: JobHost) -> None:
    mark = f"sleeper-{time.time_ns()}"
    script = f"""
import subprocess, sys, time
code = "import time; time.sleep(300)"
quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
subprocess.Popen([sys.executable, "-c", code, "{mark}"], start_new_session=True, **quiet)
"""
    job_id = host.create(script)
    assert host.ended(job_id)["status"] == "COMPLETED"
    until(lambda: processes_with(mark), lambda found: not found, 5)


def test_nothing_of_an_ended_job_stays_on_the_disk(host: JobHost) -> None:
    job_id = host.create("import os\nos.makedirs('/'.join(['deep'] * 400))")
    assert host.ended(job_id)["status"] == "COMPLETED"
    until((host.jobs_folder / job_id).exists, lambda there: not there)


def channel(name: str, uri: str) -> dict[str, object]:
    return {"channelName": name, "dataSource": {"s3DataSource": {"s3Uri": uri}}}


def processes_with(mark: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in text:
            found.append(text)
    return found
