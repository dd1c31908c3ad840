"""Programs to circuits: our own front-end for OpenQASM 3 as Amazon Braket writes it, in pure Python.

Text goes in, a :class:`braketeer.quantum.circuit.Circuit` or a ProgramError comes out; no engine, no file and no
network comes in here.
"""

from braketeer.quantum.programs.actions import Action, read_action
from braketeer.quantum.programs.checks import check_results
from braketeer.quantum.programs.compiling import circuit_of, compile_program, run_machine
from braketeer.quantum.programs.machine import Machine, NeedsWorld
from braketeer.quantum.programs.outcomes import Outcome

__all__ = [
    "Action",
    "Machine",
    "NeedsWorld",
    "Outcome",
    "check_results",
    "circuit_of",
    "compile_program",
    "read_action",
    "run_machine",
]
