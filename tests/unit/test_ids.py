"""Ids: RFC 9562's version 7, never twice, also after a fork."""

import os
import uuid

import pytest

from braketeer.domain.ids import fresh_uuid


def test_they_are_what_they_say() -> None:
    made = [fresh_uuid() for _ in range(1000)]
    assert len(set(made)) == len(made)
    for text in made:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 7, uuid.RFC_4122)


def test_later_ones_sort_behind_earlier_ones() -> None:
    stamps = [fresh_uuid()[:13] for _ in range(1000)]
    assert stamps == sorted(stamps)


@pytest.mark.filterwarnings("ignore:This process")  # Python 3.12 warns of threads
def test_a_forked_child_does_not_repeat_its_parent() -> None:
    fresh_uuid()
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writable, fresh_uuid()[14:].encode())
        os._exit(0)
    os.close(writable)
    ours = fresh_uuid()[14:]
    with os.fdopen(readable) as pipe:
        theirs = pipe.read()
    os.waitpid(child, 0)
    assert theirs and theirs != ours
