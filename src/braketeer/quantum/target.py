"""A QPU as the compiler and the simulation of its noise need it: qubits, joined pairs, native gates, error figures.

Made from a capability document (devices/emulation.py), with nothing of the document's form left in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class GateNoise:
    """What goes wrong in a native gate: each of its qubits relaxes, then all of them are depolarised together.

    ``relaxation`` has a pair for each qubit of the gate, or is empty: the gammas of Braket's ``amplitude_damping`` and
    ``phase_damping``. ``depolarizing`` is the probability of Braket's ``depolarizing`` or ``two_qubit_depolarizing``.
    """

    depolarizing: float = 0.0
    relaxation: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What circuits are compiled for. Two of one ``name`` are the same.

    - ``maker`` is the word of the maker in ARNs and result documents: aqt, ionq, iqm, rigetti;
    - ``qubits`` are the physical qubits' numbers, which may have holes; ``pairs`` those that a two-qubit gate acts on,
      the smaller number first;
    - ``native`` are the native gates by Braket's names in small letters; ``native_only`` those of them that programs
      may use in verbatim boxes only;
    - ``entangler`` is the native two-qubit gate that the compiler uses, ``pulse`` its one-qubit gate: ``prx`` of any
      angle, ``gpi`` (with gpi2) or ``rx`` of multiples of pi/2 with rz in between;
    - ``partial_verbatim``: whether a program may have gates inside and outside of verbatim boxes;
    - ``gate_noise`` is by the qubits of a gate, one or a pair; ``flips`` how likely a 0 is read as 1 and a 1 as 0. Both
      are empty where the noise is switched off;
    - ``most_simulated``: how many qubits of it this machine can simulate at once, whatever the gates.
    """

    name: str
    maker: str = field(compare=False)
    qubits: tuple[int, ...] = field(compare=False)
    pairs: frozenset[tuple[int, int]] = field(compare=False)
    native: frozenset[str] = field(compare=False)
    native_only: frozenset[str] = field(compare=False)
    entangler: Literal["cz", "zz", "xx"] = field(compare=False)
    pulse: Literal["prx", "gpi", "rx"] = field(compare=False)
    partial_verbatim: bool = field(compare=False)
    gate_noise: Mapping[tuple[int, ...], GateNoise] = field(compare=False)
    flips: Mapping[int, tuple[float, float]] = field(compare=False)
    most_simulated: int = field(compare=False)

    @property
    def is_noisy(self) -> bool:
        return bool(self.gate_noise)

    @property
    def is_fully_connected(self) -> bool:
        return 2 * len(self.pairs) == len(self.qubits) * (len(self.qubits) - 1)

    def is_wide(self, qubits: int) -> bool:
        """Whether so many qubits are simulated only where all gates are Clifford."""
        return qubits > self.most_simulated

    def are_joined(self, one: int, other: int) -> bool:
        return (min(one, other), max(one, other)) in self.pairs
