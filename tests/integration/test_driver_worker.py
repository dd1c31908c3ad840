"""The process of a driver, with drivers that do what none should: there is an answer, and to the next call, too."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from braketeer.devices.drivers import Task
from braketeer.work.driven import MODULE
from braketeer.work.driver_worker import MOST_WORDS, Call
from braketeer.work.workers import Defect, NotNow, Refused, Worker, WorkerDied, WorkerNotStarted
from tests.hostile_driver import NAME

TASK = Task("id", "arn", "device", 10, "{}", "{}")
SECRET = "hush-hush"


def _call(how: str) -> Call:
    return Call(NAME, orjson.dumps({"how": how, "login": {"api_token": SECRET}}).decode(), TASK)


def test_whatever_a_driver_does_there_is_an_answer_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent.parent), prepend=os.pathsep)

    async def ask(worker: Worker, how: str, trouble: type[Exception], words: str) -> str:
        with pytest.raises(trouble, match=words) as caught:
            await worker.call("run", _call(how), 60)
        text = str(caught.value)
        assert len(text) <= MOST_WORDS
        assert "\0" not in text
        assert SECRET not in text
        return text

    async def all_of_them() -> None:
        worker = Worker(module=MODULE)
        try:
            # Neither the driver nor a command that it starts reads what the next one is asked.
            head, document = await worker.call("look", _call("look"), 60)
            assert (head, document) == ({"status": "ONLINE"}, b"")
            await ask(worker, "long handle", Defect, "a handle must be a text of 1 to 1000")
            await ask(worker, "handle with a line end", Defect, "a handle must be")
            await ask(worker, "too many shots", Defect, "successful_shots must be None or a whole number to 10")
            await ask(worker, "computed for ages", Defect, "execution_ms must be")
            await ask(worker, "no document", Defect, "a result must be a Braket result document")
            await ask(worker, "nested", Defect, "ecursion")
            await ask(worker, "secret", Defect, r"token=\*\*\*")
            assert (await ask(worker, "bad words", Refused, "^laser")).startswith("laser ?off")
            assert await ask(worker, "bad words of a device out of reach", NotNow, "gone") == "gone ?"
            with pytest.raises(WorkerDied):
                await worker.call("look", Call("tests.dying_driver:Driver", "{}"), 60)
            with pytest.raises(Refused, match="cannot be loaded: KeyError: 'ADDRESS_OF_THE_DEVICE'"):
                await worker.call("look", Call("tests.forgetful_driver:Driver", "{}"), 60)
        finally:
            await worker.close()
        with pytest.raises(WorkerNotStarted, match="closed"):  # by whoever waited: no process is left behind
            await worker.call("look", _call("look"), 60)

    asyncio.run(all_of_them())


def test_options_are_not_in_what_is_written_of_a_call() -> None:
    call: Any = _call("secret")
    assert SECRET in call.options
    assert SECRET not in repr(call)
