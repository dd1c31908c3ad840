"""Shots of circuits whose noise is random Pauli words: shots that met the same errors share one evolution.

Which errors a shot meets does not depend on the state, so they are drawn first. With the error rates of real machines
most shots have none, or the same as another, and what comes before a shot's first error is what all shots have there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from braketeer.quantum.circuit import Circuit, Gate, Noise, Operation
from braketeer.quantum.engines import Engine
from braketeer.quantum.engines.amplitudes import zeros
from braketeer.quantum.noise import pauli_weights
from braketeer.quantum.results.sampling import Indices, draw

#: Where in a circuit errors happen, and which: positions of channels and the Pauli words that they apply.
_Errors = tuple[tuple[int, str], ...]


def is_mixture(circuit: Circuit) -> bool:
    """Whether all noise of the circuit is a random choice of Pauli words."""
    return all(pauli_weights(noise) is not None for noise in _channels(circuit).values())


def mixed_shots(
    circuit: Circuit, shots: int, engine: Engine, random: np.random.Generator, most: int | None = None
) -> Indices | None:
    """The basis states of ``shots`` measurements of all qubits of a circuit that is a mixture; shape (shots,).

    None where that would take more than ``most`` evolutions.
    """
    met = Counter(_drawn_errors(circuit, shots, random))
    if most is not None and len(met) > most:
        return None
    operations, count = circuit.operations, circuit.qubit_count
    quiet, done = zeros(count), 0  # the state of shots without an error so far
    found: list[Indices] = []
    for errors, times in sorted(met.items(), key=lambda item: item[0] or ((len(operations), ""),)):
        begin = errors[0][0] if errors else len(operations)
        quiet = engine.evolve(_part(circuit, operations[done:begin]), quiet)
        done = begin
        state = engine.evolve(_part(circuit, _with(operations, errors)), quiet.copy()) if errors else quiet
        found.append(draw(state, times, random))
    indices = np.concatenate(found)
    random.shuffle(indices)
    return indices


def _channels(circuit: Circuit) -> dict[int, Noise]:
    return {at: operation for at, operation in enumerate(circuit.operations) if isinstance(operation, Noise)}


def _drawn_errors(circuit: Circuit, shots: int, random: np.random.Generator) -> list[_Errors]:
    """The errors of each shot."""
    met: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for at, channel in _channels(circuit).items():
        weights = pauli_weights(channel) or {}
        words, likely = list(weights), np.fromiter(weights.values(), dtype=float)
        hits = random.binomial(shots, min(float(likely.sum()), 1.0))
        if hits:
            which = random.choice(len(words), hits, p=likely / likely.sum())
            for shot, word in zip(random.choice(shots, hits, replace=False).tolist(), which.tolist(), strict=True):
                met[shot].append((at, words[word]))
    return [tuple(met[shot]) if shot in met else () for shot in range(shots)]


def _with(operations: Sequence[Operation], errors: _Errors) -> list[Gate]:
    """The gates from the first error on, the errors among them."""
    words = dict(errors)
    found: list[Gate] = []
    for at in range(errors[0][0], len(operations)):
        operation = operations[at]
        if isinstance(operation, Gate):
            found.append(operation)
        elif at in words:
            letters = zip(words[at], operation.targets, strict=True)
            found += [Gate(letter.lower(), (target,)) for letter, target in letters if letter != "I"]
    return found


def _part(circuit: Circuit, operations: Sequence[Operation]) -> Circuit:
    return Circuit(circuit.labels, [each for each in operations if isinstance(each, Gate)])
