"""From a circuit to exact values or shots: the engine and kind of state that fit it, everything from one evolution."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, islice
from typing import Any

import numpy as np

from braketeer.quantum.circuit import Circuit, Limits, ProgramError, ResultType
from braketeer.quantum.engines import Engine, stabilizer, tensor_network
from braketeer.quantum.memory import uses_density
from braketeer.quantum.mixtures import is_mixture, mixed_shots
from braketeer.quantum.observables import basis_rotations, check_observable, pauli_word
from braketeer.quantum.results.exact import exact_values, observables_of
from braketeer.quantum.results.mixed import populations
from braketeer.quantum.results.sampled import Shots
from braketeer.quantum.results.sampling import draw, draw_from

GRADIENT = "adjoint_gradient"


def values(circuit: Circuit, limits: Limits, engine: Engine) -> list[Any]:
    """The exact value of each result type in order (shots = 0)."""
    if limits.method == "stabilizer":
        return _clifford_values(circuit)
    check_engine(circuit, limits, 0)
    if any(result.kind == GRADIENT for result in circuit.results):
        return _with_gradients(circuit, engine)
    return exact_values(circuit, engine.evolve_density(circuit) if circuit.is_noisy else engine.evolve(circuit))


def drawn(circuit: Circuit, shots: int, limits: Limits, engine: Engine, random: np.random.Generator) -> Shots:
    """The basis states of ``shots`` measurements of all qubits, in the bases that the results ask for; shape (shots,).

    Shots of a noisy circuit come from its density matrix where that fits and pays, else each from a trajectory of its
    own, or, where noise is random Pauli words, one for each pattern of errors: all are independent draws from the same
    distribution. The stabilizer and the tensor network give bits, of
    shape (shots, qubits).
    """
    rotations = basis_rotations(circuit)
    rotated = Circuit(circuit.labels, [*circuit.operations, *rotations]) if rotations else circuit
    if limits.method == "stabilizer":
        return stabilizer().sample(rotated, shots, random)
    if limits.method == "tensor_network":
        return tensor_network().sample(rotated, shots, random)
    if not rotated.is_noisy:
        return draw(engine.evolve(rotated), shots, random)
    dense = uses_density(circuit, shots, limits)
    if is_mixture(rotated):
        found = mixed_shots(rotated, shots, engine, random, 1 << circuit.qubit_count if dense else None)
        if found is not None:
            return found
    if not dense:
        return engine.trajectories(rotated, shots, random)
    return draw_from(populations(engine.evolve_density(rotated)), shots, random)


def check_engine(circuit: Circuit, limits: Limits, shots: int) -> None:
    """Raise ProgramError for what a device's engine will not be able to do, before it is asked."""
    if limits.method == "tensor_network":
        tensor_network().check(circuit, shots)
    elif limits.method == "stabilizer":
        stabilizer().check(circuit, shots)
        for result in circuit.results:
            if result.observable is not None and pauli_word(result.observable) is None:
                raise ProgramError("The stabilizer device measures products of x, y, z and i only")
    elif shots == 0 and circuit.is_noisy and circuit.qubit_count > limits.max_density_qubits:
        raise ProgramError(
            f"With shots=0 the density matrix of all {circuit.qubit_count} qubits would be needed, and "
            f"{limits.max_density_qubits} fit into the memory of a task here: use shots, which are drawn from "
            f"trajectories on up to {limits.max_qubits} qubits"
        )


def _with_gradients(circuit: Circuit, engine: Engine) -> list[Any]:
    """The gradients by the adjoint method, the others from one evolution more."""
    if circuit.is_noisy:
        raise ProgramError("adjoint gradients are of circuits without noise")
    others = replace(circuit, results=[result for result in circuit.results if result.kind != GRADIENT])
    rest = iter(exact_values(others, engine.evolve(others)) if others.results else ())
    return [_gradient(circuit, result, engine) if result.kind == GRADIENT else next(rest) for result in circuit.results]


def _gradient(circuit: Circuit, result: ResultType, engine: Engine) -> dict[str, Any]:
    """As SV1 writes it: the derivative of each asked input is the sum over the angles that move with it."""
    for _, observable in result.terms:
        check_observable(observable, circuit.qubit_count)
    value, derivatives = engine.gradient(circuit, result.terms)
    gradient = dict.fromkeys(result.parameters, 0.0)
    gates = circuit.gates
    for index, by_angle in derivatives.items():
        for derivative, slopes in zip(by_angle, gates[index].slopes, strict=True):
            for name, slope in slopes:
                if name in gradient:
                    gradient[name] += derivative * slope
    return {"expectation": value, "gradient": gradient}


def _clifford_values(circuit: Circuit) -> list[Any]:
    measured = [observables_of(result) for result in circuit.results]
    for observable in chain(*measured):
        check_observable(observable, circuit.qubit_count)
    means = iter(stabilizer().expectation(circuit, list(chain(*measured))))
    found: list[Any] = []
    for result, observables in zip(circuit.results, measured, strict=True):
        values = [
            float(mean if result.kind == "expectation" else 1 - mean * mean) for mean in islice(means, len(observables))
        ]
        found.append(values if result.targets is None else values[0])
    return found
