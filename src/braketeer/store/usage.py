"""What accounts have used, computed from the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, func, literal_column, select

from braketeer.store.tables import accounts, jobs, quantum_tasks


@dataclass(slots=True)
class Usage:
    """Of one account since it exists. Tasks and jobs by status; seconds are those between their starts and ends."""

    account: str
    name: str
    storage_bytes: int
    tasks: dict[str, int] = field(default_factory=dict)
    shots: int = 0
    task_seconds: float = 0.0
    jobs: dict[str, int] = field(default_factory=dict)
    job_seconds: float = 0.0


def of_accounts(connection: Connection, account: str | None = None) -> list[Usage]:
    """The usage of one account, or of all by name."""
    query = select(accounts.c.id, accounts.c.name, accounts.c.storage_bytes).order_by(accounts.c.name)
    if account is not None:
        query = query.where(accounts.c.id == account)
    found = {row.id: Usage(row.id, row.name, row.storage_bytes) for row in connection.execute(query)}
    # Differences of what is not known yet are NULL, and a sum passes over them.
    t, j = quantum_tasks.c, jobs.c
    # Accounts of all tasks are an expression: by an index SQLite would fetch a million rows one by one, not in passing.
    whose_task = t.account if account is not None else t.account.concat(literal_column("''"))
    whose_job = j.account if account is not None else j.account.concat(literal_column("''"))
    by_task = select(
        whose_task, t.status, func.count(), func.sum(t.shots), func.coalesce(func.sum(t.ended_at - t.started_at), 0)
    )
    by_job = select(whose_job, j.status, func.count(), func.coalesce(func.sum(j.ended_at - j.started_at), 0))
    if account is not None:
        by_task, by_job = by_task.where(t.account == account), by_job.where(j.account == account)
    for owner, status, count, shots, milliseconds in connection.execute(by_task.group_by(whose_task, t.status)):
        if (usage := found.get(owner)) is not None:
            usage.tasks[status] = count
            usage.shots += int(shots)
            usage.task_seconds += int(milliseconds) / 1000
    for owner, status, count, milliseconds in connection.execute(by_job.group_by(whose_job, j.status)):
        if (usage := found.get(owner)) is not None:
            usage.jobs[status] = count
            usage.job_seconds += int(milliseconds) / 1000
    return list(found.values())
