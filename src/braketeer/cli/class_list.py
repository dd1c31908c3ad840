"""A class list: which accounts a file asks for."""

from __future__ import annotations

import csv
from typing import Any

from braketeer.cli.problems import Problem

COLUMNS = ("name", "id", "role", "quotas")


def read(content: bytes, file: str) -> list[dict[str, Any]]:
    """Accounts as the service takes them, out of a text with one name a line, or CSV.

    Columns are name, id, role, quotas (``tasks_queued=10 jobs_running=1``), all but the first optional; a first line
    that begins with the word name says which there are, in what order. Empty lines and lines that begin with # count
    for nothing. Problem, naming file and line, for anything else.
    """
    try:
        text = content.decode("utf-8-sig")  # spreadsheets begin a file with a mark of the encoding
    except UnicodeDecodeError as problem:
        raise Problem(f"{file} is not a text in UTF-8: {problem}") from problem
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    columns: tuple[str, ...] = COLUMNS
    wanted = []
    for number, cells in enumerate(csv.reader(lines, skipinitialspace=True), 1):
        values = [cell.strip() for cell in cells]
        if number == 1 and values[0].lower() == COLUMNS[0]:
            columns = tuple(value.lower() for value in values)
            if unknown := sorted(set(columns) - set(COLUMNS)):
                raise Problem(f"{file} has a column '{unknown[0]}'; it may have {', '.join(COLUMNS)}")
            continue
        if len(values) > len(columns):
            raise Problem(f"{file} has a line with more than {len(columns)} columns: {','.join(values)[:80]}")
        account: dict[str, Any] = {name: value for name, value in zip(columns, values, strict=False) if value}
        if "quotas" in account:
            account["quotas"] = quotas(account["quotas"].replace(";", " ").split())
        wanted.append(account)
    if not wanted:
        raise Problem(f"{file} names no account")
    return wanted


def quotas(changes: list[str]) -> dict[str, str]:
    """``name=value`` each, as the service takes them; it says what may be."""
    pairs = [change.partition("=") for change in changes]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise Problem(f"'{name}{equals}{value}' is not of the form name=value", 2)
    return {name: value for name, _, value in pairs}
