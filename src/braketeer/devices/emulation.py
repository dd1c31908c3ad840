"""What a QPU's capability document says of its qubits, gates and errors, as a target to compile for and simulate.

The error figures are those of the document; nothing is made up here. Average gate fidelities, as randomised
benchmarking measures them, become channels of exactly that average fidelity: relaxation for the duration of the gate
where the document has T1, T2 and durations, and depolarisation for the rest. What a document does not tell (cross-talk,
leakage, idle qubits, drift) is not there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

import orjson

from braketeer.devices import simulators
from braketeer.devices.listed import Listed
from braketeer.quantum.circuit import OPENQASM
from braketeer.quantum.target import GateNoise, Target

#: What the compiler uses of a maker's native gates: the two-qubit gate and the kind of one-qubit pulse.
_GATES: Mapping[str, tuple[Literal["cz", "zz", "xx"], Literal["prx", "gpi", "rx"]]] = {
    "aqt": ("xx", "prx"),
    "ionq": ("zz", "gpi"),
    "iqm": ("cz", "prx"),
    "rigetti": ("cz", "rx"),
}
_LITTLE = 0.05
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def target(listed: Listed, document: Mapping[str, Any], task_memory_bytes: int, *, noise: bool) -> Target | None:
    """The target of a gate-model QPU; None for other devices, and for QPUs of which not enough is known."""
    maker = listed.arn.split("/")[-2]
    if listed.region is None or listed.method is None or maker not in _GATES:
        return None
    entangler, pulse = _GATES[maker]
    figures = Figures(document, entangler)
    native = frozenset(name.lower() for name in document["paradigm"]["nativeGateSet"]) - {"barrier"}
    action = document["action"][OPENQASM]
    digest = sha256(orjson.dumps([document["paradigm"], document.get("standardized"), document.get("provider")]))
    # Shots that meet errors are evolved from a state that is kept, so one qubit less fits.
    most = min(simulators.most_qubits(task_memory_bytes) - noise, len(figures.qubits))
    return Target(
        name=f"{listed.name} {digest.hexdigest()[:16]} {'noisy' if noise else 'ideal'} {most}",
        maker=maker,
        qubits=figures.qubits,
        pairs=figures.pairs,
        native=native,
        native_only=native - {name.lower() for name in action["supportedOperations"]},
        entangler=entangler,
        pulse=pulse,
        partial_verbatim=bool(action.get("supportsPartialVerbatimBox")),
        gate_noise=figures.gate_noise() if noise else {},
        flips={qubit: figures.flips(qubit) for qubit in figures.qubits} if noise else {},
        most_simulated=most,
    )


def gate_noise(fidelity: float, relaxation: Sequence[tuple[float, float]], duration: float, qubits: int) -> GateNoise:
    """The noise of a gate on ``qubits`` whose average fidelity is exactly ``fidelity``.

    ``relaxation`` has T1 and T2 of each qubit and ``duration`` is the gate's, in seconds; none and 0 where they are not
    known. Where they alone would make the gate worse than it was measured, it is taken as shorter. The fall of a 1
    to 0 is left to depolarisation where it is less than a twentieth of what goes wrong (as in ion traps): what is left
    are random Pauli words, of which many more shots are simulated in the same time.
    """
    size = 2**qubits
    wanted = ((size + 1) * fidelity - 1) / size  # of the gate with an entangled partner (Horodecki; Nielsen 2002)
    if sum(-math.expm1(-duration / t1) for t1, _ in relaxation) < _LITTLE * (1 - wanted):
        relaxation = [(math.inf, t2) for _, t2 in relaxation]
    duration = _bounded(relaxation, duration, wanted)
    left = _kept(relaxation, duration)
    lost = (left - wanted) / (left - 1 / size**2)
    gammas = tuple([_gammas(t1, t2, duration) for t1, t2 in relaxation]) if duration else ()
    return GateNoise(min(max(lost, 0.0) * (1 - 1 / size**2), 1.0), gammas)


def _kept(relaxation: Sequence[tuple[float, float]], duration: float) -> float:
    """The entanglement fidelity of relaxing for so long: (1 + 2 exp(-t/T2) + exp(-t/T1)) / 4 for each qubit."""
    return math.prod((1 + 2 * math.exp(-duration / t2) + math.exp(-duration / t1)) / 4 for t1, t2 in relaxation)


def _bounded(relaxation: Sequence[tuple[float, float]], duration: float, wanted: float) -> float:
    """The duration, or the shorter one after which the fidelity is the one wanted."""
    if not relaxation or _kept(relaxation, duration) >= wanted:
        return duration
    low, high = 0.0, duration
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _kept(relaxation, middle) >= wanted else (low, middle)
    return low


def _gammas(t1: float, t2: float, duration: float) -> tuple[float, float]:
    """Of amplitude damping and of phase damping, which together leave exp(-t/T2) of the coherence."""
    return -math.expm1(-duration / t1), -math.expm1(duration / t1 - 2 * duration / t2)


@dataclass(frozen=True)
class Figures:
    """The qubits, pairs and error figures of a document: the standardised ones (versions 1 and 2 have them by qubit,
    version 3 one for all), and IonQ's own where those leave something out."""

    document: Mapping[str, Any]
    entangler: str

    @cached_property
    def qubits(self) -> tuple[int, ...]:
        paradigm = self.document["paradigm"]
        graph = paradigm["connectivity"]["connectivityGraph"]
        named = {int(qubit) for qubit in graph} | {int(other) for others in graph.values() for other in others}
        return tuple(sorted(named)) or tuple(range(paradigm["qubitCount"]))

    @cached_property
    def pairs(self) -> frozenset[tuple[int, int]]:
        """A pair joined in one direction is joined: the gates used between two qubits are symmetric."""
        connectivity = self.document["paradigm"]["connectivity"]
        if connectivity["fullyConnected"]:
            return frozenset((one, other) for one in self.qubits for other in self.qubits if one < other)
        found = [
            (int(one), int(other)) for one, others in connectivity["connectivityGraph"].items() for other in others
        ]
        return frozenset((min(pair), max(pair)) for pair in found)

    @cached_property
    def standardized(self) -> Mapping[str, Any]:
        return self.document.get("standardized") or {}

    def gate_noise(self) -> dict[tuple[int, ...], GateNoise]:
        """By one qubit or a pair. Gates without a figure have no noise."""
        found: dict[tuple[int, ...], GateNoise] = {}
        for group in [*((qubit,) for qubit in self.qubits), *sorted(self.pairs)]:
            fidelity = self._one(*group) if len(group) == 1 else self._two(*group)
            if fidelity is not None:
                relaxation, duration = self._relaxation(group)
                found[group] = gate_noise(fidelity, relaxation, duration, len(group))
        return found

    def flips(self, qubit: int) -> tuple[float, float]:
        """How likely a 0 is read as 1, and a 1 as 0; the same where only their mean was published."""
        named = self._named(qubit)
        if "READOUT_ERROR_0_TO_1" in named and "READOUT_ERROR_1_TO_0" in named:
            return named["READOUT_ERROR_0_TO_1"], named["READOUT_ERROR_1_TO_0"]
        fidelity = named.get("READOUT", _first(self.standardized.get("readoutFidelity")))
        return (0.0, 0.0) if fidelity is None else (1 - fidelity, 1 - fidelity)

    def _one(self, qubit: int) -> float | None:
        """As the SDK's own emulator chooses (``braket.emulation.local_emulator``): measured alone before together."""
        named = self._named(qubit)
        for name in ("RANDOMIZED_BENCHMARKING", "SIMULTANEOUS_RANDOMIZED_BENCHMARKING"):
            if name in named:
                return named[name]
        published = _first(self.standardized.get("singleQubitFidelity"))
        own = (self.document.get("provider") or {}).get("fidelity", {})
        return published if published is not None else own.get("1Q", {}).get("mean")

    def _two(self, one: int, other: int) -> float | None:
        by_pair = self.standardized.get("twoQubitProperties") or {}
        for name in (f"{one}-{other}", f"{other}-{one}"):
            for entry in by_pair.get(name, {}).get("twoQubitGateFidelity", ()):
                if entry["gateName"].lower() == self.entangler:
                    return float(entry["fidelity"])
        return _first(self.standardized.get("twoQubitGateFidelity"))

    def _relaxation(self, group: Sequence[int]) -> tuple[list[tuple[float, float]], float]:
        """T1 and T2 of each qubit and the duration of a gate on them, in seconds, where all of that is known."""
        duration = _time(self.standardized.get(f"{'single' if len(group) == 1 else 'two'}QubitGateDuration"))
        t1, t2 = _time(self.standardized.get("T1")), _time(self.standardized.get("T2"))
        if not duration or not t1 or not t2:
            return [], 0.0
        return [(t1, min(t2, 2 * t1))] * len(group), duration

    def _named(self, qubit: int) -> dict[str, float]:
        """The figures of a qubit by the names of their fidelity types."""
        properties = (self.standardized.get("oneQubitProperties") or {}).get(str(qubit), {})
        return {
            entry["fidelityType"]["name"]: float(entry["fidelity"])
            for entry in properties.get("oneQubitFidelity", ())
            if entry.get("fidelityType")
        }


def _first(entries: Sequence[Mapping[str, Any]] | None) -> float | None:
    return float(entries[0]["fidelity"]) if entries else None


def _time(member: Mapping[str, Any] | None) -> float | None:
    """Seconds."""
    return None if member is None else float(member["value"]) * _SECONDS[member["unit"].lower()]
