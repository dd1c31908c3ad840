"""What a job's control group is told, on files that stand for the kernel's."""

from __future__ import annotations

from pathlib import Path

from braketeer.work.job_cgroup import ControlGroup


def test_the_older_control_groups_bound_processes_and_cores(tmp_path: Path) -> None:
    pids, cpu = tmp_path / "pids", tmp_path / "cpu"
    pids.mkdir()
    cpu.mkdir()
    group = ControlGroup("job", 128, 2, [pids], cpu)
    assert group.exists
    assert group.bounds_cores
    assert (pids / "braketeer-job" / "pids.max").read_text() == "128"
    assert (cpu / "braketeer-job" / "cpu.cfs_quota_us").read_text() == "200000"
    assert not ControlGroup("another", 128, 0, [pids], cpu).bounds_cores


def test_the_newer_control_groups_bound_both_in_one(tmp_path: Path) -> None:
    group = ControlGroup("job", 128, 3, [tmp_path], tmp_path / "none" / "such")
    assert group.bounds_cores
    assert (tmp_path / "braketeer-job" / "cpu.max").read_text() == "300000 100000"


def test_where_none_can_be_made_nothing_is_bound(tmp_path: Path) -> None:
    group = ControlGroup("job", 128, 2, [tmp_path / "none"], tmp_path / "none")
    assert not group.exists
    assert not group.bounds_cores
    assert group.entering(["a", "b"]) == ["a", "b"]
