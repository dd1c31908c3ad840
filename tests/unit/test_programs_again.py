"""Programs that come again with other numbers, down to the engine: each time the state is that of the whole way."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from braketeer.quantum.circuit import ProgramError, Rebound
from braketeer.quantum.engines import choose, dense
from braketeer.quantum.programs import compile_program, compiling
from braketeer.quantum.programs.skeletons import Skeletons
from braketeer.quantum.results import paulis
from tests.unit.programs_help import WIDE

HEAD = "OPENQASM 3.0;\ninput float x;\nqubit[3] q;\n"
PLAIN = "h q[0];\nrx(#) q[0];\ncnot q[0], q[2];\nU(#, #, #) q[1];\nxx(x / 3) q[2], q[1];\nrz(#) q[2];\nccnot q;\n"
PLAIN = PLAIN.replace("ccnot q;", "ccnot q[2], q[0], q[1];")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_SKELETONS", Skeletons())


def texts(body: str) -> list[str]:
    random = np.random.default_rng(7)
    found = []
    for _ in range(5):
        source = HEAD + body
        while "#)" in source or "#," in source:
            place = min(at for at in (source.find("#)"), source.find("#,")) if at >= 0)
            source = f"{source[:place]}{random.uniform(-4, 4)!r}{source[place + 1 :]}"
        found.append(source)
    return found


@pytest.mark.parametrize(
    "more",
    [
        "",
        "gpi(#) q[0];\nms(#, #, 0.25) q[0], q[1];\nprx(#, #) q[2];\n",  # prism-q's builder has no method for these
        "i q[1];\n",
        "gphase(0.5);\n",
        "ctrl @ s q[0], q[1];\n",
        "#pragma braket unitary([[0, 1], [1, 0]]) q[1]\n",
        "negctrl @ s q[2], q[1];\n",
    ],
)
def test_states(more: str) -> None:
    bound = []
    for turn, source in enumerate(texts(PLAIN + more + PLAIN)):
        inputs = {"x": turn / 4}
        circuit = compile_program(source, inputs, WIDE)
        whole = compile_program(source, inputs, WIDE, flat=False)
        assert np.allclose(choose().evolve(circuit), dense.evolve(whole), rtol=0, atol=1e-12)
        assert repr(circuit.operations) == repr(whole.operations)
        assert (circuit.is_noisy, len(circuit.operations)) == (False, len(whole.operations))
        bound.append(isinstance(circuit.operations, Rebound))
    assert bound == [False, False, True, True, True]


def test_noise() -> None:
    noise = "#pragma braket noise bit_flip(0.25) q[1]\n"
    for turn, source in enumerate(texts(PLAIN + noise + PLAIN)):
        inputs = {"x": turn / 4}
        circuit = compile_program(source, inputs, WIDE)
        whole = compile_program(source, inputs, WIDE, flat=False)
        assert circuit.is_noisy
        assert np.allclose(choose().evolve_density(circuit), dense.evolve_density(whole), rtol=0, atol=1e-12)


def test_circuits_of_one_text_keep_their_own_angles() -> None:
    circuits = [compile_program(source, {"x": 1.0}, WIDE) for source in texts(PLAIN)]
    states = [choose().evolve(circuit) for circuit in circuits]
    again = [choose().evolve(circuit) for circuit in reversed(circuits)][::-1]
    assert all(np.array_equal(state, repeated) for state, repeated in zip(states, again, strict=True))
    assert not any(np.allclose(one, other) for one, other in pairwise(states))


def test_an_angle_that_is_no_number_never_reaches_the_engine() -> None:
    *_, circuit = [compile_program(source, {"x": 1.0}, WIDE) for source in texts(PLAIN)]
    circuit.operations = Rebound(circuit.operations, {1: (float("nan"),)}, {})
    with pytest.raises(ProgramError, match="not a finite number"):
        choose().evolve(circuit)


@pytest.mark.parametrize("qubits", [1, 4, 10, 11])
def test_products_of_letters_in_states_small_and_large(qubits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(qubits)
    state = random.normal(size=1 << qubits) + 1j * random.normal(size=1 << qubits)
    state /= np.linalg.norm(state)
    words = [list(zip(random.choice(list("ixyz"), qubits), range(qubits), strict=True)) for _ in range(12)]
    found = paulis.pauli_expectations(state, words)
    assert found == paulis.pauli_expectations(state, words)
    monkeypatch.setattr(paulis, "LARGEST_SMALL", 0)
    assert np.allclose(found, paulis.pauli_expectations(state, words), rtol=0, atol=1e-13)
