"""The emulated QPUs as the tests of compiling and noise see them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from braketeer.devices.catalogue import Catalogue
from braketeer.quantum.circuit import Circuit, Gate, Limits
from braketeer.quantum.programs import compile_program
from braketeer.quantum.target import Target
from tests.unit.dense import mixed_state_of

MEMORY = 4 << 30
NAMES = ("Ibex-Q1", "Garnet", "Emerald", "Forte-1", "Forte-Enterprise-1", "Cepheus-1-108Q")


@lru_cache
def catalogue(*, noise: bool = True) -> Catalogue:
    return Catalogue(MEMORY, qpu_noise=noise)


def limits(name: str, *, noise: bool = True) -> Limits:
    device = catalogue(noise=noise).named(name)
    assert device is not None
    assert device.limits is not None
    return device.limits


def target(name: str, *, noise: bool = True) -> Target:
    found = limits(name, noise=noise).target
    assert found is not None
    return found


def program(source: str, name: str, *, rewiring: bool = True) -> tuple[Circuit, Limits]:
    """The circuit of an OpenQASM program as the QPU reads it."""
    found = replace(limits(name), rewiring=rewiring)
    return compile_program(source, {}, found, exact=False), found


def assert_native(gates: list[Gate], to: Target) -> None:
    """Native gates on qubits that there are and pairs that are joined, of the angles that the maker's machine takes."""
    for gate in gates:
        assert gate.name in to.native, gate
        assert set(gate.targets) <= set(to.qubits), gate
        if len(gate.targets) == 2:
            assert to.are_joined(*gate.targets), gate
        if to.pulse == "rx" and gate.name == "rx":
            assert abs(gate.parameters[0]) in (1.5707963267948966, 3.141592653589793), gate


def noisy_distribution(physical: Circuit, places: tuple[int, ...], to: Target) -> NDArray[np.float64]:
    """What is read of each qubit of the program, the first most significant."""
    count = physical.qubit_count
    likely = np.diag(mixed_state_of(physical)).real.reshape((2,) * count)
    likely = likely.transpose([physical.labels.index(place) for place in places])
    for axis, place in enumerate(places):
        up, down = to.flips[place]
        likely = np.moveaxis(np.tensordot([[1 - up, down], [up, 1 - down]], likely, axes=(1, axis)), 0, axis)
    return np.asarray(likely.reshape(-1))
