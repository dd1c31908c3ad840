"""prism-q's own adjoint gradient, for circuits whose differentiated gates are rotations or products of some.

Expectations know no global phase, so neither do the products here.
"""

from __future__ import annotations

from math import sqrt

from prism_q import BackendKind, simulate

from braketeer.quantum.circuit import Circuit, Gate, Observable
from braketeer.quantum.engines.adjoint import Derivatives, Terms
from braketeer.quantum.engines.prism_gates import Translation, takes

#: Each of these observables doubles the number of terms.
_MOST_HADAMARDS = 6
#: An angle of a rotation: so much of a parameter of the gate (None: of 1).
_Share = tuple[float, int | None]
#: Rotations in the order they act: name, share, places in the gate's targets.
_Rotations = tuple[tuple[str, _Share | None, tuple[int, ...]], ...]

_ONE, _HALF, _MINUS_HALF = (1.0, 0), (0.5, 0), (-0.5, 0)
_QUARTER_TURN, _HALF_TURN = (1.5707963267948966, None), (3.141592653589793, None)


def _turned(angle: _Share, axis: int) -> _Rotations:
    return (("rz", (-1.0, axis), (0,)), ("rx", angle, (0,)), ("rz", (1.0, axis), (0,)))


def _on_pair(first: _Share, second: _Share, both: _Share) -> _Rotations:
    return (("rz", first, (0,)), ("rz", second, (1,)), ("zz", both, (0, 1)))


_PRODUCTS: dict[str, _Rotations] = {
    **{name: ((name, _ONE, (0,)),) for name in ("rx", "ry", "rz")},
    **{name: ((name, _ONE, (0, 1)),) for name in ("xx", "yy", "zz")},
    "phaseshift": (("rz", _ONE, (0,)),),
    "prx": _turned(_ONE, 1),
    "gpi": _turned(_HALF_TURN, 0),
    "gpi2": _turned(_QUARTER_TURN, 0),
    "u": (("rz", (1.0, 2), (0,)), ("ry", _ONE, (0,)), ("rz", (1.0, 1), (0,))),
    "xy": (("xx", _MINUS_HALF, (0, 1)), ("yy", _MINUS_HALF, (0, 1))),
    "pswap": (("swap", None, (0, 1)), ("zz", _ONE, (0, 1))),
    "ms": (
        *(("rz", (-1.0, 0), (0,)), ("rz", (-1.0, 1), (1,)), ("xx", (1.0, 2), (0, 1))),
        *(("rz", (1.0, 0), (0,)), ("rz", (1.0, 1), (1,))),
    ),
    "cphaseshift": _on_pair(_HALF, _HALF, _MINUS_HALF),
    "cphaseshift00": _on_pair(_MINUS_HALF, _MINUS_HALF, _MINUS_HALF),
    "cphaseshift01": _on_pair(_MINUS_HALF, _HALF, _HALF),
    "cphaseshift10": _on_pair(_HALF, _MINUS_HALF, _HALF),
}


def can(circuit: Circuit, terms: Terms) -> bool:
    """Whether :func:`gradient` knows every gate and term."""
    names = [name for _, product in terms for name, _ in product.factors]
    if not all(isinstance(name, str) for name in names) or names.count("h") > _MOST_HADAMARDS:
        return False
    return all(takes(gate) and (not gate.slopes or _is_product(gate)) for gate in circuit.gates)


def gradient(circuit: Circuit, terms: Terms) -> tuple[float, Derivatives]:
    """See :func:`braketeer.quantum.engines.adjoint.gradient`."""
    last = circuit.qubit_count - 1
    translation = Translation(circuit.qubit_count)
    shares: list[tuple[int, float, int]] = []  # by slot: gate, factor, parameter
    links: list[tuple[int, int]] = []
    for index, gate in enumerate(circuit.gates):
        if not gate.slopes:
            if gate.targets or gate.controls:
                translation.add(gate)
            continue
        for name, share, places in _PRODUCTS[gate.name]:
            factor, parameter = share or (0.0, None)
            angle = factor * (1.0 if parameter is None else gate.parameters[parameter])
            if parameter is not None:
                links.append((translation.count, len(shares)))
                shares.append((index, factor, parameter))
            translation.add(Gate(name, tuple(gate.targets[place] for place in places), (angle,) if share else ()))
    hamiltonian = [word for coefficient, product in terms for word in _words(coefficient, product, last)]
    simulation = simulate(translation.circuit()).backend(BackendKind.statevector()).seed(1)
    value, slots = simulation.expectation_gradient(hamiltonian, links)
    derivatives = {index: [0.0] * len(gate.parameters) for index, gate in enumerate(circuit.gates) if gate.slopes}
    for (index, factor, parameter), slot in zip(shares, slots, strict=True):
        derivatives[index][parameter] += factor * float(slot)
    return float(value), {index: tuple(found) for index, found in derivatives.items()}


def _words(coefficient: float, product: Observable, last: int) -> list[tuple[float, list[tuple[int, str]]]]:
    """As Pauli words of prism-q, with H = (X + Z) / sqrt 2."""
    words: list[tuple[float, list[tuple[int, str]]]] = [(coefficient, [])]
    for name, (target,) in product.factors:
        share, letters = (sqrt(0.5), "XZ") if name == "h" else (1.0, str(name).upper())
        if name != "i":
            words = [(share * size, [*word, (last - target, letter)]) for size, word in words for letter in letters]
    return words


def _is_product(gate: Gate) -> bool:
    return gate.name in _PRODUCTS and not gate.controls and gate.power == 1
