"""exp(-i H t) on a vector, by the Lanczos process: only products of H with vectors are needed."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.complex128]

#: Vectors that the process keeps; what they do not reach is done in several strides.
BASIS = 32
_FIRST_LOOK = 4
_LOOKS_APART = 2
_INVARIANT = 1e-13
_PIECE, _LONG_PIECE = 256, 8192  # below the sizes from which OpenBLAS takes threads


class Exponential:
    """Applies exp(-i H t) to vectors of one size, and remembers how many basis vectors the last one took."""

    def __init__(self, size: int) -> None:
        self._basis = np.empty((min(BASIS, size) + 1, size), dtype=np.complex128)
        self._spare = np.empty(size, dtype=np.complex128)
        self._expected = _FIRST_LOOK

    def apply(self, product: Callable[[Vector], Vector], state: Vector, time: float, tolerance: float) -> Vector:
        """``state`` after ``time`` under the hermitian H that ``product`` multiplies with, to about ``tolerance``."""
        left = time
        while left > 0:
            state, done = self._stride(product, state, left, tolerance * left / time)
            left -= done
        return state

    def _stride(
        self, product: Callable[[Vector], Vector], state: Vector, time: float, tolerance: float
    ) -> tuple[Vector, float]:
        """The state after as much of ``time`` as the basis reaches, and how much that was."""
        basis, norm, most = self._basis, _norm(state), len(self._basis) - 1
        diagonal: list[float] = []
        beside: list[float] = []
        np.multiply(state, 1 / norm, out=basis[0])
        for size in range(1, most + 1):
            last = basis[size - 1]
            vector = product(last)
            diagonal.append(_overlap(last, vector))
            self._subtract(vector, diagonal[-1], last)
            if size > 1:
                self._subtract(vector, beside[-1], basis[size - 2])
            rest = _norm(vector)
            whole = rest * time < _INVARIANT or size == state.size
            if whole or size == most or self._is_time_to_look(size):
                energies, vectors = _diagonalised(diagonal, beside)
                weights = vectors @ (np.exp(-1j * time * energies) * vectors[0])
                if whole or rest * time * abs(weights[-1]) < tolerance:
                    self._expected = size
                    return self._combined(norm * weights), time
            beside.append(rest)
            np.multiply(vector, 1 / rest, out=basis[size])
        self._expected = most
        part = time
        while rest * part * abs(weights[-1]) >= tolerance * part / time:
            part *= 0.8
            weights = vectors @ (np.exp(-1j * part * energies) * vectors[0])
        return self._combined(norm * weights), part

    def _combined(self, weights: Vector) -> Vector:
        """The sum of as many basis vectors, by pieces that stay in the cache and that BLAS does not share out to
        threads, which would wait for each other longer than they compute."""
        found = np.empty(self._basis.shape[1], dtype=np.complex128)
        for start in range(0, len(found), _PIECE):
            part = slice(start, start + _PIECE)
            np.matmul(weights, self._basis[: len(weights), part], out=found[part])
        return found

    def _subtract(self, vector: Vector, factor: float, other: Vector) -> None:
        np.multiply(other, factor, out=self._spare)
        vector -= self._spare

    def _is_time_to_look(self, size: int) -> bool:
        """Looking costs as much as a few products: first where the last vector was done, then now and again."""
        late = size - max(self._expected - 1, _FIRST_LOOK)
        return late >= 0 and late % _LOOKS_APART == 0


def _norm(vector: Vector) -> float:
    return sqrt(_overlap(vector, vector))


def _overlap(one: Vector, other: Vector) -> float:
    """The real part of their inner product, by pieces as above."""
    pieces = range(0, len(one), _LONG_PIECE)
    return float(sum(np.vdot(one[at : at + _LONG_PIECE], other[at : at + _LONG_PIECE]).real for at in pieces))


def _diagonalised(diagonal: list[float], beside: list[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    matrix = np.diag(diagonal)
    rows = np.arange(len(beside))
    matrix[rows + 1, rows] = beside
    found = np.linalg.eigh(matrix)  # reads the lower triangle
    return found.eigenvalues, found.eigenvectors
