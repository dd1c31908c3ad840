"""Which part of a QPU is used: the pairs worth using, and the best connected region of a size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from braketeer.quantum.target import Target

Pair = tuple[int, int]

#: Depolarising this strong leaves nothing of what a gate does; makers publish a fidelity of 0.5 for pairs they could
#: not measure.
_USELESS = 0.5
_BEGINNINGS = 8


def worth_using(target: Target, qubits: int) -> frozenset[Pair]:
    """The pairs of the largest connected part without useless pairs; all pairs where that is too small."""
    good = frozenset(pair for pair in target.pairs if _error(target, pair) < _USELESS)
    largest = max(_parts(good), key=len, default=set())
    if len(largest) < qubits:
        return target.pairs
    return frozenset(pair for pair in good if pair[0] in largest)


def best_region(target: Target, pairs: frozenset[Pair], qubits: int) -> list[int]:
    """So many connected qubits with many good pairs among them, grown from the best pairs. In ascending order."""
    neighbours: defaultdict[int, set[int]] = defaultdict(set)
    for one, other in pairs:
        neighbours[one].add(other)
        neighbours[other].add(one)

    def gain(region: set[int], qubit: int) -> float:
        links = neighbours[qubit] & region
        return sum(1 - _error(target, (min(link, qubit), max(link, qubit))) for link in links) - _misread(target, qubit)

    best: tuple[float, list[int]] = (0.0, [])
    for beginning in sorted(pairs, key=lambda pair: (_error(target, pair), pair))[:_BEGINNINGS]:
        region, total = {beginning[0]}, 0.0
        while len(region) < qubits:
            rim = sorted(set().union(*(neighbours[qubit] for qubit in region)) - region)
            if not rim:
                break
            chosen = max(rim, key=lambda qubit: gain(region, qubit))
            total += gain(region, chosen)
            region.add(chosen)
        if len(region) == qubits and (total > best[0] or not best[1]):
            best = total, sorted(region)
    return best[1]


def _parts(pairs: Iterable[Pair]) -> list[set[int]]:
    """The connected parts of a graph."""
    parts: list[set[int]] = []
    for pair in pairs:
        touched = [part for part in parts if not part.isdisjoint(pair)]
        parts = [part for part in parts if part.isdisjoint(pair)]
        parts.append(set(pair).union(*touched))
    return parts


def _error(target: Target, pair: Pair) -> float:
    noise = target.gate_noise.get(pair)
    return 0.0 if noise is None else noise.depolarizing


def _misread(target: Target, qubit: int) -> float:
    return sum(target.flips.get(qubit, (0.0, 0.0))) / 2
