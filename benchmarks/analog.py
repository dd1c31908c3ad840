"""Analog Hamiltonian simulation against Amazon's local simulator (``braket_ahs``), at equal accuracy or better.

The program is a ramp of 4 us over a lattice with three atoms a row, 5.5 um apart. ``braket_ahs`` reads the fields at
the beginning of each of its steps, so its error goes down slowly; it is given STEPS, and we a tolerance at which our
error is below its. Both errors are total variation distances of the probabilities from those that our solver finds with
a tolerance of 1e-6 and next to nothing left out, which the tests hold against dense matrices.
"""

from __future__ import annotations

import warnings
from decimal import Decimal
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure, median
from braketeer.quantum.engines.analog import Evolved, evolve
from braketeer.quantum.programs.analog import read_analog

C6 = Decimal("5.42e-24")
#: Atoms, and the steps of braket_ahs; with fewer its integrator gives up on twelve atoms.
STEPS = {9: 200, 12: 100}
TOLERANCE, TRUNCATION = 1e-2, 3e-2
TIMES = 5
GOAL = 20


def measure() -> list[Figure]:
    """How many times as long ``braket_ahs`` takes; its own time is that of one run, ours the median of some."""
    return [_measured(atoms, steps) for atoms, steps in STEPS.items()]


def _measured(atoms: int, steps: int) -> Figure:
    document = _document(atoms)
    program = read_analog(document)
    exact = _probabilities(evolve(program, C6, 1 << 16, 1e-6, 1e-9))
    theirs_ms, theirs = _theirs(document, steps)
    taken = []
    for _ in range(TIMES):
        before = perf_counter()
        evolved = evolve(program, C6, 1 << 16, TOLERANCE, TRUNCATION)
        taken.append((perf_counter() - before) * 1000)
    errors = [float(np.abs(found - exact).sum() / 2) for found in (theirs, _probabilities(evolved))]
    note = f"{theirs_ms:.0f} ms with {steps} steps, error {errors[0]:.1e}; here {median(taken):.0f} ms, {errors[1]:.1e}"
    if errors[1] > errors[0]:
        note += ", which is worse"
    name = f"AHS of {atoms} atoms against braket_ahs"
    return Figure(name, theirs_ms / median(taken), "x", GOAL, at_least=True, note=note)


def _probabilities(evolved: Evolved) -> NDArray[np.float64]:
    """Over all configurations, the first atom most significant."""
    atoms = len(evolved.excited)
    found = np.zeros(1 << atoms)
    found[(1 << np.arange(atoms)[::-1]) @ evolved.excited.astype(np.int64)] = evolved.probabilities
    return found


def _theirs(document: dict[str, Any], steps: int) -> tuple[float, NDArray[np.float64]]:
    """How long ``braket_ahs`` takes, and its probabilities, which it gives to nobody but its own sampling."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braket.analog_hamiltonian_simulator.rydberg import rydberg_simulator as theirs
        from braket.ir.ahs import Program

        states: list[Any] = []
        sample = theirs.sample_state

        def keep(state: Any, shots: int) -> Any:
            states.append(state)
            return sample(state, shots)

        theirs.sample_state = keep
        try:
            simulator, program = theirs.RydbergAtomSimulator(), Program.parse_obj(document)
            before = perf_counter()
            simulator.run(program, shots=100, steps=steps)
            taken = perf_counter() - before
        finally:
            theirs.sample_state = sample
    weights = np.abs(np.asarray(states[0]).ravel()) ** 2  # its configurations are in the same order
    return taken * 1000, weights / weights.sum()


def _document(atoms: int) -> dict[str, Any]:
    def field(*values: float) -> dict[str, Any]:
        times = ["0", "0.5e-6", "3.5e-6", "4e-6"]
        return {"pattern": "uniform", "time_series": {"times": times, "values": [str(value) for value in values]}}

    sites = [[f"{5.5 * (place % 3)}e-6", f"{5.5 * (place // 3)}e-6"] for place in range(atoms)]
    drive = {"amplitude": field(0, 15e6, 15e6, 0), "phase": field(0, 0, 0, 0), "detuning": field(-2e7, -2e7, 2e7, 2e7)}
    return {
        "braketSchemaHeader": {"name": "braket.ir.ahs.program", "version": "1"},
        "setup": {"ahs_register": {"sites": sites, "filling": [1] * atoms}},
        "hamiltonian": {"drivingFields": [drive], "localDetuning": []},
    }
