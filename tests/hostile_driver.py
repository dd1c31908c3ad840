"""A driver that does what no driver should: its option ``how`` says what."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from braketeer.devices.drivers import Finished, Refused, Submitted, Task, Unavailable

NAME = "tests.hostile_driver:Hostile"
METADATA = {"taskMetadata": {}}


class Hostile:
    """Every method does the same: what ``how`` names."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options

    def run(self, task: Task, handle: str | None) -> Any:
        match self._options["how"]:
            case "long handle":
                return Submitted("x" * 2_000_000)
            case "handle with a line end":
                return Submitted("a\nb")
            case "too many shots":
                return Finished(METADATA, successful_shots=task.shots + 1)
            case "computed for ages":
                return Finished(METADATA, execution_ms=2**60)
            case "no document":
                return Finished("nonsense")  # type: ignore[arg-type]
            case "nested":
                deep: Any = []
                for _ in range(5000):
                    deep = [deep]
                return Finished({**METADATA, "deep": deep})
            case "secret":
                raise OSError(f"401 for https://lab.example/?token={self._options['login']['api_token']}")
            case "bad words":
                raise Refused("laser\0 \ud800" + "off" * 10_000)
            case "bad words of a device out of reach":
                raise Unavailable("gone\0 \ud800")
        raise AssertionError

    def status(self) -> str:
        print("noise")
        assert sys.stdin.read() == ""
        return subprocess.run(["cat"], check=True, capture_output=True, text=True).stdout + "ONLINE"

    def calibration(self) -> None:
        return None
