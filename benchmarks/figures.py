"""A measured figure, beside its goal where an issue names one."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` in ``unit``; a goal is the most (or, with ``at_least``, the least) that it should be."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = False
    note: str = ""

    def row(self) -> str:
        goal, verdict = "", ""
        if self.goal is not None:
            met = self.value >= self.goal if self.at_least else self.value <= self.goal
            goal = f"{'>=' if self.at_least else '<='} {self.goal:g} {self.unit}"
            verdict = "met" if met else "missed"
        name = f"{self.name} ({self.note})" if self.note else self.name
        return f"| {name} | {self.value:.3g} {self.unit} | {goal} | {verdict} |"


def milliseconds(work: Callable[[], object], times: int, warm_up: int = 3) -> list[float]:
    """How long each of ``times`` calls took, after some that do not count."""
    for _ in range(warm_up):
        work()
    found = []
    for _ in range(times):
        before = perf_counter()
        work()
        found.append((perf_counter() - before) * 1000)
    return found


def median(values: list[float]) -> float:
    return statistics.median(values)


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]
