"""Statements of the hot paths: compiled once, and run by the driver itself where that is SQLite's.

SQLAlchemy's own way from a statement to its rows costs six times what SQLite needs for a row found by its key.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Executable, Insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

_DIALECT = sqlite.dialect(
    paramstyle="named", json_serializer=lambda value: orjson.dumps(value).decode(), json_deserializer=orjson.loads
)


class Statement:
    """A select, insert or update with ``bindparam``s for everything that varies.

    Rows are named tuples of the columns' Python values. Errors are SQLAlchemy's, as ``Connection.execute`` raises them.
    """

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: dict[frozenset[str], _Compiled] = {}

    def one_or_none(self, connection: Connection, parameters: Mapping[str, Any]) -> Any:
        """The row that is found, or None; there must be no second one."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, parameters).one_or_none()
        compiled = self._for(parameters)
        found = compiled.run(connection, parameters).fetchall()
        if len(found) > 1:
            raise LookupError("A statement for one row has found several")
        return compiled.row(found[0]) if found else None

    def mapping_or_none(self, connection: Connection, parameters: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """As ``one_or_none``, the row as a mapping from the names of its columns."""
        row = self.one_or_none(connection, parameters)
        return None if row is None else row._asdict()

    def all(self, connection: Connection, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """Every row, in the statement's order."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, parameters).all()
        compiled = self._for(parameters)
        return [compiled.row(found) for found in compiled.run(connection, parameters).fetchall()]

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> int:
        """Change rows; how many were changed."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, parameters).rowcount
        return int(self._for(parameters).run(connection, parameters).rowcount)

    def _for(self, parameters: Mapping[str, Any]) -> _Compiled:
        # An insert names the columns that it is given, so each set of them is a text of its own.
        names = frozenset(parameters) if isinstance(self._statement, Insert) else frozenset()
        compiled = self._compiled.get(names)
        if compiled is None:
            compiled = self._compiled[names] = _Compiled(self._statement, sorted(names) or None)
        return compiled


class _Compiled:
    """A statement as SQLite takes it, and what turns values into the driver's and back (JSON, say)."""

    def __init__(self, statement: Any, column_keys: list[str] | None) -> None:
        compiled: SQLCompiler = statement.compile(dialect=_DIALECT, column_keys=column_keys)
        self._text = str(compiled)
        self._constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        self._to_driver = {
            name: processor
            for name, bind in compiled.binds.items()
            if (processor := bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)) is not None
        }
        columns = list(statement.exported_columns)  # of a select, or of what RETURNING names
        self._row = namedtuple("Row", [column.key for column in columns])  # type: ignore[misc]
        self._from_driver = [
            (place, processor)
            for place, column in enumerate(columns)
            if (processor := column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None)) is not None
        ]

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> sqlite3.Cursor:
        values = {**self._constants, **parameters}
        for name, processor in self._to_driver.items():
            values[name] = processor(values.get(name))
        driver: Any = connection.connection.driver_connection
        try:
            cursor: sqlite3.Cursor = driver.execute(self._text, values)
        except sqlite3.Error as problem:
            raise DBAPIError.instance(self._text, None, problem, sqlite3.Error, hide_parameters=True) from problem
        return cursor

    def row(self, found: tuple[Any, ...]) -> Any:
        if not self._from_driver:
            return self._row(*found)
        values = list(found)
        for place, processor in self._from_driver:
            values[place] = processor(values[place])
        return self._row(*values)
