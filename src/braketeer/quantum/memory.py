"""How much memory a task will take: what admission goes by."""

from __future__ import annotations

from braketeer.quantum.circuit import Circuit, Limits
from braketeer.quantum.engines.amplitudes import WIDEST_NATIVE, WIDEST_NOISE
from braketeer.quantum.results.exact import states_needed, values_wanted

_BASE = 64 << 20
_COMPILER = 96 << 20
_COMPILED_GATE = 4 << 10  # as measured on long circuits, with what it becomes
_AMPLITUDE = 16
_STATES_OF_A_GRADIENT = 7  # by our own adjoint method; prism-q's takes 3
_STATES_OF_A_MIXTURE = 4  # what shots without errors share, a copy, and two of the engine's
_NETWORK = 4 * 2 * _AMPLITUDE * 256**2  # a site of a matrix product state, and as much again to work with
_NUMBER = 8
_NUMBER_AND_TEXT = 72  # of a document that grows as it is written


def memory_bytes(circuit: Circuit, shots: int, limits: Limits) -> int:
    """Bytes that running ``circuit`` takes at its peak beyond the bare interpreter: states, results and 64 MiB, and
    on a QPU the compiler with what it compiles.

    The engine holds two states while it hands one over; gates wider than it takes, and observables with a factor that
    is no Pauli letter on very many qubits, need further copies (see engines/prism.py and results/exact.py).
    """
    base = _BASE if limits.target is None else _BASE + _COMPILER + _COMPILED_GATE * len(circuit.pattern)
    if limits.method != "state" or (limits.target is not None and limits.target.is_wide(circuit.qubit_count)):
        network = _NETWORK * circuit.qubit_count if limits.method == "tensor_network" else 0
        return base + network + shots * (600 + 8 * circuit.qubit_count + 40 * len(circuit.results))
    is_noisy = circuit.is_noisy or (limits.target is not None and limits.target.is_noisy)
    mixed = is_noisy and uses_density(circuit, shots, limits)
    state = _AMPLITUDE << circuit.qubit_count * (2 if mixed else 1)
    widest = max((len(operation.targets) for operation in circuit.pattern), default=0)
    evolving = state * (5 if widest > WIDEST_NATIVE or (mixed and widest > WIDEST_NOISE) else 2)
    if is_noisy and shots and not mixed:
        evolving = max(evolving, state * _STATES_OF_A_MIXTURE)
    if any(result.terms for result in circuit.results):
        evolving = state * _STATES_OF_A_GRADIENT
    if shots:
        # A table of probabilities, the indices, bits and text of the measurements, and the values.
        sampling = state + shots * (600 + 6 * circuit.qubit_count + 40 * len(circuit.results))
        return base + max(evolving, sampling)
    values = values_wanted(circuit)
    reading = state * max((states_needed(result) for result in circuit.results), default=1) + _NUMBER * values
    kept = state if any(result.kind == "state_vector" for result in circuit.results) else 0
    return _BASE + max(evolving, reading, kept + _NUMBER_AND_TEXT * values)


def uses_density(circuit: Circuit, shots: int, limits: Limits) -> bool:
    """Whether a noisy circuit is evolved as a density matrix: 2^n trajectories would take about as long."""
    return shots == 0 or (circuit.qubit_count <= limits.max_density_qubits and shots >= 1 << circuit.qubit_count)
