"""How commands print what they have found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def as_json(content: Any) -> None:
    """For programs, and for eyes that do not mind."""
    typer.echo(json.dumps(content, indent=2))


def plain(text: str) -> str:
    """Text of users' making, harmless on a terminal: what does not print (line ends, ESC, what turns the direction of
    writing) is shown as Python writes it, ``\\x1b``.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def from_to(window: Mapping[str, Any] | None) -> str:
    """A window of time; empty where there is none."""
    return "" if window is None else f"{window['start']} to {window['end']}"


def as_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """For eyes: one line an item, whole however narrow the terminal is; numbers to the right."""
    table = Table(box=None, pad_edge=False)
    items = list(rows)
    for index, column in enumerate(columns):
        right = any(isinstance(row[index], int) for row in items)
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    for row in items:
        table.add_row(*("" if cell is None else escape(plain(str(cell))) for cell in row))
    console = Console(highlight=False)
    console.width = max(console.width, console.measure(table, options=console.options.update(width=10_000)).maximum)
    console.print(table, soft_wrap=True)
