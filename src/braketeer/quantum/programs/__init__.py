"""Programs to circuits: our own front-end for OpenQASM 3 as Amazon Braket writes it, in pure Python.

Text goes in, a :class:`braketeer.quantum.circuit.Circuit` or a ProgramError comes out; no engine, no file and no
network comes in here.
"""

from braketeer.quantum.programs.actions import Action, read_action
from braketeer.quantum.programs.checks import check_results
from braketeer.quantum.programs.compiling import compile_program

__all__ = ["Action", "check_results", "compile_program", "read_action"]
