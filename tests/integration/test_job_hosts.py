"""Jobs of several hosts, and jobs in a network of their own."""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from braketeer.work import job_network, sandbox
from tests.integration.job_host import JobHost, archive, until

INSTANCES = {"instanceType": "ml.m5.large", "volumeSizeInGb": 1, "instanceCount": 2}


@pytest.fixture(scope="module", params=[("bubblewrap", "own"), ("bubblewrap-user", "shared"), ("none", "shared")])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobHost]:
    name, network = request.param
    if name != "none" and not sandbox.probe().isolates:
        pytest.skip(f"no sandbox here: {sandbox.probe().reason}")
    if network == "own" and (trouble := job_network.problem(as_user=os.getuid() != 0)):
        pytest.skip(trouble)
    started = JobHost(tmp_path_factory.mktemp("host"), name, network=network).start()
    yield started
    started.close()


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobHost]:
    """Jobs have networks of their own as soon as there is a second account."""
    if not sandbox.probe().isolates:
        pytest.skip(f"no sandbox here: {sandbox.probe().reason}")
    if trouble := job_network.problem(as_user=os.getuid() != 0):
        pytest.skip(trouble)
    started = JobHost(tmp_path_factory.mktemp("host"), network="auto").start()
    yield started
    started.close()


# MPI's own launcher, told to start its helpers by hand: each host starts the one that is for it.
LAUNCH = """
import json, os, shlex, socket, subprocess, sys, time

hosts, me = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
addresses = json.loads(os.environ["BRAKETEER_HOST_ADDRESSES"])
door = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
bin = os.path.dirname(sys.executable)
os.environ |= {"MPIR_CVAR_CH4_NETMOD": "ofi", "FI_PROVIDER": "tcp"}
os.environ["FI_TCP_IFACE"] = os.environ["SM_NETWORK_INTERFACE_NAME"]

def lead():
    with socket.create_server(door) as listener:
        follower = listener.accept()[0]
    program = [bin + "/mpiexec", "-launcher", "manual", "-localhost", addresses[me]]
    program += ["-hosts", ",".join(addresses.values())]
    started = subprocess.Popen([*program, "-n", "2", sys.executable, "loop.py"], stdout=subprocess.PIPE, text=True)
    for line in started.stdout:
        if line.startswith("HYDRA_LAUNCH:"):
            command = line.partition(":")[2].strip()
            if command.endswith("--proxy-id 0"):
                subprocess.Popen(shlex.split(command))
            else:
                follower.sendall(command.encode() + b"\\n")
    return started.wait()

def follow():
    for _ in range(600):
        try:
            with socket.create_connection(door) as leader:
                command = leader.makefile().readline()
                return subprocess.run(shlex.split(command)).returncode
        except ConnectionRefusedError:
            time.sleep(0.05)

sys.exit(lead() if me == hosts[0] else follow())
"""
LOOP = """
import json, os
from pathlib import Path
from mpi4py import MPI

world, angle = MPI.COMM_WORLD, 2.0
for _ in range(40):  # each host has one term of the gradient of (angle - 1)^2 + (angle - 4)^2
    angle -= 0.1 * world.allreduce(2 * (angle - (1, 4)[world.rank]), op=MPI.SUM)
here = os.uname().nodename
folder = Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"])
(folder / f"{here}.{world.rank}.json").write_text(json.dumps([world.size, round(angle, 6)]))
(folder / "results.json").write_text(str(world.rank))
"""


@pytest.mark.skipif(find_spec("mpi4py") is None, reason="mpi4py is not installed (dependency group frameworks)")
def test_two_hosts_run_one_distributed_loop(host: JobHost) -> None:
    if host.folder_is_seen:
        pytest.skip("MPI's launcher tells its helpers every variable: without a sandbox, one place for all results")
    job_id = host.create(archive({"script.py": LAUNCH, "loop.py": LOOP}), instanceConfig=INSTANCES)
    job = host.ended(job_id)
    assert (job["status"], job["failure_reason"]) == ("COMPLETED", None), host.log(job_id)
    assert host.output(job_id) == {
        "algo-1.0.json": b"[2, 2.5]",
        "algo-2.1.json": b"[2, 2.5]",
        "results.json": b"0",
    }
    assert host.streams(job_id) == [f"some-job/{job_id}/algo-{n}-{job['started_at']}" for n in (1, 2)]
    assert "Results of the same name on another host are left out: results.json" in host.log(job_id)


NAMES = """
import json, os, socket
from pathlib import Path
hosts = json.loads(os.environ["SM_HOSTS"])
found = [os.environ["SM_CURRENT_HOST"], socket.gethostname(), hosts, [socket.gethostbyname(host) for host in hosts]]
Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"], os.environ["SM_CURRENT_HOST"]).write_text(json.dumps(found))
"""


def test_the_hosts_know_each_other_by_name(host: JobHost) -> None:
    if host.folder_is_seen:
        pytest.skip("without a sandbox the names are the machine's")
    job_id = host.create(NAMES, instanceConfig=INSTANCES)
    assert host.ended(job_id)["status"] == "COMPLETED", host.log(job_id)
    told = {name: json.loads(body) for name, body in (host.output(job_id) or {}).items()}
    assert sorted(told) == ["algo-1", "algo-2"]
    for name, (current, hostname, hosts, addresses) in told.items():
        assert (current, hostname, hosts) == (name, name, ["algo-1", "algo-2"])
        assert len(set(addresses)) == 2
        assert all(address.startswith("127.") for address in addresses)


def test_the_first_failure_ends_all_hosts(host: JobHost) -> None:
    script = """
import os, time
print("begun", flush=True)
if os.environ["SM_CURRENT_HOST"] == "algo-2":
    raise ValueError("no convergence")
time.sleep(120)
"""
    job_id = host.create(script, instanceConfig=INSTANCES)
    job = host.ended(job_id, 60)
    assert (job["status"], job["failure_reason"]) == (
        "FAILED",
        "AlgorithmError: algo-2: ValueError: no convergence, exit code: 1",
    )
    assert "ValueError: no convergence" in job["events"][-1]["message"]


def test_all_hosts_are_cancelled(host: JobHost) -> None:
    job_id = host.create("import time\nprint('begun', flush=True)\ntime.sleep(120)\n", instanceConfig=INSTANCES)
    until(lambda: host.log(job_id).count("begun"), lambda count: count == 2)
    host.cancel(job_id)
    assert host.ended(job_id, 30)["status"] == "CANCELLED"


def test_with_several_accounts_a_job_reaches_the_service_and_nothing_else(apart: JobHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as another, socket.create_server(("0.0.0.0", 0)) as everywhere:
        doors = [("127.0.0.1", port(another)), ("127.0.0.1", port(everywhere)), (own_address(), port(everywhere))]
        script = f"""
import boto3, json, os, socket
from pathlib import Path
opened = 0
for door in {doors!r}:
    try:
        socket.create_connection(door, timeout=2).close()
        opened += 1
    except OSError:
        pass
who = boto3.client("sts").get_caller_identity()["Account"]
Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"], "told").write_text(json.dumps([opened, who]))
"""
        for reached in (len(doors), 0):
            job_id = apart.create(script)
            job = apart.ended(job_id)
            assert job["status"] == "COMPLETED", (job["failure_reason"], apart.log(job_id))
            assert json.loads((apart.output(job_id) or {})["told"]) == [reached, "000000000000"]
            apart.another_account()


@pytest.mark.parametrize(
    "asked",
    [
        "./package\n",
        "--no-binary built\n./package\n",
        "\ufeff \t--no-binary built\r./package\n",
        "--no-binary built\n./package\n".encode("utf-16"),
        "built @ http://127.0.0.1:9/built-1.0-py3-none-any.whl\n",
    ],
)
def test_no_code_or_wish_of_a_job_uses_the_network_that_packages_come_by(apart: JobHost, asked: str | bytes) -> None:
    apart.another_account(str(uuid.uuid4().int)[:12])
    system = '[build-system]\nrequires = []\nbuild-backend = "maker"\nbackend-path = ["."]\n'
    source = {
        "script.py": "",
        "requirements.txt": asked,
        "package/pyproject.toml": system + '[project]\nname = "built"\ndynamic = ["version"]\n',
        "package/maker.py": "raise SystemExit('code ran')\n",
    }
    job_id = apart.create(archive(source))
    job = apart.ended(job_id)
    assert job["status"] == "FAILED"
    assert "code ran" not in " ".join([job["failure_reason"], *apart.log(job_id)])
    reason = "Building source distributions" if asked == "./package\n" else "neither options nor addresses"
    assert reason in job["failure_reason"]


def test_a_job_cannot_touch_another_accounts_bucket(apart: JobHost) -> None:
    theirs = apart.s3(apart.another_account("222222222222"))
    theirs.create_bucket(Bucket="theirs")
    theirs.put_object(Bucket="theirs", Key="secret", Body=b"x")
    script = """
import boto3, json, os
from pathlib import Path
from botocore.exceptions import ClientError
s3, told = boto3.client("s3"), []
for call in (
    lambda: s3.put_object(Bucket="theirs", Key="mine", Body=b"y"),
    lambda: s3.get_object(Bucket="theirs", Key="secret"),
    lambda: s3.delete_object(Bucket="theirs", Key="secret"),
    lambda: s3.list_objects_v2(Bucket="theirs"),
):
    try:
        told.append(call()["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as problem:
        told.append(problem.response["Error"]["Code"])
Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"], "told").write_text(json.dumps(told))
"""
    job_id = apart.create(script)
    assert apart.ended(job_id)["status"] == "COMPLETED", apart.log(job_id)
    assert json.loads((apart.output(job_id) or {})["told"]) == ["AccessDenied"] * 4
    assert [entry["Key"] for entry in theirs.list_objects_v2(Bucket="theirs")["Contents"]] == ["secret"]


def port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def own_address() -> str:
    """An address of this machine that is not its loopback's, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            any_socket.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return "127.0.0.1"
        return str(any_socket.getsockname()[0])
