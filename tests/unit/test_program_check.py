"""Which programs are read in the service's own process: only those that cannot take long."""

import asyncio
import json
from dataclasses import replace

import pytest

from braketeer.domain.errors import ThrottlingException, ValidationException
from braketeer.work import programs
from braketeer.work.programs import MOST_WAITING, SMALL, Turns, is_quick
from braketeer.work.workers import Worker
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


def served(turns: Turns, *accounts: str) -> list[str]:
    """The order in which these are served that come one after the other while the only worker is taken."""
    order: list[str] = []

    async def ask(account: str) -> None:
        async with turns.turn(account):
            order.append(account)
            await asyncio.sleep(0)

    async def run() -> None:
        async with turns.turn("first"):
            asking = [asyncio.create_task(ask(account)) for account in accounts]
            await asyncio.sleep(0.01)
        await asyncio.gather(*asking)

    asyncio.run(run())
    return order


def test_accounts_take_turns() -> None:
    turns = Turns([Worker()])
    assert served(turns, *"aaaabbc") == list("abcabaa")
    assert served(turns, *"ba") == ["b", "a"]


def test_an_account_has_so_many_places_and_no_more() -> None:
    async def run() -> None:
        turns = Turns([Worker()])

        async def ask(account: str) -> None:
            async with turns.turn(account):
                pass

        async with turns.turn("a"):
            asking = [asyncio.create_task(ask("a")) for _ in range(MOST_WAITING)]
            await asyncio.sleep(0.01)
            with pytest.raises(ThrottlingException, match="of this account"):
                await ask("a")
            other = asyncio.create_task(ask("b"))
            await asyncio.sleep(0.01)
        await asyncio.gather(*asking, other)

    asyncio.run(run())


def test_who_leaves_the_line_leaves_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "LONGEST_WAIT_SECONDS", 0.05)

    async def run() -> None:
        turns = Turns([Worker()])

        async def ask() -> None:
            async with turns.turn("a"):
                pass

        async with turns.turn("a"):
            with pytest.raises(ThrottlingException, match="Too many programs are waiting"):
                await ask()
            gone, late = asyncio.create_task(ask()), asyncio.create_task(ask())
            await asyncio.sleep(0.01)
            gone.cancel()
            await asyncio.sleep(0)
        late.cancel()  # the worker has just been lent to it
        assert await asyncio.gather(gone, late, return_exceptions=True)
        await ask()

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
        check = programs.ProgramCheck()
        try:
            await check.check("account", action, replace(WIDE, actions=frozenset({header["name"]})), 10)
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
