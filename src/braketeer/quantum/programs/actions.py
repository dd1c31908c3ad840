"""The ``action`` of CreateQuantumTask: a JSON document that says by its header what it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from braketeer.quantum.circuit import AHS, JAQCD, OPENQASM, PROGRAM_SET, ProgramError

#: Headers of the Braket schemas (amazon-braket-schemas, ``braket.ir``) and what they stand for.
_KINDS = {
    OPENQASM: "OpenQASM programs",
    PROGRAM_SET: "program sets",
    JAQCD: "JAQCD programs",
    AHS: "analog Hamiltonian simulations",
    "braket.ir.annealing.problem": "annealing problems",
    "braket.ir.blackbird.program": "Blackbird programs",
}
_READ = frozenset({OPENQASM, PROGRAM_SET, JAQCD, AHS})


@dataclass(frozen=True, slots=True)
class Action:
    """A program as it was sent: ``type`` is its header's name, ``raw`` the whole document.

    ``source`` and ``inputs`` are an OpenQASM program's.
    """

    type: str
    source: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)


def read_action(action: str, taken: frozenset[str] = frozenset({OPENQASM})) -> Action:
    """What an action holds. Raises ProgramError for kinds of programs that are not ``taken``, by name where known."""
    raw = _document(action)
    name = _header(raw)
    if name not in _KINDS:
        raise ProgramError(f"The action has the unknown braketSchemaHeader name {name[:100]!r}")
    if name not in taken & _READ:
        raise ProgramError(f"This device does not take {_KINDS[name]} ({name})")
    return Action(name, *source_and_inputs(raw), raw) if name == OPENQASM else Action(name, raw=raw)


def source_and_inputs(program: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The members of an OpenQASM program's document. Raises ProgramError."""
    source = program.get("source")
    if not isinstance(source, str):
        raise ProgramError("The action's 'source' must be a text")
    inputs = program.get("inputs")
    if inputs is not None and not isinstance(inputs, dict):
        raise ProgramError("The action's 'inputs' must be an object of names and values")
    return source, inputs or {}


def _document(action: str) -> dict[str, Any]:
    try:
        raw = orjson.loads(action)
    except orjson.JSONDecodeError as problem:
        raise ProgramError(f"The action is not valid JSON: {problem}") from None
    if not isinstance(raw, dict):
        raise ProgramError("The action must be a JSON object")
    return raw


def _header(raw: dict[str, Any]) -> str:
    header = raw.get("braketSchemaHeader")
    if not isinstance(header, dict) or not isinstance(header.get("name"), str):
        raise ProgramError("The action has no braketSchemaHeader with a name and a version")
    name: str = header["name"]
    version = header.get("version")
    if name in _KINDS and version != "1":
        raise ProgramError(f"The action has the unknown version {str(version)[:20]!r} of {name}")
    return name
