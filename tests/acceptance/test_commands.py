"""The command line, as it is typed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import SV1, RunningService

pytestmark = pytest.mark.xdist_group("service")

BELL = f"""
from braket.aws import AwsDevice
from braket.circuits import Circuit
counts = AwsDevice("{SV1}").run(Circuit().h(0).cnot(0, 1), shots=100).result().measurement_counts
print(sorted(counts.items()))
"""


def braketeer(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "braketeer", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_env_is_what_a_shell_needs(service: RunningService) -> None:
    shell = f'eval "$({sys.executable} -m braketeer env --data-dir {service.data_dir})"; env'
    leftovers = {"AWS_SESSION_TOKEN": "old", "AWS_PROFILE": "old"}
    done = subprocess.run(
        ["sh", "-c", shell], env={**os.environ, **leftovers}, capture_output=True, text=True, check=True
    )
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    wanted = service.access.variables()
    assert {name: found[name] for name in wanted} == wanted
    assert not {"AWS_SESSION_TOKEN", "AWS_PROFILE"} & set(found)
    assert found["AWS_DEFAULT_REGION"] == "us-east-1"


def test_env_without_a_service_says_what_to_do(tmp_path: Path) -> None:
    done = braketeer("env", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "braketeer serve" in done.stderr
    assert done.stdout == ""


def test_aws_is_the_real_cli(service: RunningService) -> None:
    done = braketeer("aws", "sts", "get-caller-identity", BRAKETEER_DATA_DIR=str(service.data_dir))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Account"] == "000000000000"


def test_run_gives_a_command_a_service_and_its_exit_code() -> None:
    done = braketeer("run", "--seed", "7", "--", sys.executable, "-c", BELL)
    assert done.returncode == 0, done.stderr
    # The same seed, the same program, another service: the same samples.
    assert braketeer("run", "--seed", "7", "--", sys.executable, "-c", BELL).stdout == done.stdout
    assert braketeer("run", "--", sys.executable, "-c", "raise SystemExit(5)").returncode == 5
    missing = braketeer("run", "--", "no-such-command")
    assert missing.returncode == 127
    assert "no-such-command" in missing.stderr


def test_doctor_knows_this_machine(service: RunningService) -> None:
    done = braketeer("doctor", "--data-dir", str(service.data_dir), COLUMNS="200")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SV1 has" in done.stdout
    assert "sandbox of hybrid jobs" in done.stdout
    assert f"answers at {service.access.endpoint}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "--insecure"),
        (["--database", "postgresql://x"], "--database"),
        (["--clock", "virtual"], "--clock"),
        (["--executor", "ray"], "--executor"),
    ],
)
def test_serve_refuses_what_it_cannot_do(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = braketeer("serve", "--port", "0", "--data-dir", str(tmp_path), *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_ends_with_the_right_energy() -> None:
    done = braketeer("demo", COLUMNS="200")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "-1.1372701747 hartree" in done.stdout
    assert "UPLOADING_RESULTS" in done.stdout
    assert "output/model.tar.gz" in done.stdout


def test_credentials_are_for_their_owner_only(service: RunningService) -> None:
    for name in ("credentials.json", "secret.key"):
        assert (service.data_dir / name).stat().st_mode & 0o777 == 0o600
    secret = service.access.secret_access_key.encode()
    for path in service.data_dir.glob("braketeer.db*"):
        assert secret not in path.read_bytes()
