"""Engines: circuit in, final state out. All take the same :class:`~braketeer.quantum.circuit.Circuit`.

What may not come in: parsing, result documents. An engine that cannot do a gate raises ProgramError naming it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, cast

from braketeer.quantum.circuit import Circuit, Observable, ProgramError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from braketeer.quantum.engines.adjoint import Derivatives, Terms
    from braketeer.quantum.engines.amplitudes import State
    from braketeer.quantum.engines.density import Density

#: Engines by name, fastest first; each is a module here that does what :class:`Engine` says.
ENGINES = ("prism", "dense")


class Evolve(Protocol):
    def __call__(self, circuit: Circuit, before: State | None = None) -> State:
        """See :class:`Engine`."""


class EvolveDensity(Protocol):
    def __call__(self, circuit: Circuit) -> Density:
        """See :class:`Engine`."""


class Trajectories(Protocol):
    def __call__(self, circuit: Circuit, shots: int, random: np.random.Generator) -> NDArray[np.int64]:
        """See :class:`Engine`."""


class Gradient(Protocol):
    def __call__(self, circuit: Circuit, terms: Terms) -> tuple[float, Derivatives]:
        """See :class:`Engine`."""


@dataclass(frozen=True, slots=True)
class Engine:
    """All start from zeros and ignore measurements and result types; the arrays they give are the caller's to change.

    - ``evolve`` takes a circuit to the state after its gates, noise left out: 2^n amplitudes, complex128, big-endian,
      norm 1 to 1e-6. It starts from ``before`` where that is given, which it may change.
    - ``evolve_density`` takes it to the density matrix after its gates and noise, (2^n, 2^n), trace 1 to 1e-6.
    - ``trajectories`` draws basis states, shape (shots,), each from a state vector of its own in which every channel
      picked one of its operators at random.
    - ``gradient`` gives the expectation of a sum of observables after a circuit without noise, and for each gate with
      slopes, by its index, the derivatives by its angles.
    """

    name: str
    evolve: Evolve
    evolve_density: EvolveDensity
    trajectories: Trajectories
    gradient: Gradient


class Sampler(Protocol):
    """An engine that keeps no state of 2^n amplitudes: shots of Clifford or of little entangled circuits."""

    def check(self, circuit: Circuit, shots: int) -> None:
        """Raise ProgramError naming a gate, noise or number of shots that it cannot do."""

    def sample(self, circuit: Circuit, shots: int, random: np.random.Generator) -> NDArray[np.uint8]:
        """Measurements of all qubits, shape (shots, qubits)."""


class Stabilizer(Sampler, Protocol):
    """The stabilizer engine, for Clifford circuits on thousands of qubits."""

    def expectation(self, circuit: Circuit, observables: Iterable[Observable]) -> list[int]:
        """-1, 0 or 1 for each product of Pauli letters after the gates."""


def stabilizer() -> Stabilizer:
    """ProgramError where stim is not installed."""
    return cast("Stabilizer", _loaded("stabilizer"))


def tensor_network() -> Sampler:
    """ProgramError where prism-q is not installed."""
    return cast("Sampler", _loaded("tensor_network"))


def _loaded(name: str) -> ModuleType:
    try:
        return import_module(f"braketeer.quantum.engines.{name}")
    except ImportError as error:
        raise ProgramError(f"the engine {name!r} cannot be loaded here: {error}") from error


def choose(name: str | None = None) -> Engine:
    """The engine of that name, or the fastest that this machine has. ProgramError when there is no such engine here."""
    if name is not None and name not in ENGINES:
        raise ProgramError(f"there is no engine {name!r}: use one of {', '.join(ENGINES)}")
    for candidate in ENGINES if name is None else (name,):
        try:
            module = import_module(f"braketeer.quantum.engines.{candidate}")
        except ImportError as error:
            missing = error
        else:
            return Engine(candidate, module.evolve, module.evolve_density, module.trajectories, module.gradient)
    raise ProgramError(f"the engine {candidate!r} cannot be loaded here: {missing}")
