"""Spans of time as they are typed: 90s, 61m, 2h, 30d."""

from __future__ import annotations

import re

from braketeer.cli.problems import Problem

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_PART = re.compile(r"(\d{1,9})([smhdw])")


def seconds(text: str) -> int:
    """The seconds of ``90s``, ``2h``, ``1h30m`` or ``30d``; Problem for anything else."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Problem(f"'{text}' is not a span of time such as 90s, 61m, 2h or 30d", 2)
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)
