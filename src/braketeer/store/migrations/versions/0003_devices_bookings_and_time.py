"""Devices bookings and time"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
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


def downgrade() -> None:
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
