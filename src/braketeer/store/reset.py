"""Forgetting all work: what tests of clients want between two of them."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update

from braketeer.domain.lifecycles import JOB_FINISHED, TASK_FINISHED
from braketeer.store import devices, tables
from braketeer.store.tables import access_keys, accounts, jobs, quantum_tasks

# Who may come in, and what the service is: all else is work.
KEPT = frozenset({"accounts", "access_keys", "service_values", "added_devices", "device_states"})


def unfinished(connection: Connection) -> tuple[list[str], list[str]]:
    """The ids of the quantum tasks and of the hybrid jobs, of whatever account, that have not ended."""
    tasks = select(quantum_tasks.c.id).where(quantum_tasks.c.status.not_in(sorted(TASK_FINISHED)))
    running = select(jobs.c.id).where(jobs.c.status.not_in(sorted(JOB_FINISHED)))
    return list(connection.execute(tasks).scalars()), list(connection.execute(running).scalars())


def forget_everything(connection: Connection) -> None:
    """Delete every row but those of accounts, their keys, added devices and the service's own values. Files of objects
    are left to their collection; keys of jobs and sessions go with what they were for. Of a device's state, what its
    driver has told stays."""
    for table in reversed(tables.metadata.sorted_tables):
        if table.name not in KEPT:
            connection.execute(delete(table))
    connection.execute(delete(access_keys).where(access_keys.c.session_token.is_not(None)))
    devices.forget_settings(connection)
    connection.execute(update(accounts).values(storage_bytes=0, quotas=None))
