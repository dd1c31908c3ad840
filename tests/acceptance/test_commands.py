"""The command line, as it is typed."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from braketeer.cli.service import access_here, is_healthy, started
from tests import processes
from tests.services import SV1, RunningService, running, until

BELL = f"""
from braket.aws import AwsDevice
from braket.circuits import Circuit
counts = AwsDevice("{SV1}").run(Circuit().h(0).cnot(0, 1), shots=100).result().measurement_counts
print(sorted(counts.items()))
"""


def braketeer(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return processes.run(["braketeer", *arguments], {**os.environ, **environment}, timeout=200)


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


def test_aws_finds_the_service_of_its_environment(service: RunningService, tmp_path: Path) -> None:
    elsewhere = {"BRAKETEER_DATA_DIR": str(tmp_path)}
    done = braketeer("aws", "sts", "get-caller-identity", **elsewhere, **service.access.variables())
    assert done.returncode == 0, done.stderr
    # Keys without an address beside them are a cloud's: they are not used, nor sent anywhere.
    keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "of-a-cloud"}
    done = braketeer("aws", "sts", "get-caller-identity", BRAKETEER_DATA_DIR=str(service.data_dir), **keys)
    assert done.returncode == 0, done.stderr
    # An address without keys beside it takes those of the data directory, or says what is missing.
    address = {"AWS_ENDPOINT_URL": service.access.endpoint + "/"}
    done = braketeer("aws", "sts", "get-caller-identity", BRAKETEER_DATA_DIR=str(service.data_dir), **address)
    assert done.returncode == 0, done.stderr
    done = braketeer("aws", "sts", "get-caller-identity", **elsewhere, **address)
    assert done.returncode == 1
    assert "AWS_ENDPOINT_URL" in one_line(done.stderr)


def test_temporary_keys_are_passed_on_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4747",
        "AWS_ACCESS_KEY_ID": "ASIA",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_DEFAULT_REGION": "eu-north-1",
    }
    for name, value in {**given, "AWS_PROFILE": "work"}.items():
        monkeypatch.setenv(name, value)
    environment = access_here().environment()
    assert {name: environment[name] for name in given} == given
    assert "AWS_PROFILE" not in environment


def test_run_gives_a_command_a_service_and_its_exit_code() -> None:
    done = braketeer("run", "--seed", "7", "--", sys.executable, "-c", BELL)
    assert done.returncode == 0, done.stderr
    # The same seed, the same program, another service: the same samples.
    assert braketeer("run", "--seed", "7", "--", sys.executable, "-c", BELL).stdout == done.stdout
    assert braketeer("run", "--", sys.executable, "-c", "raise SystemExit(5)").returncode == 5
    missing = braketeer("run", "--", "no-such-command")
    assert missing.returncode == 127
    assert "no-such-command" in missing.stderr


def test_run_passes_everything_after_the_command_on() -> None:
    shown = "import sys; print(sys.argv[1:])"
    done = braketeer("run", sys.executable, "-c", shown, "--seed", "x", "--", "--data-dir")
    assert done.stdout == "['--seed', 'x', '--', '--data-dir']\n", done.stderr
    wrong = braketeer("run", "--sede", "7", "--", "true")
    assert wrong.returncode == 2
    assert "--sede" in wrong.stderr


def test_run_without_a_command_is_the_shell(tmp_path: Path) -> None:
    shell = tmp_path / "shell"
    shell.write_text("#!/bin/sh\necho in $AWS_ENDPOINT_URL\n")
    shell.chmod(0o755)
    done = braketeer("run", SHELL=str(shell))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("in http://127.0.0.1:")


def test_run_makes_the_data_directory_it_keeps(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    done = braketeer("run", "--data-dir", str(folder), "--", "true")
    assert done.returncode == 0, done.stderr
    assert (folder / "braketeer.db").exists()


def test_aws_inside_run_asks_the_service_of_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "braketeer", "aws", "sts", "get-caller-identity"]
    done = braketeer("run", "--", *command, BRAKETEER_DATA_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Account"] == "000000000000"


TELLS_ITS_END = """
import os, pathlib, signal, sys, time
def end(number, frame):
    pathlib.Path(sys.argv[1]).write_text(str(number))
    sys.exit(0)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, end)
print(os.environ["AWS_ENDPOINT_URL"], flush=True)
time.sleep(100)
"""


def is_alive(process: psutil.Process) -> bool:
    """Whether it still does something: one that has ended may wait for whoever adopted it to hear of that."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@contextlib.contextmanager
def running_command(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, list[psutil.Process]]]:
    """``braketeer run`` with a command that has begun: its process, the service's address, all that it has started."""
    (tmp_path / "tmp").mkdir()
    # A shell ignores SIGINT for what it starts in the background, tests too, and what they start would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    run = subprocess.Popen(
        [sys.executable, "-m", "braketeer", "run", "--", sys.executable, "-c", TELLS_ITS_END, str(tmp_path / "told")],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, before)
    family: list[psutil.Process] = []
    try:
        assert run.stdout is not None
        endpoint = run.stdout.readline().strip()
        assert is_healthy(endpoint)
        family = psutil.Process(run.pid).children(recursive=True)
        assert len(family) > 2  # the service, the command, and workers of the service
        yield run, endpoint, family
    finally:
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        run.kill()
        run.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_run_that_is_asked_to_end_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with running_command(tmp_path) as (run, endpoint, family):
        run.send_signal(number)
        assert run.wait(60) == 128 + number
        assert not [process for process in family if is_alive(process)]
        assert not is_healthy(endpoint)
    assert (tmp_path / "told").read_text() == str(int(number))
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_interrupt_without_a_terminal_is_the_commands_to_answer(tmp_path: Path) -> None:
    with running_command(tmp_path) as (run, _, family):
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 0  # the command's own exit code
        assert not [process for process in family if is_alive(process)]
    assert (tmp_path / "told").read_text() == str(int(signal.SIGINT))


def test_the_service_of_a_run_that_was_killed_stops_by_itself(tmp_path: Path) -> None:
    with running_command(tmp_path) as (run, endpoint, family):
        service = [process for process in family if TELLS_ITS_END not in process.cmdline()]
        assert len(service) == len(family) - 1
        run.kill()
        run.wait(30)
        until(lambda: [process for process in service if is_alive(process)], lambda left: not left)
        assert not is_healthy(endpoint)


DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(300)
"""


def test_a_service_of_ones_own_waits_for_a_job_that_will_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job has its whole grace, its end is in the database, and only then is the service gone."""
    monkeypatch.setenv("BRAKETEER_JOB_GRACE_SECONDS", "31")
    with started(data_dir=tmp_path) as (access, folder):
        own = RunningService(folder, port=int(access.endpoint.rpartition(":")[2]))
        arn = own.create_job(DEAF)
        until(lambda: own.job_log(arn), lambda lines: "deaf" in lines)
    with contextlib.closing(sqlite3.connect(tmp_path / "braketeer.db")) as database:
        assert database.execute("select status from jobs").fetchall() == [("FAILED",)]


def one_line(text: str) -> str:
    assert len(text.splitlines()) == 1, text
    return text


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        (["serve", "--port", "99999"], {}, 2, "99999"),
        (["serve", "--port", "0"], {"BRAKETEER_TASK_SLOTS": "-1"}, 2, "BRAKETEER_TASK_SLOTS"),
        (["serve", "--port", "0"], {"BRAKETEER_STOP_JOBS": "maybe"}, 2, "BRAKETEER_STOP_JOBS"),
        (["serve", "--port", "0"], {"BRAKETEER_JOB_PYTHON": "/nonexistent"}, 2, "/nonexistent"),
        (["serve", "--port", "0", "--data-dir", "/dev/null/x"], {}, 1, "/dev/null"),
        (["serve", "--port", "0"], {"BRAKETEER_DATA_DIR": "/dev/null/x"}, 1, "/dev/null"),
        (["run", "--", "true"], {"BRAKETEER_TASK_SLOTS": "-1"}, 2, "BRAKETEER_TASK_SLOTS"),
        (["run", "--data-dir", "/dev/null/x", "--", "true"], {}, 1, "/dev/null"),
        (["run", "--", "/etc/passwd"], {}, 126, "/etc/passwd: cannot be run: Permission denied"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], code: int, said: str
) -> None:
    done = braketeer(*arguments, **{"BRAKETEER_DATA_DIR": str(tmp_path / "data"), **environment})
    assert done.returncode == code, done.stderr
    assert said in one_line(done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize("content", ["{", "[]", '{"default": "key"}', '{"default": {}}', ""])
def test_env_with_broken_credentials_says_which_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "credentials.json").write_text(content)
    done = braketeer("env", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "credentials.json" in one_line(done.stderr)


def test_doctor_names_a_setting_that_cannot_be(tmp_path: Path) -> None:
    done = braketeer("doctor", BRAKETEER_TASK_SLOTS="many", BRAKETEER_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "settings: BRAKETEER_TASK_SLOTS is 'many'" in done.stdout
    assert done.stderr == ""


def test_doctor_looks_at_what_jobs_will_run_in(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\ncase "$3" in *find_spec*) exit 1;; *) echo python 3 99;; esac\n')
    python.chmod(0o755)
    done = braketeer(
        "doctor", BRAKETEER_JOB_PYTHON=str(python), BRAKETEER_SANDBOX="none", BRAKETEER_DATA_DIR=str(tmp_path)
    )
    assert f"{python} (Python 3.99) has no amazon-braket-sdk" in done.stdout, done.stderr
    assert "none: the setting says none" in done.stdout


def test_doctor_asks_the_service_of_its_environment(service: RunningService, tmp_path: Path) -> None:
    variables = service.access.variables()
    done = braketeer("doctor", BRAKETEER_DATA_DIR=str(tmp_path), **variables)
    assert f"answers at {service.access.endpoint}" in done.stdout
    # An option comes first.
    done = braketeer(
        "doctor", "--data-dir", str(service.data_dir), **(variables | {"AWS_ENDPOINT_URL": "http://[::1]:9"})
    )
    assert f"answers at {service.access.endpoint}" in done.stdout


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
        (["--database", "mysql://somewhere"], "BRAKETEER_DATABASE"),
        (["--clock", "sideways"], "BRAKETEER_CLOCK"),
        (["--executor", "ray"], "--executor"),
    ],
)
def test_serve_refuses_what_it_cannot_do(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = braketeer("serve", "--port", "0", "--data-dir", str(tmp_path), *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_lost_key_is_not_replaced(tmp_path: Path) -> None:
    """Without it no secret in the database can be read: better said at the start than with every request."""
    with running(tmp_path) as service:
        service.client("s3").create_bucket(Bucket="private")
        service.client("s3").put_object(Bucket="private", Key="large", Body=b"x" * 100_000)
        made = [path for path in tmp_path.rglob("*") if not path.is_symlink()]
        assert {"braketeer.db", "credentials.json", "secret.key", "service.json"} <= {path.name for path in made}
        assert [path for path in made if path.stat().st_mode & 0o077] == []  # all of it is the owner's alone
    (tmp_path / "secret.key").unlink()
    done = braketeer("serve", "--port", "0", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "secret.key is missing" in one_line(done.stderr)
    assert not (tmp_path / "secret.key").exists()


def test_the_image_of_jobs_has_the_python_of_jobs(tmp_path: Path) -> None:
    """``@hybrid_job`` compares with it (hybrid_job._validate_python_version)."""
    python = tmp_path / "python"
    real = f'exec {sys.executable} "$@"'
    python.write_text(f'#!/bin/sh\ncase "$3" in *version_info*) echo python 3 99;; *) {real};; esac\n')
    python.chmod(0o755)
    with running(tmp_path, BRAKETEER_JOB_PYTHON=str(python), BRAKETEER_SANDBOX="none") as service:
        wanted = {"repositoryName": "amazon-braket-base-jobs", "imageIds": [{"imageTag": "latest"}]}
        digest = service.client("ecr").batch_get_image(**wanted)["images"][0]["imageId"]["imageDigest"]
        wanted["imageIds"] = [{"imageDigest": digest}]
        images = service.client("ecr").batch_get_image(**wanted)["images"]
    assert any("-py399-" in image["imageId"]["imageTag"] for image in images)


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
        assert path.stat().st_mode & 0o777 == 0o600
        assert secret not in path.read_bytes()
