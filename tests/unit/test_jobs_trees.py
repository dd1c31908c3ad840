"""A runner sees the service's files; a job must not make it read them."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from braketeer.work.job_results import merged, pack
from braketeer.work.job_trees import DEEPEST, bytes_used, entries, open_file, read_text


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").write_text("content")
    (top / "link").symlink_to(tmp_path / "secret" / "key")
    (top / "door").symlink_to(tmp_path / "secret")
    os.mkfifo(top / "pipe")
    return top


def test_only_folders_and_plain_files_are_found(tree: Path) -> None:
    assert [(entry.path, entry.is_folder) for entry in entries(tree)] == [
        ("a", True),
        ("a/b", True),
        ("a/b/file", False),
    ]


@pytest.mark.parametrize("path", ["link", "door/key", "pipe", "a", "nothing"])
def test_links_are_not_followed_and_pipes_not_waited_for(tree: Path, path: str) -> None:
    with pytest.raises(OSError):
        os.close(open_file(tree, path))
    assert read_text(tree, path, 100) == ""


def test_a_top_that_was_replaced_by_a_link_is_empty(tree: Path) -> None:
    (tree.parent / "model").symlink_to(tree.parent / "secret")
    assert list(entries(tree.parent / "model")) == []
    assert read_text(tree.parent / "model", "key", 100) == ""


def test_a_pit_of_folders_does_no_harm(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    assert len(list(entries(tmp_path))) == DEEPEST + 1
    assert bytes_used(tmp_path) > 0
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


def test_an_archive_holds_the_tree_and_survives_files_that_vanish(tree: Path) -> None:
    found = list(entries(tree))
    (tree / "late").write_text("late")
    found += [entry for entry in entries(tree) if entry.path == "late"]
    (tree / "late").unlink()
    pack([(tree, entry) for entry in found], tree.parent / "model.tar.gz")
    with tarfile.open(tree.parent / "model.tar.gz") as packed:
        assert packed.getnames() == ["a", "a/b", "a/b/file"]
        assert packed.extractfile("a/b/file").read() == b"content"  # type: ignore[union-attr]


def test_results_of_several_hosts_are_merged_and_the_first_hosts_are_kept(tmp_path: Path) -> None:
    for host, files in {"1": ["same", "deep/a"], "2": ["same", "deep/b", "odd/x"], "3": ["odd"]}.items():
        for name in files:
            (tmp_path / host / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / host / name).write_text(host)
    found, left_out = merged([tmp_path / host for host in "123"])
    assert {entry.path: top.name for top, entry in found if not entry.is_folder} == {
        "same": "1",
        "deep/a": "1",
        "deep/b": "2",
        "odd/x": "2",
    }
    assert left_out == ["same", "odd"]
    turned, left_out = merged([tmp_path / host for host in "312"])
    assert "odd/x" not in {entry.path for _, entry in turned}
    assert "odd/x" in left_out
