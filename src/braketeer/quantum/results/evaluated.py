"""What running a program once gives: values, and with shots the bits measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The value of each result type in order. With shots also ``measured``, the label of each column of ``bits``, of
    shape (shots, columns); ``outputs`` are the output variables of each shot where the program has some, ``compiled``
    is what a QPU has run, as an OpenQASM program."""

    values: list[Any]
    measured: list[int]
    bits: NDArray[np.uint8] | None = None
    outputs: list[dict[str, Any]] | None = None
    compiled: str | None = None
