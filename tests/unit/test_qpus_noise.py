"""The noise of a QPU is the published one: average gate fidelities, readout, and what comes of them in shots."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from braketeer.devices.emulation import gate_noise
from braketeer.quantum import prepare
from braketeer.quantum.circuit import Gate
from braketeer.quantum.qpus import running
from braketeer.quantum.qpus.compiling import compiled
from braketeer.quantum.qpus.noise import channels, misread, noisy
from braketeer.quantum.qpus.running import as_run, evaluate_on_target
from tests.unit.qpus_help import NAMES, catalogue, noisy_distribution, program, target
from tests.unit.tasks_help import openqasm

PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]


def average_fidelity(noise: Any, qubits: int) -> float:
    """Of channels one after the other, over all pure states: by the trace of their Pauli transfer matrix."""
    size, trace = 2**qubits, 0.0
    for letters in product(PAULIS, repeat=qubits):
        word = letters[0] if qubits == 1 else np.kron(*letters)
        moved = word
        for channel in noise:
            operators = channel.operators
            if len(channel.targets) < qubits:
                operators = [
                    np.kron(k, PAULIS[0]) if channel.targets == (0,) else np.kron(PAULIS[0], k) for k in operators
                ]
            moved = sum(k @ moved @ np.conj(k).T for k in operators)
        trace += float(np.trace(word @ moved).real) / size
    return float((trace / size + 1) / (size + 1))


def published(name: str) -> tuple[dict[int, float], dict[tuple[int, int], float]]:
    """Fidelities of one-qubit and two-qubit gates, picked from the document by hand."""
    device = catalogue().named(name)
    assert device is not None
    document, to = device.document, target(name)
    figures = document["standardized"]
    if "twoQubitProperties" not in figures:
        alone = figures["singleQubitFidelity"][0]["fidelity"] if "singleQubitFidelity" in figures else 0.9999
        return dict.fromkeys(to.qubits, alone), dict.fromkeys(to.pairs, figures["twoQubitGateFidelity"][0]["fidelity"])
    ones = {
        int(qubit): min(
            (entry for entry in found["oneQubitFidelity"] if "BENCHMARKING" in entry["fidelityType"]["name"]),
            key=lambda entry: len(entry["fidelityType"]["name"]),
        )["fidelity"]
        for qubit, found in figures["oneQubitProperties"].items()
    }
    twos = {
        tuple(sorted(map(int, pair.split("-")))): found["twoQubitGateFidelity"][0]["fidelity"]
        for pair, found in figures["twoQubitProperties"].items()
    }
    return ones, {(one, other): value for (one, other), value in twos.items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_gate_has_the_published_average_fidelity(name: str) -> None:
    ones, twos = published(name)
    to = target(name)
    assert set(to.gate_noise) == {(qubit,) for qubit in ones} | set(twos)
    for qubit, fidelity in list(ones.items())[:12]:
        assert average_fidelity(channels(to.gate_noise[qubit,], (0,)), 1) == pytest.approx(fidelity, abs=1e-12)
    for pair, fidelity in list(twos.items())[:12]:
        assert average_fidelity(channels(to.gate_noise[pair], (0, 1)), 2) == pytest.approx(fidelity, abs=1e-12)


def test_relaxation_is_never_more_than_the_fidelity_allows() -> None:
    for fidelity, duration in ((0.999, 1e-8), (0.999, 1e-5), (0.5, 1e-6)):
        for qubits in (1, 2):
            found = gate_noise(fidelity, [(3e-5, 1e-5)] * qubits, duration, qubits)
            assert average_fidelity(channels(found, range(qubits)), qubits) == pytest.approx(fidelity, abs=1e-9)
    assert gate_noise(0.999, [(3e-5, 1e-5)], 1e-5, 1).depolarizing == pytest.approx(0, abs=1e-9)
    damping, dephasing = gate_noise(0.9, [(3e-5, 2e-5)], 1e-6, 1).relaxation[0]
    assert damping == pytest.approx(1 - np.exp(-1e-6 / 3e-5))
    assert (1 - damping) * (1 - dephasing) == pytest.approx(np.exp(-2e-6 / 2e-5))


def test_turns_of_the_frame_make_no_errors() -> None:
    to = target("Cepheus-1-108Q")
    names = [
        each.name for each in noisy([Gate("rz", (0,), (1.0,)), Gate("rx", (0,), (np.pi,)), Gate("cz", (0, 1))], to)
    ]
    assert names == ["rz", "rx", "depolarizing", "cz", "two_qubit_depolarizing"]


def test_bits_are_misread_as_often_as_published() -> None:
    to, shots = target("Garnet"), 200_000
    bits = np.repeat(np.array([[0, 1]], dtype=np.uint8), shots, axis=0)
    read = misread(bits, (4, 6), to, np.random.default_rng(1))
    for column, (qubit, which) in enumerate(((4, 0), (6, 1))):
        rate = float((read[:, column] != bits[:, column]).mean())
        wanted = to.flips[qubit][which]
        assert abs(rate - wanted) < 5 * np.sqrt(wanted / shots)
    assert misread(bits, (4, 6), target("Garnet", noise=False), np.random.default_rng(1)) is bits


@pytest.mark.parametrize("most_density_qubits", [0, 12], ids=["trajectories", "density"])
@pytest.mark.parametrize("name", NAMES)
def test_shots_are_those_of_the_noisy_density_matrix(name: str, most_density_qubits: int) -> None:
    """Chi squared against a dense density matrix of the compiled circuit, and the readout's confusion matrix."""
    source = "OPENQASM 3.0;\nqubit[3] q;\nh q[0];\ncnot q[0], q[1];\nry(0.8) q[1];\ncnot q[1], q[2];\nx q[2];"
    circuit, found = program(source, name)
    to = target(name)
    done = compiled(circuit, found)
    wanted = 5000 * noisy_distribution(as_run(done, to), done.places, to)
    found = replace(found, max_density_qubits=most_density_qubits)
    bits = evaluate_on_target(circuit, 5000, found, to, np.random.default_rng(11)).bits
    assert bits is not None
    counts = np.bincount(bits @ np.array([4, 2, 1]), minlength=8)
    assert float(((counts - wanted) ** 2 / wanted).sum()) < 29.9  # of 7 degrees of freedom: 1 in 10,000


def test_values_are_of_the_program_s_own_qubits() -> None:
    """Without noise the emulation is exact: results, their order and the measured qubits are those of a simulator."""
    source = "OPENQASM 3.0;\nbit[2] b;\nqubit[5] q;\nx q[4];\nswap q[4], q[1];\nh q[2];\nh q[2];\n"
    ideal = target("Emerald", noise=False)
    circuit, found = program(source + "b[0] = measure q[1];\nb[1] = measure q[4];", "Emerald")
    evaluated = evaluate_on_target(circuit, 50, found, ideal, np.random.default_rng(2))
    assert evaluated.measured == [1, 4]
    assert evaluated.bits is not None
    assert evaluated.bits.tolist() == [[1, 0]] * 50
    circuit, found = program(source + "#pragma braket result expectation z(q[1]) @ z(q[4])", "Emerald")
    evaluated = evaluate_on_target(circuit, 50, found, ideal, np.random.default_rng(2))
    assert evaluated.values == [-1.0]
    assert evaluated.measured == [1, 2, 4]


@pytest.mark.parametrize(("name", "qubits"), [("Cepheus-1-108Q", 60), ("Emerald", 54), ("Forte-1", 36)])
def test_clifford_circuits_may_be_as_wide_as_the_machine(name: str, qubits: int) -> None:
    """A chain of pairs: neighbours in a pair are equal, but for what is misread and what goes wrong."""
    pairs = range(0, qubits - 1, 2)
    source = f"OPENQASM 3.0;\nqubit[{qubits}] q;\n" + "".join(
        f"h q[{at}];\ncnot q[{at}], q[{at + 1}];\n" for at in pairs
    )
    circuit, found = program(source, name)
    assert prepare(openqasm(source), found, 1000).memory_bytes < 256 << 20
    evaluated = evaluate_on_target(circuit, 1000, found, target(name), np.random.default_rng(5))
    assert evaluated.bits is not None
    assert evaluated.bits.shape == (1000, qubits)
    equal = (evaluated.bits[:, 0::2] == evaluated.bits[:, 1::2]).mean(axis=0)
    assert equal.mean() > 0.85
    assert abs(evaluated.bits.mean() - 0.5) < 0.05


def test_stabilizers_and_evolved_states_give_the_same_shots(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Clifford circuit of a width that both take: the number of ones has one distribution."""
    count, shots = 11, 4000
    chain = "".join(f"cnot q[{qubit}], q[{qubit + 1}];\n" for qubit in range(count - 1))
    circuit, found = program(f"qubit[{count}] q;\nh q[0];\n{chain}", "Garnet")
    ones = []
    for few in (count - 1, count):
        monkeypatch.setattr(running, "_FEW_QUBITS", few)
        random = np.random.default_rng(7)
        evaluated = evaluate_on_target(circuit, shots, found, target("Garnet"), random)
        ones.append(np.bincount(evaluated.bits.sum(axis=1), minlength=count + 1))
    both = np.array(ones)
    often = both.sum(axis=0) >= 20
    expected = both[:, often].sum(axis=0) / 2
    assert float(((both[:, often] - expected) ** 2 / expected).sum()) < 2 * count + 12


def test_other_circuits_are_evolved() -> None:
    circuit, found = program("qubit[11] q;\nh q;\nrx(0.3) q[4];\n", "Garnet")
    to = target("Garnet")
    assert not running._suits_stabilizers(as_run(compiled(circuit, found), to), 100)
