"""A class is opened wholly or not at all, wherever the service is killed."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path

from braketeer.cli.problems import Problem
from tests.services import running

PUPILS = 200
DELAYS = (0.01, 0.03, 0.06, 0.1, 0.2)  # seconds from the request to the kill


def test_a_class_is_whole_or_not_there_after_a_kill(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for number, delay in enumerate(DELAYS):
            pupils = [{"name": f"class-{number}-pupil-{pupil}"} for pupil in range(PUPILS)]
            answered: list[str] = []

            def open_class(pupils: list[dict[str, str]] = pupils, answered: list[str] = answered) -> None:
                with contextlib.suppress(Problem):
                    opened = service.access.call("POST", "accounts", {"accounts": pupils})["accounts"]
                    answered.extend(pupil["name"] for pupil in opened)

            thread = threading.Thread(target=open_class)
            thread.start()
            time.sleep(delay)
            service.kill()
            thread.join()
            service.start()
            names = {account["name"] for account in service.access.call("GET", "accounts")["accounts"]}
            there = {pupil["name"] for pupil in pupils} & names
            assert len(there) in (0, PUPILS)
            assert there >= set(answered)
            kept = json.loads((tmp_path / "credentials.json").read_bytes())
            assert set(answered) <= set(kept) <= names
