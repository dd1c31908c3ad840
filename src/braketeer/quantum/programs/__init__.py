"""Programs to circuits: our own front-end for OpenQASM 3 as Amazon Braket writes it, in pure Python.

Text goes in, a :class:`braketeer.quantum.circuit.Circuit` or a ProgramError comes out; no engine, no file and no
network comes in here.
"""

from braketeer.quantum.circuit import JAQCD, OPENQASM, PROGRAM_SET
from braketeer.quantum.programs.actions import Action, read_action, source_and_inputs
from braketeer.quantum.programs.checks import check_results
from braketeer.quantum.programs.compiling import assembled, compile_program, read_source, run_machine
from braketeer.quantum.programs.jaqcd import compile_jaqcd
from braketeer.quantum.programs.machine import Machine, NeedsWorld
from braketeer.quantum.programs.outcomes import MeasuredBit

__all__ = [
    "JAQCD",
    "OPENQASM",
    "PROGRAM_SET",
    "Action",
    "Machine",
    "MeasuredBit",
    "NeedsWorld",
    "assembled",
    "check_results",
    "compile_jaqcd",
    "compile_program",
    "read_action",
    "read_source",
    "run_machine",
    "source_and_inputs",
]
