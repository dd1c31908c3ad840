"""Computes: program -> circuit -> engine -> Braket result document.

Knows no AWS service, no HTTP, no SQL, and nobody else of this package. ``prepare`` and ``run`` are for workers; until
one of them is asked for, importing this loads no numerical library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from braketeer.quantum.circuit import Limits, ProgramError
from braketeer.quantum.tasks import Outcome, Prepared, ProgramSetError, SetFailure, TaskDescription

if TYPE_CHECKING:
    from braketeer.quantum.compute import prepare, run

__all__ = [
    "Limits",
    "Outcome",
    "Prepared",
    "ProgramError",
    "ProgramSetError",
    "SetFailure",
    "TaskDescription",
    "prepare",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in ("prepare", "run"):
        return getattr(import_module("braketeer.quantum.compute"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
