"""Density matrices of 10 to 12 qubits, depolarizing after every gate: programs against LocalSimulator("braket_dm"),
evolution against Aer."""

from __future__ import annotations

from typing import Any

import psutil

from benchmarks.circuits import Operations, brickwork, circuit, openqasm, unseen
from benchmarks.competitors import qiskit_circuit
from benchmarks.figures import Figure, median, milliseconds
from braketeer import quantum
from braketeer.devices.catalogue import Catalogue
from braketeer.devices.listed import DM1
from braketeer.quantum.circuit import Circuit, Operation
from braketeer.quantum.engines import choose
from braketeer.quantum.noise import noise
from tests.services import openqasm as action_of

DEPTH = 4
SIZES = {10: 3, 12: 1}
WEIGHT = 0.01


def measure() -> list[Figure]:
    return [figure for qubits, times in SIZES.items() for figure in _rows(qubits, times)]


def _rows(qubits: int, times: int) -> list[Figure]:
    operations = brickwork(qubits, DEPTH)
    source = _noisy_source(operations, qubits)
    whole = median(milliseconds(lambda: _run(unseen(source)), max(times, 3), 1))
    theirs = median(milliseconds(lambda: _local_simulator(source), times, 1 if times > 1 else 0))
    figures = [
        Figure(
            f"LocalSimulator('braket_dm') / ours, source text to result, {qubits} qubits",
            theirs / whole,
            "x",
            goal=10,
            at_least=True,
            note=f"{whole:.4g} ms, {theirs:.4g} ms",
        )
    ]
    made = _noisy(operations, qubits)
    ours = median(milliseconds(lambda: choose().evolve_density(made), max(times, 3), 1))
    name = f"Aer / ours, from gates to the density matrix of {qubits} qubits"
    try:
        aer = median(milliseconds(lambda: _aer(operations, qubits), times, 1 if times > 1 else 0))
    except ImportError:
        return [*figures, Figure(name, float("nan"), "x", note="Aer is not installed")]
    return [*figures, Figure(name, aer / ours, "x", goal=5, at_least=True, note=f"{ours:.4g} ms, {aer:.4g} ms")]


def _noisy(operations: Operations, qubits: int) -> Circuit:
    made: list[Operation] = []
    for gate in circuit(operations, qubits).gates:
        made += [gate, *(noise("depolarizing", (WEIGHT,), (target,)) for target in gate.targets)]
    return Circuit(tuple(range(qubits)), made)


def _noisy_source(operations: Operations, qubits: int) -> str:
    head, register, *gates = openqasm(operations, qubits).splitlines()
    lines = [head, register]
    for line, (_, targets, _) in zip(gates, operations, strict=True):
        lines += [line, *(f"#pragma braket noise depolarizing({WEIGHT}) q[{target}]" for target in targets)]
    return "\n".join(
        [*lines, "#pragma braket result probability q[0], q[1]", "#pragma braket result expectation x(q[2])"]
    )


def _run(source: str) -> bytes:
    limits = Catalogue(psutil.virtual_memory().total // 2).limits(DM1)
    task = quantum.TaskDescription("arn", DM1, 0, action_of(source), None, 0, 0, None, limits)
    return quantum.run(task).document


def _local_simulator(source: str) -> object:
    from braket.devices import LocalSimulator
    from braket.ir.openqasm import Program

    return LocalSimulator("braket_dm").run(Program(source=source), shots=0).result()


def _aer(operations: Operations, qubits: int) -> Any:
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import depolarizing_error

    error = depolarizing_error(4 * WEIGHT / 3, 1)  # theirs counts the identity among what it draws
    made = qiskit_circuit(operations, qubits, lambda made, qubit: made.append(error.to_instruction(), [qubit]))
    made.save_density_matrix()
    return AerSimulator(method="density_matrix").run(made, shots=1).result().data()["density_matrix"].data
