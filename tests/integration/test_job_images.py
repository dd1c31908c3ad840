"""Images of users' own: run by podman or docker, or by an interpreter that the operator has mapped, or refused.

Neither podman nor docker runs on every machine that tests; a program that takes the same command line stands in, and
really runs what it is told to, with the folders where the command line puts them.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from braketeer.work import job_images, sandbox
from braketeer.work.job_folder import JobFolder
from tests.integration.job_host import BUCKET, JobHost
from tests.unit.test_jobs_environment import spec

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
ENGINE = """#!{python}
import os, signal, sys
words = sys.argv[1:]
if words[0] == "info":
    sys.exit(0)
if words[0] == "kill":
    path = os.path.join({pids!r}, words[-1])
    if os.path.exists(path) and "TERM" not in words:
        os.kill(int(open(path).read()), signal.SIGKILL)
    sys.exit(0)
options, at = {{"--volume": []}}, 1
while words[at].startswith("--"):
    if words[at] in ("--rm", "--init"):
        at += 1
        continue
    if words[at] == "--volume":
        options["--volume"].append(words[at + 1])
    else:
        options[words[at]] = words[at + 1]
    at += 2
image, rest = words[at], words[at + 1 :]
variables = dict(line.rstrip("\\n").split("=", 1) for line in open(options["--env-file"]))
own = ["/bin/sh", "-c", "echo $0 $1 $AMZN_BRAKET_JOB_NAME"]
entry = [{python!r}] if options.get("--entrypoint") == "python" else own
argv = ["bwrap", "--die-with-parent", "--unshare-pid"]
for volume in options["--volume"]:
    argv += ["--bind", *volume.split(":")]
for top in ("/usr", "/bin", "/lib", "/lib64", "/etc", {prefix!r}, *{shown!r}):
    argv += ["--ro-bind", top, top] if not os.path.islink(top) else ["--symlink", os.readlink(top), top]
argv += ["--proc", "/proc", "--dev", "/dev", "--chdir", options.get("--workdir", "/"), "--", *entry, *rest]
open(os.path.join({pids!r}, options["--name"]), "w").write(str(os.getpid()))
os.execvpe(argv[0], argv, variables | {{"PATH": os.environ["PATH"]}})
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobHost]:
    if not sandbox.probe().isolates:
        pytest.skip(f"the stand-in for podman needs bubblewrap: {sandbox.probe().reason}")
    folder = tmp_path_factory.mktemp("engine")
    program = folder / "podman"
    shown = [path for path in sandbox.interpreter_folders(sys.executable) if path != sys.prefix]
    text = ENGINE.format(python=sys.executable, prefix=sys.prefix, shown=shown, pids=str(folder))
    program.write_text(text)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{path}"
    job_images.find_engine.cache_clear()
    started = JobHost(
        tmp_path_factory.mktemp("host"), images={"*/lab/mapped:*": sys.executable}, network="shared"
    ).start()
    yield started
    started.close()
    os.environ["PATH"] = path
    job_images.find_engine.cache_clear()


def algorithm(host: JobHost, image: str, script: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"containerImage": {"uri": f"{REGISTRY}/{image}"}}
    if script is not None:
        s3 = host.s3()
        s3.create_bucket(Bucket=BUCKET)
        key = f"images/{time.time_ns()}/script.py"
        s3.put_object(Bucket=BUCKET, Key=key, Body=script.encode())
        found["scriptModeConfig"] = {"entryPoint": "script", "s3Uri": f"s3://{BUCKET}/{key}"}
    return found


def test_a_script_runs_in_an_image_of_ones_own(host: JobHost) -> None:
    script = """
import boto3, os
from pathlib import Path
print("in", os.getcwd(), boto3.client("sts").get_caller_identity()["Account"])
Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"].replace("/opt/braket", "/opt/ml"), "results.json").write_text("1")
Path("/opt/ml/checkpoints/state").write_text("kept")
"""
    config = {"s3Uri": f"s3://{BUCKET}/of-an-image", "localPath": "/opt/ml/checkpoints"}
    job_id = host.create("", algorithmSpecification=algorithm(host, "lab/own:1", script), checkpointConfig=config)
    job = host.ended(job_id)
    assert (job["status"], job["failure_reason"]) == ("COMPLETED", None), host.log(job_id)
    assert "in /opt/ml/code/customer_code/extracted 000000000000" in host.log(job_id)
    assert host.output(job_id) == {"results.json": b"1"}
    assert host.keys("of-an-image") == ["of-an-image/state"]


def test_an_image_without_a_script_runs_its_own_entry_point(host: JobHost) -> None:
    job_id = host.create("", algorithmSpecification=algorithm(host, "lab/own:1", None))
    assert host.ended(job_id)["status"] == "COMPLETED", host.log(job_id)
    assert "train some-job" in " ".join(host.log(job_id))


def test_a_container_is_ended_with_its_job(host: JobHost) -> None:
    script = "import time\nprint('begun', flush=True)\ntime.sleep(120)\n"
    job_id = host.create("", algorithmSpecification=algorithm(host, "lab/own:1", script))
    host.says(job_id, "begun")
    host.cancel(job_id)
    assert host.ended(job_id, 30)["status"] == "CANCELLED"
    left = subprocess.run(["pgrep", "-f", f"braketeer-{job_id}"], capture_output=True, text=True, check=False)
    assert left.stdout == ""


def test_the_containers_of_a_lost_runner_are_ended(tmp_path: Path) -> None:
    engine, told = tmp_path / "engine", tmp_path / "told"
    engine.write_text(f'#!/bin/sh\necho "$@" >> {told}\nexit 1\n')
    engine.chmod(0o755)
    folder = JobFolder(tmp_path / "job")
    folder.create()
    job_images.stop_all(folder)  # of which nothing was begun
    folder.write_spec(replace(spec(), engine=str(engine), image="some/image:1", host_count=2))
    job_images.stop_all(folder)
    assert told.read_text().split() == ["kill", "braketeer-id-algo-1", "kill", "braketeer-id-algo-2"]


def test_a_mapped_image_is_an_interpreter_of_this_machine(host: JobHost) -> None:
    script = "import sys\nprint('prefix', sys.prefix)\n"
    job_id = host.create("", algorithmSpecification=algorithm(host, "lab/mapped:3", script))
    assert host.ended(job_id)["status"] == "COMPLETED", host.log(job_id)
    assert f"prefix {sys.prefix}" in host.log(job_id)


def test_no_script_and_no_image_to_run_is_refused_in_words(host: JobHost) -> None:
    job_id = host.create("", algorithmSpecification=algorithm(host, "lab/mapped:3", None))
    assert host.ended(job_id)["failure_reason"] == (
        "A job without scriptModeConfig needs an image of its own, and podman/docker to run it"
    )
