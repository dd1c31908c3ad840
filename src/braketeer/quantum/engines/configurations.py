"""The configurations of Rydberg atoms that a simulation keeps: all whose interaction energy is below a cut.

Exciting one atom more never lowers the interaction, so the configurations below a cut can be listed atom by atom. With
a cut above the energy of all atoms excited they are the whole space. What is cut off is the Rydberg blockade.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

Energies = NDArray[np.float64]
_BLOCK = 1 << 13  # entries of a table that are gathered at once: they stay in the cache
_EXACT_KEYS = 63


def fewest(strong: NDArray[np.bool_], most: int) -> int:
    """How many configurations have no two excited atoms of a ``strong`` pair, (n, n); ``most`` + 1 for any more."""
    count = len(strong)
    words = np.zeros((-(-count // 64), 1), dtype=np.uint64)
    for atom in range(count):
        free = np.ones(words.shape[1], dtype=bool)
        for word in range(len(words)):
            blocked = sum(1 << other - 64 * word for other in np.flatnonzero(strong[atom]) if other // 64 == word)
            if blocked:
                free &= words[word] & np.uint64(blocked) == 0
        added = words[:, free]
        if words.shape[1] + added.shape[1] > most:
            return most + 1
        added[atom // 64] |= np.uint64(1 << atom % 64)
        words = np.concatenate([words, added], axis=1)
    return words.shape[1]


class Configurations:
    """All configurations of atoms whose interaction energy is at most ``cut``.

    ``interactions`` (n, n) are the energies of pairs, 0 on the diagonal; ``weights`` (n,) the factors of the drive at
    each atom; ``lowered`` (n,) how far detunings may at most lower the energy of exciting each atom. ``excited``, of
    shape (n, size), says which atoms each configuration has in the Rydberg state; the first has none.
    """

    def __init__(
        self, interactions: Energies, weights: Energies, lowered: Energies, cut: float, most: int | None = None
    ) -> None:
        """Raises TooMany where there are more than ``most``."""
        self._interactions, self._weights, self._lowered = interactions, weights, lowered
        self.cut = cut
        self._codes = _codes(len(interactions))
        self._keys, self.energies, self.excited = self._listed(most)
        self.size = len(self._keys)
        self._uniform = bool((weights == 1).all())
        self._tables, self.shifts, self.leaks, self.next_cut = self._neighbours()
        self._padded = np.zeros(self.size + 1, dtype=np.complex128)
        self._gathered = np.empty(max(table.size for table in self._tables), dtype=np.complex128)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is cut off."""
        return self.next_cut == np.inf

    def flipped(self, state: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """The sum over atoms of weight times X on the atom, applied to a state, within the configurations."""
        self._padded[:-1] = state
        found = np.empty_like(state)
        start = 0
        for table in self._tables:
            count, width = table.shape
            gathered = self._gathered[: table.size].reshape(count, width)
            np.take(self._padded, table, out=gathered, mode="clip")
            if self._uniform:
                np.add.reduce(gathered, axis=0, out=found[start : start + width])
            else:
                np.matmul(self._weights.astype(np.complex128), gathered, out=found[start : start + width])
            start += width
        return found

    def larger(self, most: int) -> Self | None:
        """The next larger space of at most ``most`` configurations, if there is one."""
        cut = max(1.4 * self.cut, 1.05 * self.next_cut)
        while cut > self.next_cut:
            try:
                return type(self)(self._interactions, self._weights, self._lowered, cut, most)
            except TooMany:
                cut = self.cut + (cut - self.cut) / 2
        return None

    def carried(self, state: NDArray[np.complex128], larger: Self) -> NDArray[np.complex128]:
        """A state of this space as one of a larger space."""
        found = np.zeros(larger.size, dtype=np.complex128)
        found[np.searchsorted(larger._keys, self._keys)] = state
        return found

    def _listed(self, most: int | None) -> tuple[NDArray[np.uint64], Energies, NDArray[np.uint8]]:
        count = len(self._interactions)
        keys = np.zeros(1, dtype=np.uint64)
        energies = np.zeros(1)
        excited = np.zeros((count, 1), dtype=np.uint8)
        for atom in range(count):
            more = energies.copy()
            for other in np.flatnonzero(self._interactions[atom, :atom]):
                more += self._interactions[atom, other] * excited[other]
            kept = more <= self.cut
            if most is not None and len(keys) + np.count_nonzero(kept) > most:
                raise TooMany
            added = excited[:, kept]
            added[atom] = 1
            keys = np.concatenate([keys, keys[kept] ^ self._codes[atom]])
            energies = np.concatenate([energies, more[kept]])
            excited = np.concatenate([excited, added], axis=1)
        if count <= _EXACT_KEYS:
            return keys, energies, excited  # in ascending order of the keys already
        order = np.argsort(keys)
        return keys[order], energies[order], excited[:, order]

    def _neighbours(self) -> tuple[list[NDArray[np.intp]], Energies, Energies, float]:
        """Tables of where each flip leads, a block each ((n, width), ``size`` for nowhere); for each configuration the
        sums of weight^2 / (energy above it) and of weight^2 / (energy above it)^2 over the flips that are cut off; the
        least energy that is cut off."""
        count = len(self._interactions)
        width = max(1, _BLOCK // count)
        tables: list[NDArray[np.intp]] = []
        shifts, leaks = np.zeros(self.size), np.zeros(self.size)
        next_cut = np.inf
        for start in range(0, self.size, width):
            part = slice(start, start + width)
            keys = self._keys[part] ^ self._codes[:, None]
            places = np.minimum(np.searchsorted(self._keys, keys), self.size - 1)
            missing = self._keys[places] != keys
            if missing.any():
                gaps = self._interactions @ self.excited[:, part].astype(np.float64)
                energies = np.where(missing, self.energies[part] + gaps, np.inf)
                next_cut = min(next_cut, float(energies.min()))
                least = np.maximum(gaps - self._lowered[:, None], 1e-9)
                lost = np.where(missing, self._weights[:, None] ** 2 / least, 0.0)
                shifts[part], leaks[part] = np.sum(lost, axis=0), np.sum(lost / least, axis=0)
            tables.append(np.where(missing, self.size, places))
        return tables, shifts, leaks, next_cut


class TooMany(Exception):
    """There are more configurations than asked for."""


def _codes(count: int) -> NDArray[np.uint64]:
    """A key for each atom; that of a configuration is their exclusive or. Of many atoms they are drawn at random, and
    two configurations out of a million have one key with a chance of 1 to 10^7."""
    if count <= _EXACT_KEYS:
        return np.left_shift(np.uint64(1), np.arange(count, dtype=np.uint64))
    return np.random.default_rng(0).integers(2**64, size=count, dtype=np.uint64)
