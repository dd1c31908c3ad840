"""Which programs are read in the service's own process: only those that cannot take long."""

import asyncio
import json
from dataclasses import replace

import pytest

from braketeer.domain.errors import ValidationException
from braketeer.work import programs
from braketeer.work.programs import SMALL, is_quick
from tests.services import BELL, openqasm
from tests.unit.programs_help import WIDE


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


def test_a_register_of_thousands_is_not_read_here() -> None:
    check = programs.ProgramCheck()
    assert check.check_at_once(openqasm(BELL), WIDE, 10) is not None
    assert check.check_at_once(openqasm(BELL), replace(WIDE, max_qubits=4096), 10) is None


@pytest.mark.parametrize("apart", [True, False])
def test_what_is_wrong_with_a_set_is_told_wherever_it_is_read(apart: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "is_quick", lambda _: not apart)
    header = {"name": "braket.ir.openqasm.program_set", "version": "1"}
    action = json.dumps({"braketSchemaHeader": header, "programs": [{"source": "qubit q; foo q;"}]})

    async def checked() -> None:
        check = programs.ProgramCheck()
        try:
            await check.check(action, replace(WIDE, actions=frozenset({header["name"]})), 10)
        finally:
            await check.close()

    with pytest.raises(ValidationException) as refusal:
        asyncio.run(checked())
    assert refusal.value.members == {
        "reason": "ProgramSetValidationFailed",
        "programSetValidationFailures": [
            {"programIndex": 0, "inputsIndex": 0, "errors": ["Unknown gate 'foo' (line 1, column 10)"]}
        ],
    }
