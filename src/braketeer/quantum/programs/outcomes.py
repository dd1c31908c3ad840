"""Outcomes of measurements as classical values: known only once somebody looks."""

from __future__ import annotations

from collections.abc import Callable


class MeasuredBit:
    """What a measurement of the qubit ``label`` gave. It stands for 0 or 1 in bits and is copied with them.

    Until :meth:`look` is called, or something happens to the qubit, nothing is decided: the qubit still holds the
    outcome, and measuring it at the end of the program gives the same distribution.
    """

    __slots__ = ("_decide", "label", "value")

    def __init__(self, label: int, decide: Callable[[MeasuredBit], int]) -> None:
        self.label = label
        self.value: int | None = None
        self._decide = decide

    def look(self) -> int:
        if self.value is None:
            self.value = self._decide(self)
        return self.value

    def __repr__(self) -> str:
        return f"MeasuredBit({self.label}, {self.value})"


def looked(bit: int | MeasuredBit) -> int:
    return bit.look() if isinstance(bit, MeasuredBit) else bit
