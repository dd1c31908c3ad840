"""The ``action`` of CreateQuantumTask: a JSON document that says by its header what it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from braketeer.quantum.circuit import ProgramError

OPENQASM = "braket.ir.openqasm.program"

#: Headers of the Braket schemas (amazon-braket-schemas, ``braket.ir``) that stand for other kinds of programs.
_OTHERS = {
    "braket.ir.openqasm.program_set": "program sets",
    "braket.ir.jaqcd.program": "JAQCD programs",
    "braket.ir.ahs.program": "analog Hamiltonian simulations",
    "braket.ir.annealing.problem": "annealing problems",
    "braket.ir.blackbird.program": "Blackbird programs",
}


@dataclass(frozen=True, slots=True)
class Action:
    """A program as it was sent: ``type`` is its header's name, ``raw`` the whole document."""

    type: str
    source: str
    inputs: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)


def read_action(action: str) -> Action:
    """The OpenQASM program in an action. Raises ProgramError for everything else, by name where it is known."""
    raw = _document(action)
    name = _header(raw)
    if name in _OTHERS:
        raise ProgramError(f"This device does not take {_OTHERS[name]} ({name})")
    if name != OPENQASM:
        raise ProgramError(f"The action has the unknown braketSchemaHeader name {name[:100]!r}")
    source = raw.get("source")
    if not isinstance(source, str):
        raise ProgramError("The action's 'source' must be a text")
    inputs = raw.get("inputs")
    if inputs is not None and not isinstance(inputs, dict):
        raise ProgramError("The action's 'inputs' must be an object of names and values")
    return Action(name, source, inputs or {}, raw)


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
    if (name == OPENQASM or name in _OTHERS) and version != "1":
        raise ProgramError(f"The action has the unknown version {str(version)[:20]!r} of {name}")
    return name
