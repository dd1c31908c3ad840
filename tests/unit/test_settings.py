"""What the service can be told, and what it refuses to be told."""

import os
import sys
from pathlib import Path

import pytest

from braketeer import config
from braketeer.cli.service import stop_seconds
from braketeer.config import (
    SettingError,
    Settings,
    default_data_dir,
    further_pythons,
    image_pythons,
    python_minor,
    throttle_limits,
)
from braketeer.data_directory import StartError
from braketeer.domain.throttling import Rate
from braketeer.quantum import engines
from braketeer.server import Service


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BRAKETEER_")]:
        monkeypatch.delenv(name)


def interpreter(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_command_line_comes_before_the_environment_and_that_before_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BRAKETEER_PORT", "5001")
    monkeypatch.setenv("BRAKETEER_SEED", "7")
    assert Settings.of(port=5002).port == 5002
    assert Settings.of(port=None).port == 5001
    assert Settings.of().seed == 7
    assert Settings.of().job_slots == 20


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BRAKETEER_HOST", "some..host"),
        ("BRAKETEER_PORT", "99999"),
        ("BRAKETEER_JOB_NETWORK", "private"),
        ("BRAKETEER_JOB_INSTALL_SECONDS", "0"),
        ("BRAKETEER_PORT", "-1"),
        ("BRAKETEER_PORT", "http"),
        ("BRAKETEER_TASK_SLOTS", "-1"),
        ("BRAKETEER_TASK_SLOTS", "1.5"),
        ("BRAKETEER_TASK_SLOTS", "100000"),
        ("BRAKETEER_JOB_SLOTS", "0"),
        ("BRAKETEER_TASK_MEMORY_GIB", "nan"),
        ("BRAKETEER_TASK_MEMORY_GIB", "inf"),
        ("BRAKETEER_TASK_MEMORY_GIB", "-0.5"),
        ("BRAKETEER_JOB_GRACE_SECONDS", "-1"),
        ("BRAKETEER_JOB_GRACE_SECONDS", "nan"),
        ("BRAKETEER_LEASE_SECONDS", "1"),
        ("BRAKETEER_LEASE_SECONDS", "nan"),
        ("BRAKETEER_QUOTA_TASKS_QUEUED", "-1"),
        ("BRAKETEER_QUOTA_JOBS_RUNNING", "none"),
        ("BRAKETEER_QUOTA_STORAGE_BYTES", "1e9"),
        ("BRAKETEER_AUDIT_DAYS", "40000"),
        ("BRAKETEER_SEED", "lucky"),
        ("BRAKETEER_STOP_JOBS", "maybe"),
        ("BRAKETEER_INSECURE", "2"),
        ("BRAKETEER_SANDBOX", "docker"),
        ("BRAKETEER_PUBLIC_URL", "braketeer.example"),
        ("BRAKETEER_PUBLIC_URL", "http://host:port"),
        ("BRAKETEER_JOB_PYTHON", "/nonexistent"),
        ("BRAKETEER_JOB_PYTHON", "/etc/passwd"),
        ("BRAKETEER_JOB_PYTHON", "/usr"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingError) as refusal:
        Settings.of()
    assert variable in str(refusal.value)
    assert value in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_options_are_held_to_the_same(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="99999"):
        Settings.of(port=99999)
    with pytest.raises(SettingError, match="sandbox"):
        Settings(sandbox="podman")
    with pytest.raises(SettingError, match=r"engine .* is 'qpu'; it must be one of auto, prism, lightning, dense"):
        Settings(engine="qpu")


@pytest.mark.parametrize(
    ("text", "meant"), [("1", True), ("TRUE", True), (" on ", True), ("0", False), ("no", False), ("Off", False)]
)
def test_yes_and_no_have_a_few_words_each(text: str, meant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAKETEER_STOP_JOBS", text)
    assert Settings.of().stop_jobs is meant


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("BRAKETEER_PORT", "BRAKETEER_DATA_DIR", "BRAKETEER_STOP_JOBS", "BRAKETEER_PUBLIC_URL"):
        monkeypatch.setenv(variable, "")
    assert Settings.of() == Settings()


def test_paths_are_absolute_however_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.of(data_dir=Path("here")).data_dir == tmp_path / "here"
    monkeypatch.setenv("BRAKETEER_DATA_DIR", "there")
    assert Settings.of().data_dir == default_data_dir() == tmp_path / "there"
    mine = interpreter(tmp_path / "python", "exit 0")
    monkeypatch.setenv("BRAKETEER_JOB_PYTHON", "./python")
    assert Settings.of().job_python == mine


def test_an_interpreter_may_be_named_as_in_a_shell_and_its_link_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python9").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BRAKETEER_JOB_PYTHON", "python9")
    assert Settings.of().job_python == str(tmp_path / "python9")


def test_a_base_address_has_no_slash_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAKETEER_PUBLIC_URL", "https://quantum.example/")
    assert Settings.of().public_url == "https://quantum.example"


def test_the_version_of_the_jobs_interpreter_is_its_own(tmp_path: Path) -> None:
    assert python_minor(sys.executable) == sys.version_info.minor
    (tmp_path / "link").symlink_to(sys.executable)
    assert python_minor(str(tmp_path / "link")) == sys.version_info.minor
    assert python_minor(interpreter(tmp_path / "newer", "echo python 3 99")) == 99


@pytest.mark.parametrize("script", ["echo python 2 7", "echo hello", "exit 3", "exit 0"])
def test_what_is_no_python_3_is_refused(script: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="BRAKETEER_JOB_PYTHON"):
        python_minor(interpreter(tmp_path / "other", script))


def test_further_interpreters_are_known_by_version_and_by_image(tmp_path: Path) -> None:
    nine, ten = (interpreter(tmp_path / f"python3.{n}", f"echo python 3 {n}") for n in (9, 10))
    settings = Settings(data_dir=tmp_path, job_pythons=f"{nine}, {ten}", job_images=f"*/lab/a:*={nine},*/b=c:1={ten}")
    assert further_pythons(settings) == {9: nine, 10: ten}
    assert image_pythons(settings) == {"*/lab/a:*": nine, "*/b=c:1": ten}
    for wrong in ({"job_pythons": "/not/there"}, {"job_images": "no-equals-sign"}, {"job_images": "a=/not/there"}):
        with pytest.raises(SettingError):
            given = Settings(data_dir=tmp_path, **wrong)
            further_pythons(given), image_pythons(given)


@pytest.mark.parametrize("grace", [0.0, 30.0, 3600.0])
def test_a_service_of_ones_own_is_not_killed_within_a_jobs_grace(grace: float) -> None:
    from braketeer.work.jobs import STOP_MARGIN_SECONDS

    # Stopping waits for jobs before requests end, and once more after (JobSupervisor.end_jobs, close).
    assert stop_seconds(grace) > 2 * (grace + STOP_MARGIN_SECONDS)


@pytest.mark.parametrize(
    "url", ["sqlite:///x.db", "mysql://a:the-password@b/c", "postgresql://a:the-password@b:port/c"]
)
def test_a_database_that_is_not_postgresql_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingError, match="BRAKETEER_DATABASE") as refused:
        Settings.of(database=url)
    assert "the-password" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["postgresql://somebody:the-password@here/name", "postgres:///name?host=/run/postgresql"]
)
def test_settings_do_not_show_the_databases_password(url: str) -> None:
    settings = Settings.of(database=url)
    assert settings.database == url
    assert "the-password" not in repr(settings)


@pytest.mark.parametrize("name", ["CreateQuantumTasks", "brakett:CreateQuantumTask", "brakett:all", "s3:all:all"])
def test_limits_are_of_operations_that_exist(tmp_path: Path, name: str) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(f'[operations]\n"{name}" = {{rate = 1}}\n"s3:all" = {{rate = 1}}\n')
    with pytest.raises(SettingError, match="there is no operation"):
        throttle_limits(str(path))
    path.write_text(path.read_text().replace(name, "all"))
    assert throttle_limits(str(path)) == {"braket:all": Rate(1, 1), "s3:all": Rate(1, 1)}


def test_every_engine_can_be_chosen() -> None:
    assert (*config.ENGINES,) == ("auto", *engines.ENGINES)


def test_an_engine_that_is_not_installed_ends_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pennylane_lightning.lightning_qubit_ops", None)
    with pytest.raises(StartError, match="package of 'lightning' is not installed here"):
        Service(Settings(data_dir=tmp_path, engine="lightning"), "http://127.0.0.1:1")
