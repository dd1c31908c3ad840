"""What the courses of a program that goes on after measurements have measured, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.circuit import Circuit, ProgramError
from braketeer.quantum.programs import MeasuredBit
from braketeer.quantum.results.evaluated import Evaluated
from braketeer.quantum.results.sampled import measurement_bits, sampled_values
from braketeer.quantum.results.sampling import Indices

#: Bits, and values of output variables, of all shots together.
MOST_BITS = 50_000_000
MOST_OUTPUTS = 5_000_000


@dataclass(frozen=True, slots=True)
class Ending:
    """How a course ended. ``indices`` are the basis states of its shots, in the basis of the result types."""

    circuit: Circuit
    bits: dict[tuple[str, int], Any]
    outcomes: list[MeasuredBit]
    outputs: dict[str, Any]
    indices: Indices


def together(ends: list[Ending], labels: tuple[int, ...], random: np.random.Generator) -> Evaluated:
    """The shots of all courses, mixed."""
    order = random.permutation(sum(len(end.indices) for end in ends))
    circuit = ends[0].circuit
    indices = np.concatenate([end.indices for end in ends])[order]
    columns, measured = _columns(ends)
    if len(columns) * len(indices) > MOST_BITS:
        raise ProgramError(f"The shots hold more than {MOST_BITS} measured bits: ask for fewer shots")
    if columns:
        bits = np.concatenate([_read(end, columns, labels) for end in ends])[order]
    else:
        measured = list(labels)
        bits = measurement_bits(indices, range(len(labels)), len(labels))
    if sum(map(_size, ends[0].outputs.values())) * len(indices) > MOST_OUTPUTS:
        raise ProgramError(f"The output variables of all shots hold more than {MOST_OUTPUTS} values")
    outputs = [shot for end in ends for shot in _outputs(end, labels)]
    return Evaluated(
        sampled_values(circuit, indices),
        measured,
        bits,
        [outputs[place] for place in order.tolist()] if outputs else None,
    )


def _columns(ends: list[Ending]) -> tuple[list[tuple[str, int]], list[int]]:
    """The bits that hold a measurement in some course, in the order of their declarations, and the qubit of each.

    Where no bit of the program does, the measured qubits stand for themselves, with their last outcomes.
    """
    qubits: dict[tuple[str, int], int] = {}
    for end in ends:
        for bit, value in end.bits.items():
            if isinstance(value, MeasuredBit):
                qubits.setdefault(bit, value.label)
    if qubits:
        order = list(dict.fromkeys([*(bit for bit in ends[0].bits if bit in qubits), *qubits]))
        return order, [qubits[bit] for bit in order]
    measured = sorted({outcome.label for end in ends for outcome in end.outcomes})
    return [("", label) for label in measured], measured


def _read(end: Ending, columns: list[tuple[str, int]], labels: tuple[int, ...]) -> NDArray[np.uint8]:
    """Shape (shots, columns)."""
    values: dict[tuple[str, int], Any] = {**end.bits, **{("", each.label): each for each in end.outcomes}}
    found = np.zeros((len(end.indices), len(columns)), dtype=np.uint8)
    for column, bit in enumerate(columns):
        found[:, column] = _bit(values.get(bit, 0), end.indices, labels)
    return found


def _bit(value: Any, indices: Indices, labels: tuple[int, ...]) -> Any:
    """A bit in every shot of a course: one value for all, or what stands measured at its end."""
    if not isinstance(value, MeasuredBit):
        return int(value)
    if value.value is not None:
        return value.value
    return indices >> (len(labels) - 1 - labels.index(value.label)) & 1


def _outputs(end: Ending, labels: tuple[int, ...]) -> list[dict[str, Any]]:
    if not end.outputs:
        return []
    per_shot = {name: _output(value, end.indices, labels) for name, value in end.outputs.items()}
    return [{name: values[shot] for name, values in per_shot.items()} for shot in range(len(end.indices))]


def _size(value: Any) -> int:
    return len(value) if isinstance(value, tuple) else 1


def _output(value: Any, indices: Indices, labels: tuple[int, ...]) -> Sequence[Any]:
    """An output variable in each shot; bits of a register as a list."""
    shots = len(indices)
    if isinstance(value, MeasuredBit):
        each: list[Any] = np.broadcast_to(_bit(value, indices, labels), shots).tolist()
        return each
    if isinstance(value, tuple):
        rows: list[Any] = np.stack(
            [np.broadcast_to(_bit(bit, indices, labels), shots) for bit in value], axis=1
        ).tolist()
        return rows
    return [value] * shots
