"""Archives that nobody trusts: what is unpacked lies below the target, everything else is refused with its reason."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from braketeer.work.job_archives import BadArchive, is_archive, unpack

PLENTY = 1 << 20


def tar(path: Path, *members: tarfile.TarInfo | tuple[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as packed:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                packed.addfile(member)
            else:
                entry = tarfile.TarInfo(member[0])
                entry.size = len(member[1])
                packed.addfile(entry, io.BytesIO(member[1]))
    return path


def special(name: str, kind: bytes, linkname: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, linkname
    return member


def files(top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_of_any_compression_is_unpacked(tmp_path: Path, mode: str) -> None:
    archive = tar(tmp_path / "a", ("./pkg/run.py", b"1"), ("pkg/deep/x.bin", bytes(1000)), mode=mode)
    assert is_archive(archive)
    unpack(archive, tmp_path / "out", PLENTY)
    assert files(tmp_path / "out") == {"pkg/run.py": b"1", "pkg/deep/x.bin": bytes(1000)}


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("pkg/", "")
        packed.writestr("pkg/run.py", "1")
    unpack(tmp_path / "a.zip", tmp_path / "out", PLENTY)
    assert files(tmp_path / "out") == {"pkg/run.py": b"1"}


def test_a_link_to_a_file_inside_becomes_a_copy(tmp_path: Path) -> None:
    archive = tar(
        tmp_path / "a",
        special("pkg/second", tarfile.SYMTYPE, "first"),
        special("pkg/first", tarfile.SYMTYPE, "../real"),
        ("real", b"content"),
        special("hard", tarfile.LNKTYPE, "real"),
    )
    unpack(archive, tmp_path / "out", PLENTY)
    assert files(tmp_path / "out") == dict.fromkeys(["pkg/second", "pkg/first", "real", "hard"], b"content")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]


def test_no_file_is_more_than_readable_and_executable(tmp_path: Path) -> None:
    member = tarfile.TarInfo("tool")
    member.mode = 0o6777
    unpack(tar(tmp_path / "a", member), tmp_path / "out", PLENTY)
    assert stat.S_IMODE((tmp_path / "out" / "tool").stat().st_mode) == 0o755


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (("/etc/cron.d/x", b"1"), "absolute path"),
        (("../x", b"1"), "leads out of it"),
        (("pkg/../../x", b"1"), "leads out of it"),
        (special("x", tarfile.SYMTYPE, "/etc/passwd"), "link that leads out"),
        (special("pkg/x", tarfile.SYMTYPE, "../../x"), "link that leads out"),
        (special("x", tarfile.LNKTYPE, "../x"), "link that leads out"),
        (special("x", tarfile.SYMTYPE, "x"), "no file of the archive"),
        (special("x", tarfile.SYMTYPE, "nowhere"), "no file of the archive"),
        (special("x", tarfile.CHRTYPE), "device or a pipe"),
        (special("x", tarfile.BLKTYPE), "device or a pipe"),
        (special("x", tarfile.FIFOTYPE), "device or a pipe"),
        (("/".join(["d"] * 65), b"1"), "too long or too deep"),
        (("big", bytes(PLENTY + 1)), "more than the job's volume"),
        (("n" * 300, b"1"), "cannot be unpacked"),
    ],
)
def test_a_hostile_tar_is_refused_and_nothing_lies_outside(
    tmp_path: Path, member: tarfile.TarInfo | tuple[str, bytes], reason: str
) -> None:
    archive = tar(tmp_path / "a", ("good", b"1"), member)
    with pytest.raises(BadArchive, match=reason):
        unpack(archive, tmp_path / "in" / "out", PLENTY)
    assert set(files(tmp_path)) - {"a"} <= {"in/out/good", "in/out/big"}


def test_a_link_followed_by_a_file_below_it_writes_nothing_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = tar(tmp_path / "a", special("door", tarfile.SYMTYPE, "real"), ("door/x", b"1"), ("real", b"2"))
    with pytest.raises(BadArchive, match=r"both as a file and as a folder|cannot be unpacked"):
        unpack(archive, tmp_path / "out", PLENTY)
    assert list(outside.iterdir()) == []


def test_a_zip_that_lies_about_its_size_or_leads_out_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros", bytes(50 * PLENTY))
    with pytest.raises(BadArchive, match="more than the job's volume"):
        unpack(tmp_path / "bomb.zip", tmp_path / "out", PLENTY)
    with zipfile.ZipFile(tmp_path / "up.zip", "w") as packed:
        packed.writestr("../up", "1")
    with pytest.raises(BadArchive, match="leads out"):
        unpack(tmp_path / "up.zip", tmp_path / "out", PLENTY)
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as packed:
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(BadArchive, match="is a link"):
        unpack(tmp_path / "link.zip", tmp_path / "out", PLENTY)


def test_many_copies_by_links_count_as_what_they_take(tmp_path: Path) -> None:
    links = [special(f"copy-{n}", tarfile.LNKTYPE, "real") for n in range(20)]
    archive = tar(tmp_path / "a", ("real", bytes(PLENTY // 10)), *links)
    with pytest.raises(BadArchive, match="more than the job's volume"):
        unpack(archive, tmp_path / "out", PLENTY)


@pytest.mark.parametrize("content", [b"", b"print(1)", b"\x1f\x8b\x08broken", b"PK\x03\x04broken"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(BadArchive):
        unpack(tmp_path / "a", tmp_path / "out", PLENTY)


def test_a_script_is_not_taken_for_an_archive(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("print('hello')")
    assert not is_archive(tmp_path / "a.py")


def test_a_cut_off_archive_is_refused(tmp_path: Path) -> None:
    whole = tar(tmp_path / "a", ("big", bytes(range(256)) * 1000)).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadArchive):
        unpack(tmp_path / "cut", tmp_path / "out", PLENTY)
