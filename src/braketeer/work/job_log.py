"""A job's output on its way into a file: lines with the time they came, none lost, none too long."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from braketeer.work.job_folder import now_ms

LONGEST_LINE = 256 * 1024  # bytes; CloudWatch takes 256 KiB an event, and longer lines become several
LAST_LINES = 30  # that tell why a script has failed
_CHUNK = 64 * 1024
_SHORT = 500  # bytes of a line that is among the last
_BEFORE, _AFTER = b"Running Code As Process", b"Code Run Finished"  # the harness's own lines around the script's


class LogFile:
    """Appends records ``"{epoch ms}\\t{text}\\n"``, in one write a batch, so that a reader never sees half a batch."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._turn = threading.Lock()
        self._last_ms = 0

    def write(self, lines: list[bytes]) -> None:
        """Lines without their newlines; what is no UTF-8 becomes U+FFFD."""
        if not lines:
            return
        with self._turn:
            self._last_ms = max(self._last_ms, now_ms())
            batch = "".join(f"{self._last_ms}\t{_text(piece)}\n" for line in lines for piece in _pieces(line))
            data = memoryview(batch.encode())
            while data:
                data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        os.close(self._descriptor)


class Pump:
    """A thread that brings a process's output to a LogFile until its end."""

    def __init__(self, source: int, log: LogFile) -> None:
        self.ended = threading.Event()
        self._last: deque[bytes] = deque(maxlen=LAST_LINES + 2)
        self._source = source
        self._log = log
        threading.Thread(target=self._run, name="log-pump", daemon=True).start()

    def last_lines(self) -> list[str]:
        """The last lines of the script, between those that the harness prints before and after it."""
        lines = list(self._last)
        if _BEFORE in lines:
            lines = lines[lines.index(_BEFORE) + 1 :]
        if _AFTER in lines:
            lines = lines[: len(lines) - 1 - lines[::-1].index(_AFTER)]
        return [_text(line) for line in lines[-LAST_LINES:]]

    def _run(self) -> None:
        rest = b""
        try:
            while chunk := os.read(self._source, _CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) >= LONGEST_LINE:
                    lines, rest = [*lines, rest], b""
                self._write(lines)
            self._write([rest] if rest else [])
        finally:
            self.ended.set()

    def _write(self, lines: list[bytes]) -> None:
        """A full disk loses lines, but must not stop the script by a pipe that nobody reads."""
        self._last.extend(line[:_SHORT] for line in lines[-LAST_LINES - 2 :])
        with contextlib.suppress(OSError):
            self._log.write(lines)


def parse(data: bytes, *, complete: bool) -> tuple[list[tuple[int, str]], int]:
    """Records at the start of ``data`` and how many bytes they take.

    A last record without its newline waits for it, unless ``complete`` says that nothing more will come.
    """
    end = len(data) if complete else data.rfind(b"\n") + 1
    return list(_records(data[:end])), end


def _records(data: bytes) -> Iterator[tuple[int, str]]:
    for record in data.split(b"\n"):
        moment, tab, text = record.partition(b"\t")
        if tab and moment.isdigit():
            yield int(moment), text.decode(errors="replace")


def _pieces(line: bytes) -> list[bytes]:
    if len(line) <= LONGEST_LINE:
        return [line]
    return [line[start : start + LONGEST_LINE] for start in range(0, len(line), LONGEST_LINE)]


def _text(line: bytes) -> str:
    return line.decode(errors="replace").replace("\0", "\ufffd")
