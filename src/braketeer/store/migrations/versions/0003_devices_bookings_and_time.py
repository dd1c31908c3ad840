"""Devices bookings and time"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


# Each state that a row takes is an event, written by the transaction that changes the row, whatever statement that is.
# A device's outages, and what its driver tells, count as its state while the operator has it online.
# An event's time is service time: the machine's, and how far it was advanced. On PostgreSQL it also has the number of
# its transaction, as rows of one that is still under way may appear before rows that are seen already.
_OF_DEVICE = (
    "CASE WHEN {row}.status NOT IN ('ONLINE', 'DEFAULT') THEN {row}.status WHEN {row}.in_outage = 1 THEN 'OFFLINE' "
    "ELSE coalesce({row}.reported_status, {row}.status) END"
)
# By table: the kind of its events, the column that names the resource, its state, and the columns that are the state.
_WATCHED = {
    "quantum_tasks": ("task", "id", "{row}.status", "status"),
    "jobs": ("job", "id", "{row}.status", "status"),
    "device_states": ("device", "device_arn", _OF_DEVICE, "status, reported_status, in_outage"),
}
_SQLITE = """
CREATE TRIGGER {table}_{name} AFTER {when} ON {table} {condition} BEGIN
    INSERT INTO events (kind, resource, status, name, at) VALUES ('{kind}', NEW.{id}, {new}, '{word}',
        CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)
        + coalesce((SELECT CAST(value AS INTEGER) FROM service_values WHERE name = 'clock offset'), 0));
END
"""
_POSTGRESQL_FUNCTION = """
CREATE FUNCTION braketeer_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (transaction, kind, resource, status, name, at) VALUES (
        pg_current_xact_id()::text::bigint, TG_ARGV[0], to_jsonb(NEW) ->> TG_ARGV[1],
        CASE WHEN NEW.status NOT IN ('ONLINE', 'DEFAULT') THEN NEW.status
             WHEN to_jsonb(NEW) ->> 'in_outage' = '1' THEN 'OFFLINE'
             ELSE coalesce(to_jsonb(NEW) ->> 'reported_status', NEW.status) END, TG_ARGV[2],
        floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
        + coalesce((SELECT (value #>> '{}')::bigint FROM service_values WHERE name = 'clock offset'), 0));
    RETURN NULL;
END $$
"""
_POSTGRESQL = """
CREATE TRIGGER {table}_{name} AFTER {when} ON {table} FOR EACH ROW {condition}
EXECUTE FUNCTION braketeer_event('{kind}', '{id}', '{word}')
"""


def _make_triggers() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    differs = "IS NOT" if is_sqlite else "IS DISTINCT FROM"
    if not is_sqlite:
        op.get_bind().exec_driver_sql(_POSTGRESQL_FUNCTION)
    for table, (kind, key, state, columns) in _WATCHED.items():
        new, old = state.format(row="NEW"), state.format(row="OLD")
        told = f"WHEN (({new}) <> 'DEFAULT')" if kind == "device" else ""
        for name, when, condition, word in (
            ("appears", "INSERT", told, "INSERT"),
            ("changes", f"UPDATE OF {columns}", f"WHEN (({new}) {differs} ({old}))", "MODIFY"),
        ):
            statement = (_SQLITE if is_sqlite else _POSTGRESQL).format(
                table=table, name=name, when=when, condition=condition, kind=kind, id=key, word=word, new=new
            )
            op.get_bind().exec_driver_sql(statement)


def _drop_triggers() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for table in _WATCHED:
        for name in ("appears", "changes"):
            op.execute(f"DROP TRIGGER {table}_{name}" + ("" if is_sqlite else f" ON {table}"))
    if not is_sqlite:
        op.execute("DROP FUNCTION braketeer_event")


def upgrade() -> None:
    op.create_table(
        "added_devices",
        sa.Column("device_arn", sa.String(length=256), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("options", sa.LargeBinary(), nullable=False),
        sa.Column("document", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_arn", name=op.f("pk_added_devices")),
    )
    op.create_table(
        "events",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("transaction", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("resource", sa.String(length=256), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=8), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_events_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_events_transaction_sequence"), ["transaction", "sequence"], unique=False)

    op.create_table(
        "faults",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("hits", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_faults")),
        sa.UniqueConstraint("id", name=op.f("uq_faults_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("url", sa.String(length=2048), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_transaction", sa.BigInteger(), nullable=False),
        sa.Column("sent_sequence", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_failure", sa.String(length=256), nullable=True),
        sa.Column("next_try_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "driver_handles",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("device_arn", sa.String(length=256), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["quantum_tasks.id"], name=op.f("fk_driver_handles_task_id")),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_driver_handles")),
    )
    with op.batch_alter_table("driver_handles", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_driver_handles_device_arn"), ["device_arn"], unique=False)

    with op.batch_alter_table("device_states", schema=None) as batch_op:
        batch_op.add_column(sa.Column("recorded_windows", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("offline_until", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("reported_status", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("maintenance_from", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("maintenance_until", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("in_outage", sa.Integer(), nullable=True))

    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reservation_arn", sa.String(length=256), nullable=True))

    with op.batch_alter_table("quantum_tasks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reservation_arn", sa.String(length=256), nullable=True))
        batch_op.add_column(sa.Column("turn", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.drop_index(batch_op.f("ix_quantum_tasks_queue"), sqlite_where=sa.text("status = 'QUEUED'"))
        batch_op.drop_index(batch_op.f("ix_quantum_tasks_queued"), sqlite_where=sa.text("status = 'QUEUED'"))
        batch_op.create_index(
            "ix_quantum_tasks_lane",
            ["device_arn", "priority", "turn", "sequence"],
            unique=False,
            sqlite_where=sa.text("status = 'QUEUED' AND reservation_arn IS NULL"),
            postgresql_where=sa.text("status = 'QUEUED' AND reservation_arn IS NULL"),
        )
        batch_op.create_index(
            "ix_quantum_tasks_of_account",
            ["account", "device_arn", "turn"],
            unique=False,
            sqlite_where=sa.text("status = 'QUEUED'"),
            postgresql_where=sa.text("status = 'QUEUED'"),
        )
        batch_op.create_index(
            "ix_quantum_tasks_reserved",
            ["reservation_arn", "priority", "turn", "sequence"],
            unique=False,
            sqlite_where=sa.text("status = 'QUEUED' AND reservation_arn IS NOT NULL"),
            postgresql_where=sa.text("status = 'QUEUED' AND reservation_arn IS NOT NULL"),
        )

    with op.batch_alter_table("reservations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(length=16), server_default="exclusive", nullable=False))
        batch_op.add_column(sa.Column("cancelled_at", sa.BigInteger(), nullable=True))
        batch_op.create_index(
            "ix_reservations_active",
            ["cancelled_at", "starts_at"],
            unique=False,
            sqlite_where=sa.text("status = 'ACTIVE'"),
            postgresql_where=sa.text("status = 'ACTIVE'"),
        )
        batch_op.create_index("ix_reservations_device", ["device_arn", "starts_at"], unique=False)
    _make_triggers()


def downgrade() -> None:
    _drop_triggers()
    with op.batch_alter_table("reservations", schema=None) as batch_op:
        batch_op.drop_index("ix_reservations_device")
        batch_op.drop_index(
            "ix_reservations_active",
            sqlite_where=sa.text("status = 'ACTIVE'"),
            postgresql_where=sa.text("status = 'ACTIVE'"),
        )
        batch_op.drop_column("cancelled_at")
        batch_op.drop_column("kind")

    with op.batch_alter_table("quantum_tasks", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_quantum_tasks_reserved",
            sqlite_where=sa.text("status = 'QUEUED' AND reservation_arn IS NOT NULL"),
            postgresql_where=sa.text("status = 'QUEUED' AND reservation_arn IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_quantum_tasks_of_account",
            sqlite_where=sa.text("status = 'QUEUED'"),
            postgresql_where=sa.text("status = 'QUEUED'"),
        )
        batch_op.drop_index(
            "ix_quantum_tasks_lane",
            sqlite_where=sa.text("status = 'QUEUED' AND reservation_arn IS NULL"),
            postgresql_where=sa.text("status = 'QUEUED' AND reservation_arn IS NULL"),
        )
        batch_op.create_index(
            batch_op.f("ix_quantum_tasks_queued"), ["account"], unique=False, sqlite_where=sa.text("status = 'QUEUED'")
        )
        batch_op.create_index(
            batch_op.f("ix_quantum_tasks_queue"),
            ["device_arn", "priority", "sequence"],
            unique=False,
            sqlite_where=sa.text("status = 'QUEUED'"),
        )
        batch_op.drop_column("turn")
        batch_op.drop_column("reservation_arn")

    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_column("reservation_arn")

    with op.batch_alter_table("device_states", schema=None) as batch_op:
        batch_op.drop_column("in_outage")
        batch_op.drop_column("maintenance_until")
        batch_op.drop_column("maintenance_from")
        batch_op.drop_column("reported_status")
        batch_op.drop_column("offline_until")
        batch_op.drop_column("recorded_windows")

    with op.batch_alter_table("driver_handles", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_driver_handles_device_arn"))

    op.drop_table("driver_handles")
    op.drop_table("webhooks")
    op.drop_table("faults")
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_events_transaction_sequence"))
        batch_op.drop_index(batch_op.f("ix_events_at"))

    op.drop_table("events")
    op.drop_table("added_devices")
