"""Adjoint gradients, source text to result bytes, against PennyLane's ``lightning.qubit`` with
``diff_method="adjoint"``: the same circuit and sum of observables."""

from __future__ import annotations

from math import sin
from typing import Any

import numpy as np
import orjson

from benchmarks.circuits import unseen
from benchmarks.figures import Figure, median, milliseconds
from benchmarks.programs import run

SIZES = {16: 9, 20: 3}
LAYERS = 2


def measure() -> list[Figure]:
    return [_row(qubits, times) for qubits, times in SIZES.items()]


def _row(qubits: int, times: int) -> Figure:
    source, inputs = _source(qubits)
    ours = median(milliseconds(lambda: run(unseen(source), 0, inputs), times, 1))
    name = f"PennyLane's lightning adjoint / ours, {qubits} qubits, {len(inputs)} parameters"
    try:
        theirs_of = _pennylane(qubits)
    except ImportError:
        return Figure(name, float("nan"), "x", note="PennyLane is not installed")
    values = np.array(list(inputs.values()))
    mine = orjson.loads(run(source, 0, inputs))["resultTypes"][0]["value"]["gradient"]
    if not np.allclose(theirs_of(values), [mine[each] for each in inputs], atol=1e-9):
        raise RuntimeError("the gradients differ")
    theirs = median(milliseconds(lambda: theirs_of(values), times, 1))
    note = f"{ours:.4g} ms, {theirs:.4g} ms"
    return Figure(name, theirs / ours, "x", goal=1.5, at_least=True, note=note)


def _source(qubits: int) -> tuple[str, dict[str, float]]:
    inputs = {f"a{number}": sin(number + 1.0) for number in range(2 * LAYERS * qubits // 2)}
    names = iter(inputs)
    lines = ["OPENQASM 3.0;", *(f"input float {name};" for name in inputs), f"qubit[{qubits}] q;"]
    for layer in range(LAYERS):
        lines += [f"ry({next(names)}) q[{qubit}];" for qubit in range(qubits)]
        lines += [f"cnot q[{qubit}], q[{qubit + 1}];" for qubit in range(layer % 2, qubits - 1, 2)]
    terms = " + ".join(["1.5 * z(q[0]) @ z(q[1])", f"0.5 * x(q[{qubits - 1}])", "2 * z(q[2])"])
    lines.append(f"#pragma braket result adjoint_gradient expectation({terms}) all")
    return "\n".join(lines), inputs


def _pennylane(qubits: int) -> Any:
    import pennylane as qml
    from pennylane import numpy as differentiable

    device = qml.device("lightning.qubit", wires=qubits)
    energy = qml.dot(
        [1.5, 0.5, 2.0],
        [qml.PauliZ(0) @ qml.PauliZ(1), qml.PauliX(qubits - 1), qml.PauliZ(2)],
    )

    @qml.qnode(device, diff_method="adjoint")
    def expectation(values: Any) -> Any:
        place = 0
        for layer in range(LAYERS):
            for qubit in range(qubits):
                qml.RY(values[place], wires=qubit)
                place += 1
            for qubit in range(layer % 2, qubits - 1, 2):
                qml.CNOT(wires=[qubit, qubit + 1])
        return qml.expval(energy)

    derivative = qml.grad(expectation)
    return lambda values: derivative(differentiable.array(values, requires_grad=True))
