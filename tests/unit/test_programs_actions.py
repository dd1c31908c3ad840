"""The action of CreateQuantumTask."""

from __future__ import annotations

import json
from typing import Any

import pytest
from braket.ir.openqasm import Program

from braketeer.quantum.circuit import ProgramError
from braketeer.quantum.programs import read_action

NAME = "braket.ir.openqasm.program"


def action(**members: Any) -> str:
    return json.dumps({"braketSchemaHeader": {"name": NAME, "version": "1"}, "source": "h $0;"} | members)


def test_openqasm_program() -> None:
    read = read_action(action(inputs={"x": 0.5, "y": [1, 2]}, other=[1]))
    assert (read.type, read.source, read.inputs) == (NAME, "h $0;", {"x": 0.5, "y": [1, 2]})
    assert read.raw["other"] == [1]
    assert read_action(action(inputs=None)).inputs == {}
    assert read_action(action()).inputs == {}
    assert read_action(Program(source="x $1;", inputs={"a": 1}).json()).inputs == {"a": 1}


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("braket.ir.openqasm.program_set", "program sets"),
        ("braket.ir.jaqcd.program", "JAQCD"),
        ("braket.ir.ahs.program", "analog Hamiltonian"),
        ("braket.ir.annealing.problem", "annealing"),
        ("braket.ir.blackbird.program", "Blackbird"),
    ],
)
def test_other_programs_are_known_and_refused(name: str, what: str) -> None:
    with pytest.raises(ProgramError, match=f"does not take {what}.*{name}"):
        read_action(action(braketSchemaHeader={"name": name, "version": "1"}))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "not valid JSON"),
        ("OPENQASM 3.0; qubit q;", "not valid JSON"),
        ('{"a": NaN}', "not valid JSON"),
        ('{"a": "\\ud800"}', "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[" * 100_000 + "]" * 100_000, "not valid JSON"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "not valid JSON"),
        ("\ud800", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('"text"', "must be a JSON object"),
        ("{}", "no braketSchemaHeader"),
        (action(braketSchemaHeader=None), "no braketSchemaHeader"),
        (action(braketSchemaHeader=NAME), "no braketSchemaHeader"),
        (action(braketSchemaHeader={"name": 1}), "no braketSchemaHeader"),
        (action(braketSchemaHeader={"name": "x" * 5000, "version": "1"}), "unknown braketSchemaHeader name"),
        (action(braketSchemaHeader={"name": NAME, "version": "2"}), "unknown version '2'"),
        (action(braketSchemaHeader={"name": NAME}), "unknown version"),
        (action(source=None), "'source' must be a text"),
        (action(source=["h $0;"]), "'source' must be a text"),
        (action(inputs=[1]), "'inputs' must be an object"),
        (action(inputs="x"), "'inputs' must be an object"),
    ],
)
def test_what_is_no_action(text: str, wanted: str) -> None:
    with pytest.raises(ProgramError) as refusal:
        read_action(text)
    assert wanted in str(refusal.value)
    assert len(str(refusal.value)) < 300
