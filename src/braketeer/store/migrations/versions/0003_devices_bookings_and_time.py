"""Devices bookings and time"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


# Each state that a row takes is an event, written by the transaction that changes the row, whatever statement that is.
# An event's time is service time: the machine's, and how far it was advanced. On PostgreSQL it also has the number of
# its transaction, as rows of one that is still under way may appear before rows that are seen already.
_WATCHED = {"quantum_tasks": ("task", "id"), "jobs": ("job", "id"), "device_states": ("device", "device_arn")}
_SQLITE = """
CREATE TRIGGER {table}_{name} AFTER {when} ON {table} {condition} BEGIN
    INSERT INTO events (kind, resource, status, name, at) VALUES ('{kind}', NEW.{id}, NEW.status, '{word}',
        CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)
        + coalesce((SELECT CAST(value AS INTEGER) FROM service_values WHERE name = 'clock offset'), 0));
END
"""
_POSTGRESQL_FUNCTION = """
CREATE FUNCTION braketeer_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (transaction, kind, resource, status, name, at) VALUES (
        pg_current_xact_id()::text::bigint, TG_ARGV[0], to_jsonb(NEW) ->> TG_ARGV[1], NEW.status, TG_ARGV[2],
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
    changed = f"WHEN (NEW.status {differs} OLD.status)"
    if not is_sqlite:
        op.get_bind().exec_driver_sql(_POSTGRESQL_FUNCTION)
    for table, (kind, key) in _WATCHED.items():
        for name, when, condition, word in (
            ("appears", "INSERT", "", "INSERT"),
            ("changes", "UPDATE OF status", changed, "MODIFY"),
        ):
            statement = (_SQLITE if is_sqlite else _POSTGRESQL).format(
                table=table, name=name, when=when, condition=condition, kind=kind, id=key, word=word
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
    _make_triggers()


def downgrade() -> None:
    _drop_triggers()
    op.drop_table("webhooks")
    op.drop_table("faults")
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_events_transaction_sequence"))
        batch_op.drop_index(batch_op.f("ix_events_at"))

    op.drop_table("events")
