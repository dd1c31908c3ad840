"""Gradients of an expectation by the adjoint method: forward once, then back once for the state and once for H of it.

With phi = the state and lambda = H phi after a gate U, the derivative by its angle is 2 Re <lambda| U' U* |phi>. Going
back, all gates that nothing later in the same stretch touches are read from the same two states, and the whole stretch
is undone by the engine in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import sqrt

import numpy as np

from braketeer.quantum.circuit import Circuit, Gate, Matrix, Observable
from braketeer.quantum.engines.amplitudes import (
    State,
    apply,
    check_gate,
    inner_product,
    pieces,
    target_matrix,
    targets_first,
)
from braketeer.quantum.gates import gate_derivative, inverse
from braketeer.quantum.observables import factor_matrix, is_identity

#: For the index of each gate that has slopes: the derivative by each of its angles.
Derivatives = dict[int, tuple[float, ...]]
Terms = Sequence[tuple[float, Observable]]
Evolve = Callable[[Circuit, State | None], State]

#: Both states are read in pieces of at most this many amplitudes where the targets allow.
_PIECE = 1 << 14


def gradient(circuit: Circuit, terms: Terms, evolve: Evolve) -> tuple[float, Derivatives]:
    """The expectation of the sum of ``terms`` after a circuit without noise, and its derivatives."""
    gates = circuit.gates
    for gate in gates:
        check_gate(gate, circuit.qubit_count)
    state = evolve(circuit, None)
    image = _image(state, terms)
    value = inner_product(state, image).real
    derivatives: Derivatives = {}
    for start, stop in _stretches(gates):
        for index in range(start, stop):
            if gates[index].slopes:
                derivatives[index] = _derivatives(gates[index], state, image)
        if start:
            undoing = Circuit(circuit.labels, [inverse(gate) for gate in reversed(gates[start:stop])])
            state = evolve(undoing, state)
            image = _evolved_image(evolve, undoing, image)
    return value, derivatives


def _stretches(gates: Sequence[Gate]) -> Iterable[tuple[int, int]]:
    """From the end: ranges of gates in which no gate with slopes shares a qubit with a later one."""
    stop = len(gates)
    while stop:
        touched: set[int] = set()
        start = stop
        while start:
            gate = gates[start - 1]
            if gate.slopes and not touched.isdisjoint(gate.targets + gate.controls):
                break
            touched.update(gate.targets + gate.controls)
            start -= 1
        if not any(gate.slopes for gate in gates[:start]):
            yield 0, stop
            return
        yield start, stop
        stop = start


def _image(state: State, terms: Terms) -> State:
    """The sum of the terms applied to ``state``."""
    image = np.zeros_like(state)
    for coefficient, observable in terms:
        part = state.copy()
        for factor, targets in observable.factors:
            if not is_identity(factor):
                apply(part, factor_matrix(factor), targets)
        part *= coefficient
        image += part
    return image


def _evolved_image(evolve: Evolve, circuit: Circuit, image: State) -> State:
    """Engines take states of norm 1."""
    norm = sqrt(inner_product(image, image).real)
    if norm == 0:
        return image
    image = evolve(circuit, image / norm)
    image *= norm
    return image


def _derivatives(gate: Gate, state: State, image: State) -> tuple[float, ...]:
    overlaps = _overlaps(gate, state, image)
    undone = target_matrix(gate).conj().T
    found = []
    for parameter, slopes in enumerate(gate.slopes):
        matrix = gate_derivative(gate, parameter) @ undone if slopes else np.zeros_like(overlaps)
        found.append(2 * float(np.sum(matrix * overlaps).real))
    return tuple(found)


def _overlaps(gate: Gate, state: State, image: State) -> Matrix:
    """<image| (|a><b| on the targets, where the controls allow) |state> for all a, b."""
    width = len(gate.targets)
    views = [targets_first(array, gate.targets, gate.controls, gate.control_states) for array in (image, state)]
    total = np.zeros((1 << width, 1 << width), dtype=np.complex128)
    for left, right in zip(*(pieces(view, width, _PIECE) for view in views), strict=True):
        total += left.reshape(1 << width, -1).conj() @ right.reshape(1 << width, -1).T
    return total
