"""Which programs are read in the service's own process: only those that cannot take long."""

import json

import pytest

from braketeer.work.programs import SMALL, is_quick
from tests.services import BELL, openqasm


def test_a_small_flat_program_is_quick() -> None:
    assert is_quick(openqasm(BELL))
    assert is_quick(openqasm("OPENQASM 3.0;\ninput float x;\nqubit q;\nrx(x) q;\n#pragma braket result probability"))


@pytest.mark.parametrize(
    "word",
    [
        "for int i in [0:290000] { x = 1; }",
        "while (true) { }",
        "gate g a { h a; }",
        "def f() { }",
        "if (true) { }",
        "ctrl @ x q[0], q[1];",
        "pow(3) @ x q[0];",
        "reset q[0];",
    ],
)
def test_a_word_that_repeats_something_is_not(word: str) -> None:
    source = f"OPENQASM 3.0;\nqubit[2] q;\n{word}\n"
    assert not is_quick(openqasm(source))
    escaped = openqasm(source).replace(word[:2], f"\\u{ord(word[0]):04x}{word[1]}")
    assert json.loads(escaped)["source"] == source
    assert not is_quick(escaped)


def test_a_long_program_is_not() -> None:
    assert not is_quick(openqasm("OPENQASM 3.0;\nqubit q;\n" + "h q;\n" * SMALL))


def test_a_set_of_programs_is_not() -> None:
    assert not is_quick(json.dumps({"programs": [{"source": BELL}]}))


@pytest.mark.parametrize("action", ["", "nonsense", "[]", "{}", '{"source": 3}'])
def test_what_is_no_program_is_refused_at_once(action: str) -> None:
    assert is_quick(action)
