"""Programs on 16 to 26 qubits from source text to result bytes against LocalSimulator, in turns; evolution on 24 to 28
against the memory limit without fusion; and the document of many shots."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil

from benchmarks.circuits import brickwork, circuit, openqasm, unseen
from benchmarks.figures import Figure, median, milliseconds
from benchmarks.programs import run
from braketeer.quantum.engines import choose
from braketeer.quantum.results.document import TaskFacts, result_document

#: Qubits: layers of the circuit, and how often both are run.
PROGRAMS = {16: (20, 5), 20: (20, 3), 22: (10, 2), 24: (10, 1), 26: (5, 1)}
LIMIT = {24: (10, 3), 26: (5, 1), 28: (3, 1)}
SHOTS = 1000


def measure() -> list[Figure]:
    figures = [_document()]
    for qubits, (depth, times) in PROGRAMS.items():
        figures += _against_local_simulator(qubits, depth, times)
    free = psutil.virtual_memory().available
    for qubits, (depth, times) in LIMIT.items():
        if free > 3 * (16 << qubits):
            figures.append(_against_the_limit(qubits, depth, times))
    return figures


def _results(qubits: int, exact: bool) -> str:
    """Five products of Pauli letters and a marginal; with shots, products that can be measured together."""
    last, middle = qubits - 1, qubits // 2
    terms = [f"z(q[0]) @ z(q[{last}])", f"z(q[{middle}])", f"x(q[3]) @ z(q[{middle}])", "x(q[3])"]
    terms.append(f"y(q[2]) @ x(q[3]) @ z(q[{last}])" if not exact else f"x(q[1]) @ y(q[{middle}]) @ z(q[{last}])")
    lines = [f"#pragma braket result expectation {term}\n" for term in terms]
    return "".join(lines) + f"#pragma braket result probability q[0], q[5], q[{middle}], q[{last}]\n"


def _against_local_simulator(qubits: int, depth: int, times: int) -> list[Figure]:
    goal = 15 if qubits < 20 else 8
    figures = []
    for shots in (0, SHOTS):
        source = openqasm(brickwork(qubits, depth), qubits, _results(qubits, exact=shots == 0))
        ours = median(milliseconds(lambda source=source, shots=shots: run(unseen(source), shots), max(times, 3), 1))
        what = "exact" if shots == 0 else f"{shots:,} shots"
        name = f"source text to result bytes, {qubits} qubits, depth {depth}, 5 Pauli terms and a marginal, {what}"
        theirs = median(
            milliseconds(lambda source=source, shots=shots: _local_simulator(source, shots), times, qubits < 24)
        )
        note = f"{ours:.3g} ms, {theirs:.3g} ms"
        figures.append(Figure(f"LocalSimulator / ours: {name}", theirs / ours, "x", goal, at_least=True, note=note))
    return figures


def _local_simulator(source: str, shots: int) -> object:
    """As its user calls it, without making bytes of its result."""
    from braket.devices import LocalSimulator
    from braket.ir.openqasm import Program

    return LocalSimulator("braket_sv").run(Program(source=source), shots=shots).result()


def _against_the_limit(qubits: int, depth: int, times: int) -> Figure:
    """The limit: each gate reads and writes the state once, as fast as one pass in place does here on all cores."""
    operations = brickwork(qubits, depth)
    made = circuit(operations, qubits)
    one_pass = median(_passes(qubits))
    ours = median(milliseconds(lambda: choose().evolve(made), times, 0))
    limit = one_pass * len(operations)
    note = f"{len(operations)} gates in {ours:.4g} ms; one pass over the state {one_pass:.3g} ms"
    gc.collect()
    return Figure(f"evolution of {qubits} qubits / the memory limit without fusion", ours / limit, "x", 0.5, note=note)


def _passes(qubits: int) -> list[float]:
    """Milliseconds for multiplying a state in place by a number, a part of it in a thread for each core."""
    cores = psutil.cpu_count() or 1
    parts = np.array_split(np.zeros(2 << qubits), cores)
    with ThreadPoolExecutor(cores) as threads:
        return milliseconds(lambda: list(threads.map(_scale, parts)), 5, 1)


def _scale(part: np.ndarray) -> None:
    part *= 1.0000001


def _document() -> Figure:
    """100,000 shots of 20 qubits."""
    bits = np.random.default_rng(1).integers(0, 2, (100_000, 20), dtype=np.uint8)
    facts = TaskFacts("arn", "arn", len(bits), "{}", None, 0, 0, 1)
    taken = median(milliseconds(lambda: result_document(facts, [], range(20), bits), 9))
    return Figure("result document of 100,000 shots on 20 qubits", taken, "ms", 30)
