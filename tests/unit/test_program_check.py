"""Which programs are read in the service's own process: only those that cannot take long."""

import asyncio
import json
from dataclasses import replace

import pytest

from braketeer.domain.errors import ThrottlingException, ValidationException
from braketeer.work import programs
from braketeer.work.programs import MOST_WAITING, SMALL, is_quick
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


@pytest.mark.parametrize(
    "declaration",
    [
        "qubit[28] q;",
        "qubit [ 28 ] q ;",
        "qubit/**/[28] q;",
        "qubit[0x1c] q;",
        "qubit[4*7] q;",
        "int n = 28; qubit[n] q;",
        "qreg q[28];",
    ],
)
@pytest.mark.parametrize("gate", ["h q;", "h q[0:27];", "h q[:];", "h q/**/;"])
def test_gates_on_whole_registers_are_not(declaration: str, gate: str) -> None:
    """27,000 gates in 4 KB: more than a hundred milliseconds."""
    source = "OPENQASM 3.0;\n" + declaration + gate * 200
    assert len(openqasm(source)) < SMALL
    assert not is_quick(openqasm(source))


def test_many_matrices_are_not() -> None:
    source = "OPENQASM 3.0;\nqubit[2] q;" + "\n#pragma braket unitary([[0, 1], [1, 0]]) q[0]"
    assert is_quick(openqasm(source))
    assert not is_quick(openqasm(source + "\n#pragma braket unitary([[0, 1], [1, 0]]) q[0]" * 50))


def test_every_gate_of_its_own_is_quick() -> None:
    """As the SDK writes circuits: one line a gate, each qubit by its number."""
    lines = "".join(f"h q[{n % 20}];\ncnot q[{n % 20}], q[{(n + 1) % 20}];\n" for n in range(120))
    source = f"OPENQASM 3.0;\nbit[20] b;\nqubit[20] q;\n{lines}b = measure q;\n"
    assert 3500 < len(openqasm(source)) < SMALL
    assert is_quick(openqasm(source))


def test_a_set_of_programs_is_not() -> None:
    assert not is_quick(json.dumps({"programs": [{"source": BELL}]}))


@pytest.mark.parametrize("action", ["", "nonsense", "[]", "{}", '{"source": 3}'])
def test_what_is_no_program_is_refused_at_once(action: str) -> None:
    assert is_quick(action)


@pytest.fixture
def one_checker(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one worker, and reading a program with it takes a moment."""

    async def read(*_: object) -> tuple[dict[str, object], bytes]:
        await asyncio.sleep(0.005)
        return {"qubits": 1}, b""

    monkeypatch.setattr(programs, "CHECKERS", 1)
    monkeypatch.setattr(programs.Worker, "call", read)
    monkeypatch.setattr(programs.quantum, "Prepared", lambda **head: head)


async def ask(check: programs.ProgramCheck, account: str, served: list[str]) -> None:
    await check.check(account, "", WIDE, 10)
    served.append(account)


@pytest.mark.usefixtures("one_checker")
def test_accounts_take_turns() -> None:
    served: list[str] = []

    async def run() -> None:
        check = programs.ProgramCheck()
        await asyncio.gather(*(ask(check, account, served) for account in "xaaaabbc"))

    asyncio.run(run())
    assert served == list("xabcabaa")


@pytest.mark.usefixtures("one_checker")
def test_an_account_has_so_many_places_and_no_more() -> None:
    async def run() -> None:
        check, served = programs.ProgramCheck(), []
        asking = [asyncio.create_task(ask(check, "a", served)) for _ in range(MOST_WAITING + 1)]
        await asyncio.sleep(0)
        with pytest.raises(ThrottlingException, match="of this account"):
            await ask(check, "a", served)
        await ask(check, "b", served)
        await asyncio.gather(*asking)
        assert len(served) == MOST_WAITING + 2

    asyncio.run(run())


@pytest.mark.usefixtures("one_checker")
def test_who_leaves_the_line_leaves_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        check, served = programs.ProgramCheck(), []
        first, gone, late = (asyncio.create_task(ask(check, account, served)) for account in "aaa")
        await asyncio.sleep(0)
        monkeypatch.setattr(programs, "LONGEST_WAIT_SECONDS", 0.001)
        with pytest.raises(ThrottlingException, match="Too many programs are waiting"):
            await ask(check, "a", served)
        monkeypatch.setattr(programs, "LONGEST_WAIT_SECONDS", 10.0)
        gone.cancel()
        await first
        late.cancel()  # the worker has just been lent to it
        assert await asyncio.gather(gone, late, return_exceptions=True)
        async with asyncio.timeout(5):
            async with check._worker("a"):
                pass

    asyncio.run(run())


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
        check, limits = programs.ProgramCheck(), replace(WIDE, actions=frozenset({header["name"]}))
        try:
            assert check.check_at_once(action, limits, 10) is None
            await check.check("account", action, limits, 10)
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
