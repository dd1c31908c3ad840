from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from braketeer.work.job_log import LAST_LINES, LONGEST_LINE, LogFile, Pump, parse


def pumped(tmp_path: Path, chunks: list[bytes]) -> list[str]:
    reader, writer = os.pipe()
    log = LogFile(tmp_path / "log")
    pump = Pump(reader, log)
    for chunk in chunks:
        os.write(writer, chunk)
    os.close(writer)
    assert pump.ended.wait(10)
    os.close(reader)
    log.close()
    records, taken = parse((tmp_path / "log").read_bytes(), complete=False)
    assert taken == (tmp_path / "log").stat().st_size
    moments = [moment for moment, _ in records]
    assert moments == sorted(moments)
    return [text for _, text in records]


def test_lines_come_out_as_they_went_in(tmp_path: Path) -> None:
    assert pumped(tmp_path, [b"one\ntw", b"o\n\n", b"tab\there\rover\nlast"]) == [
        "one",
        "two",
        "",
        "tab\there\rover",
        "last",
    ]


def test_what_is_no_text_survives(tmp_path: Path) -> None:
    assert pumped(tmp_path, [b"\xff\x00ok \xc3\xa9\n"]) == ["\ufffd\ufffdok é"]


def test_a_long_line_becomes_several_that_lose_nothing(tmp_path: Path) -> None:
    lines = pumped(tmp_path, [b"x" * 30_000] * 30 + [b"y\n"])
    assert "".join(lines) == "x" * 900_000 + "y"
    assert max(map(len, lines)) <= LONGEST_LINE


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\n", codec="utf-8")), max_size=8), st.data())
def test_a_file_read_in_pieces_gives_every_record_once(lines: list[str], data: st.DataObject) -> None:
    content = "".join(f"{n}\t{line}\n" for n, line in enumerate(lines)).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=5)))
    found, offset = [], 0
    for cut in [*cuts, len(content)]:
        records, taken = parse(content[offset:cut], complete=False)
        found += records
        offset += taken
    assert found == list(enumerate(lines))


def test_a_record_cut_by_a_kill_is_read_at_the_end_only() -> None:
    assert parse(b"1\twhole\n2\tcu", complete=False) == ([(1, "whole")], 8)
    assert parse(b"1\twhole\n2\tcu", complete=True) == ([(1, "whole"), (2, "cu")], 12)
    assert parse(b"17", complete=True) == ([], 2)


def test_the_last_lines_are_the_scripts_own(tmp_path: Path) -> None:
    printed = [b"Beginning Setup", b"Running Code As Process", *(b"line %d" % n for n in range(3)), b"\xff" * 600]
    for before, expected in ((printed, printed[2:]), (printed * 20, None)):
        reader, writer = os.pipe()
        with os.fdopen(reader), os.fdopen(writer, "wb") as out:
            pump = Pump(reader, LogFile(tmp_path / "log"))
            out.write(b"\n".join([*before, b"Code Run Finished", b"Reporting training FAILURE", b""]))
            out.close()
            assert pump.ended.wait(10)
        lines = pump.last_lines()
        assert len(lines) <= LAST_LINES
        assert lines[-1] == "\ufffd" * 500
        if expected is not None:
            assert lines[:-1] == ["line 0", "line 1", "line 2"]
