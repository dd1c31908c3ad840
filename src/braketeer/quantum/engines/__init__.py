"""Engines: circuit in, final state out. All take the same :class:`~braketeer.quantum.circuit.Circuit`.

The analog engine alone takes an analog program instead (analog.py, with configurations.py and krylov.py).

What may not come in: parsing, result documents. An engine that cannot do a gate raises ProgramError naming it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
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
ENGINES = ("prism", "lightning", "dense")
_COMPILED = {"prism": "prism_q", "lightning": "pennylane_lightning.lightning_qubit_ops"}


class Engine(Protocol):
    """All start from zeros and ignore measurements and result types; arrays they give are the caller's to change."""

    name: str

    def evolve(self, circuit: Circuit, before: State | None = None) -> State:
        """The state after the gates of a circuit, noise left out: 2^n amplitudes, complex128, big-endian, norm 1 to
        1e-6. It starts from ``before`` where that is given, which it may change."""

    def evolve_density(self, circuit: Circuit) -> Density:
        """The density matrix after the gates and noise of a circuit, (2^n, 2^n), trace 1 to 1e-6."""

    def trajectories(self, circuit: Circuit, shots: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Basis states, shape (shots,), each drawn from a state vector of its own in which every channel picked one of
        its operators at random."""

    def gradient(self, circuit: Circuit, terms: Terms) -> tuple[float, Derivatives]:
        """The expectation of a sum of observables after a circuit without noise, and for each gate with slopes, by its
        index, the derivatives by its angles."""


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


def choose(name: str | None = None) -> Engine:
    """The engine of that name, or the fastest that this machine has. ProgramError when there is no such engine here."""
    if name is not None and name not in ENGINES:
        raise ProgramError(f"there is no engine {name!r}: use one of {', '.join(ENGINES)}")
    return cast("Engine", _loaded(_fastest() if name is None else name))


def available() -> tuple[str, ...]:
    """The engines that can be loaded here, fastest first: ours in numpy always can."""
    return tuple(filter(_can_be_loaded, ENGINES))


def is_installed(name: str) -> bool:
    """Whether what an engine is compiled to is here; it is not loaded."""
    try:
        return name not in _COMPILED or find_spec(_COMPILED[name]) is not None
    except ModuleNotFoundError:  # not even its package
        return False


@lru_cache
def _fastest() -> str:
    return next(filter(_can_be_loaded, ENGINES))


def _can_be_loaded(name: str) -> bool:
    try:
        _loaded(name)
    except ProgramError:
        return False
    return True


def _loaded(name: str) -> ModuleType:
    try:
        return import_module(f"braketeer.quantum.engines.{name}")
    except ImportError as error:
        raise ProgramError(f"the engine {name!r} cannot be loaded here: {error}") from error
