"""Engines: circuit in, final state out. All take the same :class:`~braketeer.quantum.circuit.Circuit`.

What may not come in: parsing, sampling, result documents. An engine that cannot do a gate raises ProgramError naming
it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from braketeer.quantum.circuit import Circuit, ProgramError

if TYPE_CHECKING:
    from braketeer.quantum.engines.amplitudes import State

#: Engines by name, fastest first; each is a module here with an ``evolve`` function.
ENGINES = ("prism", "dense")


@dataclass(frozen=True, slots=True)
class Engine:
    """``evolve`` takes a circuit to the state after its gates: 2^n amplitudes, complex128, big-endian, norm 1 to 1e-6.

    It starts from all zeros and ignores measurements and result types. The array is the caller's to change.
    """

    name: str
    evolve: Callable[[Circuit], State]


def choose(name: str | None = None) -> Engine:
    """The engine of that name, or the fastest that this machine has. ProgramError when there is no such engine here."""
    if name is not None and name not in ENGINES:
        raise ProgramError(f"there is no engine {name!r}: use one of {', '.join(ENGINES)}")
    for candidate in ENGINES if name is None else (name,):
        try:
            return Engine(candidate, import_module(f"braketeer.quantum.engines.{candidate}").evolve)
        except ImportError as error:
            missing = error
    raise ProgramError(f"the engine {candidate!r} cannot be loaded here: {missing}")
