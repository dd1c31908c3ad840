"""A driver whose device is a folder: what tests put there is what it does, and what it was asked is written there.

Named ``tests.toy_driver:Toy``; ``environment()`` makes it importable for a service.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from braketeer.devices.drivers import Finished, Refused, Submitted, Task, Unavailable

NAME = "tests.toy_driver:Toy"


def environment(*folders: Path) -> dict[str, str]:
    """Variables with which a service finds the driver, and what else lies in ``folders``."""
    return {"PYTHONPATH": os.pathsep.join(map(str, [Path(__file__).parent.parent, *folders]))}


class Toy:
    """``submitted``, ``waiting`` and ``cancelled`` have a line for each call. While there is ``hang``, who submits gets
    no answer. A task waits until there is ``result.json``, and is refused where there is ``refusal``; while there
    is ``away``, nothing can be reached; ``die`` ends the process, once.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        if "folder" not in options:
            raise Refused("The toy needs a folder")
        self._folder = Path(options["folder"])

    def validate(self, task: Task) -> None:
        self._be_there()
        if "refuse me" in task.action:
            raise Refused("The toy does not take such programs")

    def run(self, task: Task, handle: str | None) -> Submitted | Finished:
        self._be_there()
        if handle is None:
            self._note("submitted", task.id)
            while (self._folder / "hang").exists():
                time.sleep(0.02)
            return Submitted(f"toy/{task.id}")
        if handle != f"toy/{task.id}":
            raise Refused("That handle is another task's")
        self._note("waiting", task.id)
        while not (self._folder / "result.json").exists():
            if (self._folder / "die").exists():
                (self._folder / "die").unlink()
                os._exit(1)
            if (self._folder / "refusal").exists():
                raise Refused((self._folder / "refusal").read_text())
            time.sleep(0.02)
        return Finished(json.loads((self._folder / "result.json").read_text()), task.shots, 7)

    def cancel(self, task: Task, handle: str | None) -> None:
        self._be_there()
        self._note("cancelled", f"{task.id} {handle}")

    def status(self) -> str:
        self._be_there()
        status = self._folder / "status"
        return status.read_text() if status.exists() else "ONLINE"

    def calibration(self) -> Mapping[str, Any] | None:
        document = self._folder / "document.json"
        return json.loads(document.read_text()) if document.exists() else None

    def _be_there(self) -> None:
        if (self._folder / "away").exists():
            raise Unavailable("The toy is away")

    def _note(self, name: str, line: str) -> None:
        with (self._folder / name).open("a") as file:
            file.write(f"{line}\n")
