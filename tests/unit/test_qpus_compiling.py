"""Circuits compiled for each QPU do the same as before, with native gates on joined qubits only."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from braketeer.devices.emulation import Figures
from braketeer.quantum.circuit import Circuit, Gate
from braketeer.quantum.gates import GATES
from braketeer.quantum.programs import compile_program
from braketeer.quantum.qpus.compiling import compiled
from braketeer.quantum.qpus.native import euler, merged, pulses
from braketeer.quantum.qpus.running import as_run
from braketeer.quantum.qpus.translating import routed, translated
from tests.unit.dense import full_matrix, state_of
from tests.unit.qpus_help import NAMES, assert_native, limits, program, target
from tests.unit.random_circuits import haar

Array = NDArray[np.complex128]


def random_gates(random: np.random.Generator, qubits: int, count: int, names: list[str]) -> list[Gate]:
    """Of the whole vocabulary of a QPU, after one unitary on each qubit."""
    found = [Gate("unitary", (qubit,), matrix=haar(random, 2)) for qubit in range(qubits)]
    while len(found) < count + qubits:
        name = str(random.choice(names))
        if GATES[name].qubits <= qubits:
            targets = tuple(map(int, random.permutation(qubits)[: GATES[name].qubits]))
            found.append(Gate(name, targets, tuple(random.uniform(-7, 7, GATES[name].parameters))))
    return found


def vocabulary(name: str) -> list[str]:
    return sorted({"u" if each == "U" else each for each in limits(name).operations} & set(GATES) - {"gphase"})


def labelled(gates: list[Gate], places: tuple[int, ...]) -> tuple[Circuit, list[int]]:
    """The compiled gates on as few qubits as they use, and where the program's qubits are among them."""
    labels = sorted({*places, *(qubit for gate in gates for qubit in gate.targets)})
    moved = [Gate(g.name, tuple(labels.index(q) for q in g.targets), g.parameters) for g in gates]
    return Circuit(tuple(labels), moved), [labels.index(place) for place in places]


def unitary(gates: list[Gate], qubits: int) -> Array:
    product = np.eye(1 << qubits, dtype=complex)
    for gate in gates:
        product = full_matrix(gate, qubits) @ product
    return product


@pytest.mark.parametrize("name", NAMES)
def test_a_routed_circuit_measures_the_same_where_it_says_it_is(name: str) -> None:
    """In random bases, so that phases show."""
    random, to = np.random.default_rng(7), target(name)
    for qubits in (1, 2, 3, 5):
        for _ in range(3):
            gates = random_gates(random, qubits, 12, vocabulary(name)) + random_gates(random, qubits, 0, [])
            placed = routed(gates, qubits, to)
            native = pulses(placed.gates, to, keeps_phases=False)
            assert_native(native, to)
            physical, order = labelled(native, placed.places)
            assert physical.qubit_count == qubits
            likely = (np.abs(state_of(physical)) ** 2).reshape((2,) * qubits).transpose(order).reshape(-1)
            wanted = np.abs(state_of(Circuit(tuple(range(qubits)), gates))) ** 2
            np.testing.assert_allclose(likely, wanted, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_gates_translated_on_the_spot_are_the_same_unitary(name: str) -> None:
    random, to = np.random.default_rng(8), target(name)
    for _ in range(4):
        gates = random_gates(random, 2, 8, vocabulary(name))
        native = pulses(translated(gates, 2, to), to, keeps_phases=True)
        assert {gate.name for gate in native} <= to.native
        product = unitary(native, 2).conj().T @ unitary(gates, 2)
        assert abs(np.trace(product)) / 4 == pytest.approx(1, abs=1e-6)


def test_one_pulse_is_enough_for_any_gate_of_one_qubit_where_its_angle_is_free() -> None:
    random = np.random.default_rng(1)
    for matrix in [haar(random, 2) for _ in range(20)]:
        turn = Gate("u", (0,), euler(matrix))
        assert abs(np.trace(full_matrix(turn, 1).conj().T @ matrix)) / 2 == pytest.approx(1)
        assert [gate.name for gate in pulses([turn], target("Garnet"), keeps_phases=False)] == ["prx"]
        assert [gate.name for gate in pulses([turn], target("Forte-1"), keeps_phases=False)] == ["gpi2", "gpi2"]
    assert [gate.name for gate in pulses(merged([Gate("x", (0,))]), target("Forte-1"), keeps_phases=False)] == ["gpi"]
    assert pulses(merged([Gate("t", (0,)), Gate("z", (0,))]), target("Garnet"), keeps_phases=False) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_compiled_program_is_valid_and_runs_as_it_stands(name: str) -> None:
    source = """OPENQASM 3.0;
    bit[3] b;
    qubit[3] q;
    h q[0];
    cnot q[0], q[1];
    ry(0.7) q[2];
    cnot q[2], q[0];
    b[0] = measure q[2];
    b[1] = measure q[0];
    b[2] = measure q[1];
    """
    circuit, found = program(source, name)
    first = compiled(circuit, found)
    text = first.program(circuit.measured or ())
    again = compile_program(text, {}, found, exact=False)
    second = compiled(again, found)
    assert again.physical
    assert second.program(again.measured or ()) == text
    assert again.measured is not None
    assert [again.labels[qubit] for qubit in again.measured] == [first.places[2], first.places[0], first.places[1]]


def test_wide_circuits_use_no_more_qubits_than_they_have() -> None:
    """Routing may want further qubits to move through; what is simulated is what was admitted."""
    random = np.random.default_rng(3)
    for name, qubits in (("Garnet", 11), ("Cepheus-1-108Q", 9)):
        gates = random_gates(random, qubits, 60, ["cz", "h", "cnot"])
        placed = routed(gates, qubits, target(name))
        used = {qubit for gate in placed.gates for qubit in gate.targets} | set(placed.places)
        assert len(used) == qubits
        assert_native(pulses(placed.gates, target(name), keeps_phases=False), target(name))


def test_the_same_circuit_is_always_compiled_alike() -> None:
    gates = random_gates(np.random.default_rng(4), 5, 30, ["cnot", "h", "t"])
    assert routed(gates, 5, target("Emerald")) == routed(gates, 5, target("Emerald"))


def test_good_qubits_are_chosen() -> None:
    """Cepheus has pairs of fidelity 0.5 in its document, and Emerald qubits that are misread in 8 of 100 shots."""
    ghz = [Gate("h", (0,)), *(Gate("cnot", (qubit, qubit + 1)) for qubit in range(7))]
    for name in ("Cepheus-1-108Q", "Emerald"):
        to = target(name)
        placed = routed(ghz, 8, to)
        for gate in placed.gates:
            noise = to.gate_noise[tuple(sorted(gate.targets))]
            assert noise.depolarizing < 0.05
        assert max(sum(to.flips[place]) / 2 for place in placed.places) < 0.06


def test_what_stands_in_a_verbatim_box_stays_as_it_is() -> None:
    source = """OPENQASM 3.0;
    bit[2] b;
    h $3;
    t $4;
    #pragma braket verbatim
    box {
        prx(0.3, 0.1) $3;
        prx(0.3, 0.1) $3;
        cz $3, $4;
        cz $3, $4;
    }
    cnot $3, $4;
    b[0] = measure $3;
    b[1] = measure $4;
    """
    circuit, found = program(source, "Garnet")
    done = compiled(circuit, found)
    assert done.places == (3, 4)
    boxed = [Gate("prx", (3,), (0.3, 0.1)), Gate("prx", (3,), (0.3, 0.1)), Gate("cz", (3, 4)), Gate("cz", (3, 4))]
    starts = [at for at in range(len(done.gates)) if done.gates[at : at + 4] == boxed]
    assert len(starts) == 1
    assert_native(done.gates, target("Garnet"))
    physical, order = labelled(done.gates, done.places)
    likely = np.abs(state_of(physical)) ** 2
    np.testing.assert_allclose(likely, np.abs(state_of(circuit)) ** 2, atol=1e-9)
    assert order == [0, 1]


def test_without_rewiring_each_qubit_is_the_one_of_its_number() -> None:
    source = (
        "OPENQASM 3.0;\nbit[2] b;\nqubit[10] q;\nh q[4];\ncnot q[4], q[9];\nb[0] = measure q[4];\nb[1] = measure q[9];"
    )
    circuit, found = program(source, "Garnet", rewiring=False)
    done = compiled(circuit, found)
    assert done.places == (4, 9)
    assert {gate.targets for gate in done.gates if len(gate.targets) == 2} == {(4, 9)}


def test_results_in_other_bases_are_rotated_with_native_gates() -> None:
    source = (
        "OPENQASM 3.0;\nqubit[2] q;\nh q[0];\ncnot q[0], q[1];\n#pragma braket result expectation x(q[0]) @ y(q[1])"
    )
    for name in NAMES:
        circuit, found = program(source, name)
        done = compiled(circuit, found)
        assert_native(done.gates, target(name))
        assert as_run(done, target(name, noise=False)).qubit_count == 2


@pytest.mark.parametrize(("declared", "one", "other"), [("qubit[2] q;", "q[0]", "q[1]"), ("", "$3", "$4")])
def test_gates_are_not_taken_together_over_a_barrier(declared: str, one: str, other: str) -> None:
    """Or noise could not be made stronger by gates that undo each other."""
    pair = f"{one}, {other}"
    steps = [f"x {one};", f"x {one};", f"cz {pair};", f"cz {pair};", f"h {one}; h {other};"]
    head = f"OPENQASM 3.0;\nbit[2] b;\n{declared}\n"
    tail = f"\nb[0] = measure {one};\nb[1] = measure {other};"
    done = compiled(*program(head + f"barrier {pair};\n".join(steps) + tail, "Garnet"))
    assert [gate.name for gate in done.gates] == ["prx", "prx", "cz", "cz", "prx", "prx"]
    assert len(compiled(*program(head + "\n".join(steps) + tail, "Garnet")).gates) < 6


def test_one_way_pairs_and_missing_qubits() -> None:
    """Joined in one direction is joined; numbers may have holes."""
    graph = {"0": ["2"], "2": [], "5": ["2", "0"]}
    connectivity = {"fullyConnected": False, "connectivityGraph": graph}
    found = Figures({"paradigm": {"connectivity": connectivity, "qubitCount": 3}}, "cz")
    assert found.qubits == (0, 2, 5)
    assert found.pairs == {(0, 2), (2, 5), (0, 5)}
    assert found.gate_noise() == {}
    assert found.flips(0) == (0.0, 0.0)
    assert 0 not in target("Garnet").qubits
    assert target("Garnet").are_joined(2, 1)
    assert not target("Garnet").are_joined(1, 3)
    assert 8 not in target("Cepheus-1-108Q").qubits
