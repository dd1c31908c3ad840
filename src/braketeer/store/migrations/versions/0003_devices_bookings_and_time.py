"""Devices bookings and time"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


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
        batch_op.add_column(sa.Column("reported_status", sa.String(length=16), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("device_states", schema=None) as batch_op:
        batch_op.drop_column("reported_status")
        batch_op.drop_column("recorded_windows")

    with op.batch_alter_table("driver_handles", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_driver_handles_device_arn"))

    op.drop_table("driver_handles")
    op.drop_table("added_devices")
