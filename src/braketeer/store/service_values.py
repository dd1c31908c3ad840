"""What all processes of a service must agree on, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from braketeer.store.tables import service_values

INSTALLATION = "installation"  # the name of a database's own id


def get_or_add(connection: Connection, name: str, value: Any) -> Any:
    """The value of this name; the given one where there was none: by the primary key only one is ever the first."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(service_values).values(name=name, value=value).on_conflict_do_nothing())
    return connection.execute(select(service_values.c.value).where(service_values.c.name == name)).scalar_one()


def put(connection: Connection, name: str, value: Any) -> None:
    """The value of this name from now on."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(service_values).values(name=name, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def of(connection: Connection, names: Sequence[str]) -> dict[str, Any]:
    """The values of those of these names that have one."""
    rows = connection.execute(select(service_values).where(service_values.c.name.in_(names)))
    return {row.name: row.value for row in rows}


def installation(connection: Connection) -> str:
    """The database's own id, which every start makes sure of."""
    return str(of(connection, [INSTALLATION])[INSTALLATION])
