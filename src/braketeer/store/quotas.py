"""Quotas in the transaction that adds what they count.

Where a quota is set, the account's row is locked before anything is counted: of two transactions that add to one
account the second counts what the first has added (READ COMMITTED reads anew after the lock). Without a quota nothing
is locked. SQLite has one writer and needs no lock.
"""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection, Select, bindparam, func, literal_column, select

from braketeer.domain.lifecycles import JOB_FINISHED, JobStatus
from braketeer.domain.quotas import Quotas
from braketeer.store import service_values as service_value_rows
from braketeer.store.statements import Statement
from braketeer.store.tables import accounts, jobs, quantum_tasks, service_values

DEFAULTS = "quotas"  # the name of the service's own among service_values
_UNFINISHED_JOBS = [status.value for status in JobStatus if status not in JOB_FINISHED]

_OF = Statement(
    select(accounts.c.quotas, service_values.c.value)
    .select_from(accounts.outerjoin(service_values, service_values.c.name == literal_column(f"'{DEFAULTS}'")))
    .where(accounts.c.id == bindparam("of_account"))
)
_LOCK = select(accounts.c.storage_bytes).where(accounts.c.id == bindparam("of_account")).with_for_update()


def _counting(rows: Select[str]) -> Select[int]:
    """How many rows there are, without looking past the first ``most``."""
    return select(func.count()).select_from(rows.limit(bindparam("most")).subquery())


# A literal, not a parameter: only so do the databases see that the partial index serves.
_TASKS_QUEUED = _counting(
    select(quantum_tasks.c.account).where(
        quantum_tasks.c.account == bindparam("of_account"), quantum_tasks.c.status == literal_column("'QUEUED'")
    )
)
_JOBS_UNFINISHED = _counting(
    select(jobs.c.account).where(jobs.c.account == bindparam("of_account"), jobs.c.status.in_(_UNFINISHED_JOBS))
)


def set_defaults(connection: Connection, defaults: Quotas) -> None:
    """Note the service's own quotas, as its settings have them: every process of the database goes by the same."""
    service_value_rows.put(connection, DEFAULTS, asdict(defaults))


def defaults(connection: Connection) -> Quotas:
    """The service's own quotas."""
    return Quotas(**service_value_rows.of(connection, [DEFAULTS]).get(DEFAULTS, {}))


def of(connection: Connection, account: str) -> Quotas:
    """The quotas that hold for an account: its own, else the service's. None at all for one that does not exist."""
    row = _OF.one_or_none(connection, {"of_account": account})
    return Quotas() if row is None else Quotas(**(row.value or {})).overridden(row.quotas)


def require_task(connection: Connection, account: str, quotas: Quotas) -> None:
    """Room for one more QUEUED task, or ServiceQuotaExceededException. Counting stops at the quota.

    ``quotas`` are those of the account (``of``, or standing.py), as this transaction has read them.
    """
    if quotas.tasks_queued is not None:
        connection.execute(_LOCK, {"of_account": account})
        terms = {"of_account": account, "most": quotas.tasks_queued}
        quotas.require("tasks_queued", connection.execute(_TASKS_QUEUED, terms).scalar_one())


def require_job(connection: Connection, account: str) -> None:
    """Room for one more job that has not ended, or ServiceQuotaExceededException."""
    quotas = of(connection, account)
    if quotas.jobs_running is not None:
        connection.execute(_LOCK, {"of_account": account})
        terms = {"of_account": account, "most": quotas.jobs_running}
        quotas.require("jobs_running", connection.execute(_JOBS_UNFINISHED, terms).scalar_one())


def require_storage(connection: Connection, account: str, more_bytes: int) -> None:
    """Room for ``more_bytes`` more than the account stores now (``accounts.storage_bytes``), or
    ServiceQuotaExceededException. Call it before the counter is changed, in the same transaction; what makes nothing
    larger is always allowed.
    """
    if more_bytes <= 0:
        return
    quotas = of(connection, account)
    if quotas.storage_bytes is not None:
        used = connection.execute(_LOCK, {"of_account": account}).scalar_one()
        quotas.require("storage_bytes", used, more_bytes)
