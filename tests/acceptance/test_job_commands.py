"""``braketeer job logs|events|metrics|shell`` on a service with real jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.services import RunningService, running, until

SCRIPT = """
import os, time
for n in range(3):
    print(f"Metrics - timestamp=17000{n}.5; energy=-{n}.25; iteration_number={n};", flush=True)
print("a \\x1b[31mred\\tword", flush=True)
while not os.path.exists("/opt/ml/checkpoints/go" if os.path.isdir("/opt/ml/checkpoints") else "go"):
    time.sleep(0.05)
print("gone on", flush=True)
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running(tmp_path_factory.mktemp("data"), BRAKETEER_JOB_GRACE_SECONDS="1") as started:
        yield started


def braketeer(service: RunningService, *arguments: str, given: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "braketeer", "job", *arguments, "--data-dir", str(service.data_dir)],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_running_job_is_looked_into_and_touched_from_a_shell(service: RunningService) -> None:
    arn = service.create_job(SCRIPT)
    until(lambda: service.job_log(arn), lambda lines: any("red" in line for line in lines))
    assert "a \\x1b[31mred    word" in braketeer(service, "logs", arn).splitlines()
    assert json.loads(braketeer(service, "metrics", arn, "--json")) == [
        {"timestamp": f"17000{n}.5", "energy": f"-{n}.25", "iteration_number": str(n)} for n in range(3)
    ]
    assert braketeer(service, "metrics", arn).split()[:3] == ["timestamp", "energy", "iteration_number"]
    said = braketeer(
        service,
        "shell",
        arn,
        given="echo $AMZN_BRAKET_JOB_NAME; ls script.py; touch go; touch /opt/ml/checkpoints/go; id -u\n",
    )
    assert said.split()[:2] == ["job", "script.py"]
    if os.getuid() == 0 and service_isolates(service):
        assert said.split()[-1] == "65534"
    followed = braketeer(service, "logs", arn, "--follow").splitlines()
    assert followed[-3:] == ["gone on", "Code Run Finished", "Reporting training SUCCESS"]
    assert service.wait_for_job(arn)["status"] == "COMPLETED"


def test_why_a_job_has_failed_is_told_with_its_last_lines(service: RunningService) -> None:
    arn = service.create_job("for n in range(50): print('line', n)\nraise ValueError('no convergence')\n")
    service.wait_for_job(arn)
    told = braketeer(service, "events", arn)
    assert "FAILED" in told
    assert "ValueError: no convergence" in told
    assert "    line 49" in told.splitlines()
    assert "    line 0" not in told.splitlines()
    assert [event["event"] for event in json.loads(braketeer(service, "events", arn, "--json"))][-1] == "FAILED"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("logs", "arn:aws:s3:::bucket"), "is not the ARN of a hybrid job"),
        (("logs", "arn:aws:braket:us-east-1:000000000000:job/00000000-0000-4000-8000-000000000000"), "job"),
        (("shell", "arn:aws:braket:us-east-1:000000000000:job/00000000-0000-4000-8000-000000000000"), "job"),
    ],
)
def test_what_is_no_job_is_told_in_one_line(service: RunningService, arguments: tuple[str, ...], words: str) -> None:
    command = [sys.executable, "-m", "braketeer", "job", *arguments, "--data-dir", str(service.data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_job_has_no_say_in_what_its_shell_is_entered_with(service: RunningService) -> None:
    if not service_isolates(service):
        pytest.skip("no sandbox: the shell is as plain as the job")
    again = (
        "import os, sys, time\n"
        "if 'LD_DEBUG' not in os.environ:\n"
        "    more = {'PATH': '/nowhere', 'LD_DEBUG': 'libs', 'LD_DEBUG_OUTPUT': '/dev/null'}\n"
        "    os.execve(sys.executable, [sys.executable, __file__, 'braket_container.py'], {**os.environ, **more})\n"
        "print('again', flush=True)\n"
        "time.sleep(300)\n"
    )
    arn = service.create_job(again)
    until(lambda: service.job_log(arn), lambda lines: "again" in lines)
    said = braketeer(service, "shell", arn, given="echo debug=$LD_DEBUG token=${AMZN_BRAKET_JOB_TOKEN:+there}\n")
    assert said.split() == ["debug=", "token=there"]
    service.client("braket").cancel_job(jobArn=arn)
    service.wait_for_job(arn)


def service_isolates(service: RunningService) -> bool:
    from braketeer.cli.service import is_healthy

    return (is_healthy(service.access.endpoint) or {}).get("sandbox") != "none"
