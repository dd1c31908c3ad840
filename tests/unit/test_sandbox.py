from __future__ import annotations

import os
from pathlib import Path

import pytest

from braketeer.work import sandbox
from braketeer.work.job_folder import JobFolder

SHOWN = ("/srv/service/.venv", "/home/someone/.local/share/python")


@pytest.mark.parametrize(
    ("given", "inside"),
    [
        (None, "/opt/ml/checkpoints"),
        ("/opt/jobs/checkpoints", "/opt/jobs/checkpoints"),
        ("/opt/braket/checkpoints/", "/opt/ml/checkpoints"),
        ("/data//x/./y", "/data/x/y"),
        ("/home/job/c", "/home/job/c"),
    ],
)
def test_where_checkpoints_lie_inside(given: str | None, inside: str) -> None:
    assert sandbox.checkpoint_path(given, SHOWN) == inside


@pytest.mark.parametrize(
    "given",
    [
        "/", "//", "relative", "/usr", "/usr/lib/x", "/etc", "/proc/1", "/dev/shm", "/opt", "/opt/ml", "/opt/braket",
        "/opt/braket/code", "/opt/ml/input/data", "/opt/ml/model", "/srv", "/srv/service/.venv/lib", "/home",
        "/x/../etc", "/opt/ml/../../usr", "/a\0b",
        "/home/job/.local/lib/python3.11/site-packages",
    ],
)  # fmt: skip
def test_paths_of_the_system_cannot_be_taken_for_checkpoints(given: str) -> None:
    with pytest.raises(sandbox.SandboxError, match="path"):
        sandbox.checkpoint_path(given, SHOWN)


def test_no_secret_is_on_the_command_line_and_no_more_than_the_list_is_shown(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    host = folder.host("algo-1")
    command = sandbox.command("bubblewrap-user", folder, host, "/usr/bin/python3", ["--n", "1"], None, SHOWN, [])
    options = command.argv[: command.argv.index("--")]
    sources = {options[at + 1] for at, word in enumerate(options) if word in ("--bind", "--ro-bind")}
    outside = {path for path in sources if not path.startswith(("/usr", "/bin", "/sbin", "/lib", "/etc/", "/sys/"))}
    assert outside == {*SHOWN, *(str(folder.path / name) for name in ("ml", "checkpoints", "tmp", "home"))}
    assert not {"/etc", "/etc/shadow", "/", "/home", "/root", "/var", "/run"} & sources
    assert command.argv[-3:] == ["/opt/ml/code/braket_container.py", "--n", "1"]


def test_a_data_folder_below_what_is_shown_is_hidden(tmp_path: Path) -> None:
    data = tmp_path / "venv" / "data"
    data.mkdir(parents=True)
    shown = [str(tmp_path / "venv")]
    folder = JobFolder(data / "job")
    argv = sandbox.command("bubblewrap-user", folder, folder.host("algo-1"), "/p", [], None, shown, [str(data)]).argv
    at = argv.index(str(data))
    assert argv[at - 1] == "--tmpfs"
    assert at > argv.index(str(tmp_path / "venv"))


def test_the_setting_says_which_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not sandbox.choose("none").isolates
    with pytest.raises(ValueError, match="no sandbox"):
        sandbox.choose("docker")
    monkeypatch.setattr("shutil.which", lambda name: None)
    sandbox.probe.cache_clear()
    try:
        assert sandbox.choose("auto").name == "none"
        assert "not installed" in sandbox.choose("auto").reason
        with pytest.raises(sandbox.SandboxError, match="not installed"):
            sandbox.choose("bubblewrap")
    finally:
        sandbox.probe.cache_clear()


def test_the_interpreters_folders_hold_it_and_its_packages() -> None:
    import sys

    import braketeer

    folders = sandbox.interpreter_folders(sys.executable)
    for needed in (sys.executable, braketeer.__file__, pytest.__file__):
        assert any(Path(needed).is_relative_to(folder) for folder in (*folders, "/usr"))
    assert "/" not in folders


def test_the_trial_run_does_not_depend_on_the_umask() -> None:
    usual = os.umask(0o022)
    try:
        expected = sandbox.probe.__wrapped__()
        os.umask(0o077)
        assert sandbox.probe.__wrapped__() == expected
    finally:
        os.umask(usual)
