"""A program with its inputs bound, checked for a device: what is run once, alone or in a program set."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from braketeer.quantum.branching import MOST_DECISIONS, WAITING_BYTES, Program, run_branches, survey
from braketeer.quantum.circuit import Circuit, Limits, ProgramError
from braketeer.quantum.evaluation import evaluate_exactly, evaluate_shots
from braketeer.quantum.evolution import check_engine
from braketeer.quantum.memory import memory_bytes
from braketeer.quantum.programs import NeedsWorld, check_results, compile_program
from braketeer.quantum.qpus.checks import check_on_target
from braketeer.quantum.qpus.running import evaluate_on_target
from braketeer.quantum.results.evaluated import Evaluated


@dataclass(frozen=True, slots=True)
class Executable:
    """``program`` is given where it goes on after measurements; ``circuit`` is then what it may come to."""

    circuit: Circuit
    limits: Limits
    program: Program | None = None

    def memory_bytes(self, shots: int) -> int:
        """What running it takes at its peak, for admission."""
        return memory_bytes(self.circuit, shots, self.limits) + (0 if self.program is None else self._waiting_bytes())

    def _waiting_bytes(self) -> int:
        """Of the courses of a program that goes on after measurements."""
        return min(MOST_DECISIONS * (16 << self.circuit.qubit_count * (1 + self.circuit.is_noisy)), WAITING_BYTES)

    def evaluate(self, shots: int, seed: int | Sequence[int] | None, engine: str | None) -> Evaluated:
        """Run it; ``seed`` as for numpy's generators. Raises ProgramError."""
        try:
            if shots == 0:
                return evaluate_exactly(self.circuit, self.limits, engine)
            random = _generator(os.getpid()) if seed is None else np.random.default_rng(seed)
            if self.limits.target is not None:
                return evaluate_on_target(self.circuit, shots, self.limits, self.limits.target, random, engine)
            if self.program is None:
                return evaluate_shots(self.circuit, shots, self.limits, random, engine)
            return run_branches(self.program, self.circuit, shots, random, engine)
        except MemoryError as error:
            count = self.circuit.qubit_count
            raise ProgramError(f"{count} qubits need more memory than the worker has: {error}") from error


@lru_cache(maxsize=1)
def _generator(process: int) -> np.random.Generator:
    """One a process, seeded by the operating system: making one takes as long as drawing hundreds of shots."""
    return np.random.default_rng()


def openqasm_executable(source: str, inputs: Mapping[str, Any], limits: Limits, shots: int) -> Executable:
    """Compile an OpenQASM program. Raises ProgramError."""
    try:
        circuit = compile_program(source, inputs, limits, exact=shots == 0)
    except NeedsWorld:
        program = Program.of(source, inputs, limits)
        circuit = survey(program)
        check_results(circuit, replace(limits, all_measured=False), shots)
        return Executable(circuit, limits, program)
    return checked_executable(circuit, limits, shots)


def checked_executable(circuit: Circuit, limits: Limits, shots: int) -> Executable:
    """A flat circuit that the device runs with these shots. Raises ProgramError."""
    check_results(circuit, limits, shots)
    check_engine(circuit, limits, shots)
    if limits.target is not None:
        check_on_target(circuit, limits, limits.target)
    return Executable(circuit, limits)
