"""Accounts and money"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


# The counter of an account begins with what it stores already: objects, and parts of unfinished uploads.
COUNT_WHAT_IS_STORED = """
    UPDATE accounts SET storage_bytes =
        (SELECT coalesce(sum(o.size), 0) FROM objects o JOIN buckets b ON b.name = o.bucket
         WHERE b.account = accounts.id)
        + (SELECT coalesce(sum(p.size), 0) FROM upload_parts p JOIN uploads u ON u.id = p.upload_id
           JOIN buckets b ON b.name = u.bucket WHERE b.account = accounts.id)
"""


def upgrade() -> None:
    op.create_table(
        "encryption_keys",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=2048), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_encryption_keys")),
        sa.UniqueConstraint("account", "name", name=op.f("uq_encryption_keys_account_name")),
    )
    op.create_table(
        "service_values",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_service_values")),
    )
    op.create_table(
        "spending_limits",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("device_arn", sa.String(length=256), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("amount_text", sa.String(length=16), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("queued_spend", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_spend", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_spending_limits")),
        sa.UniqueConstraint("account", "device_arn", name=op.f("uq_spending_limits_account_device_arn")),
        sa.UniqueConstraint("id", name=op.f("uq_spending_limits_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("spending_limits", schema=None) as batch_op:
        batch_op.create_index("ix_spending_limits_search", ["account", "region", "sequence"], unique=False)

    with op.batch_alter_table("access_keys", schema=None) as batch_op:
        batch_op.add_column(sa.Column("issued_by", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("session_name", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("role_arn", sa.String(length=2048), nullable=True))
        batch_op.create_index(batch_op.f("ix_access_keys_account"), ["account"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_access_keys_issued_by_expires_at"), ["issued_by", "expires_at"], unique=False
        )
        batch_op.create_index(
            "ix_access_keys_temporary",
            ["expires_at"],
            unique=False,
            sqlite_where=sa.text("session_token IS NOT NULL"),
            postgresql_where=sa.text("session_token IS NOT NULL"),
        )

    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("quotas", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("storage_bytes", sa.BigInteger(), server_default="0", nullable=False))

    with op.batch_alter_table("buckets", schema=None) as batch_op:
        batch_op.add_column(sa.Column("encryption", sa.JSON(none_as_null=True), nullable=True))
        batch_op.add_column(sa.Column("lifecycle", sa.JSON(none_as_null=True), nullable=True))
        batch_op.add_column(sa.Column("policy", sa.Text(), nullable=True))

    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("lease_owner", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("lease_until", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("instance_price", sa.BigInteger(), nullable=True))
        batch_op.create_index(
            "ix_jobs_running",
            ["lease_until"],
            unique=False,
            sqlite_where=sa.text("status IN ('RUNNING', 'CANCELLING')"),
            postgresql_where=sa.text("status IN ('RUNNING', 'CANCELLING')"),
        )

    with op.batch_alter_table("log_groups", schema=None) as batch_op:
        batch_op.add_column(sa.Column("retention_days", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("tags", sa.JSON(none_as_null=True), nullable=True))
        batch_op.create_index(
            "ix_log_groups_retention",
            ["account", "name"],
            unique=False,
            sqlite_where=sa.text("retention_days IS NOT NULL"),
            postgresql_where=sa.text("retention_days IS NOT NULL"),
        )

    with op.batch_alter_table("log_queries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("status", sa.String(length=16), server_default="Running", nullable=False))
        batch_op.add_column(sa.Column("found", sa.JSON(none_as_null=True), nullable=True))
        batch_op.add_column(sa.Column("statistics", sa.JSON(none_as_null=True), nullable=True))
        batch_op.create_index(batch_op.f("ix_log_queries_account_created_at"), ["account", "created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_log_queries_created_at"), ["created_at"], unique=False)

    with op.batch_alter_table("log_streams", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_log_streams_account_log_group_first_event_at_id"),
            ["account", "log_group", "first_event_at", "id"],
            unique=False,
        )

    with op.batch_alter_table("object_files", schema=None) as batch_op:
        batch_op.add_column(sa.Column("data_key", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("checksums", sa.JSON(none_as_null=True), nullable=True))

    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.add_column(sa.Column("encryption", sa.JSON(none_as_null=True), nullable=True))
        batch_op.add_column(sa.Column("data_key", sa.LargeBinary(), nullable=True))

    with op.batch_alter_table("quantum_tasks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("price_per_task", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("price_per_shot", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("price_per_minute", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("estimate", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("cost", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("execution_ms", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("spending_limit_id", sa.String(length=36), nullable=True))
        batch_op.create_index(
            "ix_quantum_tasks_queued",
            ["account"],
            unique=False,
            sqlite_where=sa.text("status = 'QUEUED'"),
            postgresql_where=sa.text("status = 'QUEUED'"),
        )
        batch_op.create_index(
            "ix_quantum_tasks_spending_limit",
            ["spending_limit_id"],
            unique=False,
            sqlite_where=sa.text("spending_limit_id IS NOT NULL"),
            postgresql_where=sa.text("spending_limit_id IS NOT NULL"),
        )

    with op.batch_alter_table("upload_parts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("data_key", sa.LargeBinary(), nullable=True))

    with op.batch_alter_table("uploads", schema=None) as batch_op:
        batch_op.add_column(sa.Column("encryption", sa.JSON(none_as_null=True), nullable=True))
    op.execute(COUNT_WHAT_IS_STORED)


def downgrade() -> None:
    with op.batch_alter_table("uploads", schema=None) as batch_op:
        batch_op.drop_column("encryption")

    with op.batch_alter_table("upload_parts", schema=None) as batch_op:
        batch_op.drop_column("data_key")

    with op.batch_alter_table("quantum_tasks", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_quantum_tasks_spending_limit",
            sqlite_where=sa.text("spending_limit_id IS NOT NULL"),
            postgresql_where=sa.text("spending_limit_id IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_quantum_tasks_queued",
            sqlite_where=sa.text("status = 'QUEUED'"),
            postgresql_where=sa.text("status = 'QUEUED'"),
        )
        batch_op.drop_column("spending_limit_id")
        batch_op.drop_column("execution_ms")
        batch_op.drop_column("cost")
        batch_op.drop_column("estimate")
        batch_op.drop_column("price_per_minute")
        batch_op.drop_column("price_per_shot")
        batch_op.drop_column("price_per_task")

    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.drop_column("data_key")
        batch_op.drop_column("encryption")

    with op.batch_alter_table("object_files", schema=None) as batch_op:
        batch_op.drop_column("checksums")
        batch_op.drop_column("data_key")

    with op.batch_alter_table("log_streams", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_log_streams_account_log_group_first_event_at_id"))

    with op.batch_alter_table("log_queries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_log_queries_created_at"))
        batch_op.drop_index(batch_op.f("ix_log_queries_account_created_at"))
        batch_op.drop_column("statistics")
        batch_op.drop_column("found")
        batch_op.drop_column("status")

    with op.batch_alter_table("log_groups", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_log_groups_retention",
            sqlite_where=sa.text("retention_days IS NOT NULL"),
            postgresql_where=sa.text("retention_days IS NOT NULL"),
        )
        batch_op.drop_column("tags")
        batch_op.drop_column("retention_days")

    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_jobs_running",
            sqlite_where=sa.text("status IN ('RUNNING', 'CANCELLING')"),
            postgresql_where=sa.text("status IN ('RUNNING', 'CANCELLING')"),
        )
        batch_op.drop_column("instance_price")
        batch_op.drop_column("lease_until")
        batch_op.drop_column("lease_owner")

    with op.batch_alter_table("buckets", schema=None) as batch_op:
        batch_op.drop_column("policy")
        batch_op.drop_column("lifecycle")
        batch_op.drop_column("encryption")

    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_column("storage_bytes")
        batch_op.drop_column("quotas")

    with op.batch_alter_table("access_keys", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_access_keys_temporary",
            sqlite_where=sa.text("session_token IS NOT NULL"),
            postgresql_where=sa.text("session_token IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_access_keys_issued_by_expires_at"))
        batch_op.drop_index(batch_op.f("ix_access_keys_account"))
        batch_op.drop_column("role_arn")
        batch_op.drop_column("session_name")
        batch_op.drop_column("issued_by")

    with op.batch_alter_table("spending_limits", schema=None) as batch_op:
        batch_op.drop_index("ix_spending_limits_search")

    op.drop_table("spending_limits")
    op.drop_table("service_values")
    op.drop_table("encryption_keys")
