"""Every table, as SQLAlchemy Core sees it. Times are service time in epoch milliseconds unless said otherwise."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Row numbers: SQLite only makes an INTEGER primary key automatic.
RowNumber = BigInteger().with_variant(Integer(), "sqlite")
# Keys that are listed in order are compared by their UTF-8 bytes, as S3 does; SQLite's default collation does that.
Bytewise = String().with_variant(String(collation="C"), "postgresql")

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("quotas", JSON),  # {"tasks_queued": 100, ...}: what differs from the service's settings
    Column("storage_bytes", BigInteger, nullable=False, server_default="0"),  # of all its objects and parts
)

access_keys = Table(
    "access_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account", String(12), ForeignKey("accounts.id"), nullable=False),
    Column("role", String(16), nullable=False),
    Column("secret", LargeBinary, nullable=False),  # encrypted
    Column("session_token", LargeBinary),  # encrypted; only temporary keys have one
    Column("expires_at", BigInteger),  # real time, epoch seconds
    Column("revoked_at", BigInteger),
    Column("job_id", String(36)),
    Column("created_at", BigInteger, nullable=False),
    # Of temporary keys: the key that asked for it (they are revoked together), and the role's session they act as.
    Column("issued_by", String(32)),
    Column("session_name", String(64)),
    Column("role_arn", String(2048)),
    Index(None, "job_id"),
    Index(None, "account"),
    Index(None, "issued_by", "expires_at"),
    Index(
        "ix_access_keys_temporary",
        "expires_at",
        sqlite_where=text("session_token IS NOT NULL"),
        postgresql_where=text("session_token IS NOT NULL"),
    ),
)

# What all processes of a service must agree on, by name: the quotas of its settings, for one.
service_values = Table(
    "service_values",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)

# One row per answered idempotent call: the promise that the same token gives the same resource.
client_tokens = Table(
    "client_tokens",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("operation", String(64), primary_key=True),
    Column("token", String(64), primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("resource", String(256), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "created_at"),
)

device_states = Table(
    "device_states",
    metadata,
    Column("device_arn", String(256), primary_key=True),
    Column("status", String(16), nullable=False),  # DEFAULT: as the catalogue has it
    Column("reservable", Integer, nullable=False, server_default="0"),
    Column("updated_at", BigInteger, nullable=False),
    Column("recorded_windows", Integer),  # 1: the windows of its document hold; 0: open at all hours; none: its default
    Column("offline_until", BigInteger),  # a fault on purpose has it offline
    Column("reported_status", String(16)),  # what the device's driver has said last
    Column("maintenance_from", BigInteger),  # announced: offline from then on ...
    Column("maintenance_until", BigInteger),  # ... until then
    Column("in_outage", Integer),  # 1: it is offline by one of these times; what its events go by
)

# Devices that the operator has added, each with the driver that runs its tasks.
added_devices = Table(
    "added_devices",
    metadata,
    Column("device_arn", String(256), primary_key=True),
    Column("definition", JSON, nullable=False),  # as devices/added.py reads it, without the driver's options
    Column("options", LargeBinary, nullable=False),  # the driver's, as JSON, encrypted: there are secrets among them
    Column("document", JSON(none_as_null=True)),  # the capability document that the driver has told last
    Column("created_at", BigInteger, nullable=False),
)

# By what a driver knows a task that it has handed on: kept until nothing is left to do for it there.
driver_handles = Table(
    "driver_handles",
    metadata,
    Column("task_id", String(36), ForeignKey("quantum_tasks.id"), primary_key=True),
    Column("device_arn", String(256), nullable=False),
    Column("handle", Text, nullable=False),
    Index(None, "device_arn"),
)

reservations = Table(
    "reservations",
    metadata,
    Column("arn", String(256), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("device_arn", String(256), nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),  # ACTIVE until all its work has ended, whatever the time is
    Column("created_at", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False, server_default="exclusive"),
    Column("cancelled_at", BigInteger),
    Index(
        "ix_reservations_active",
        *("cancelled_at", "starts_at"),
        sqlite_where=text("status = 'ACTIVE'"),
        postgresql_where=text("status = 'ACTIVE'"),
    ),
    Index("ix_reservations_device", "device_arn", "starts_at"),
)

# States that quantum tasks, hybrid jobs and devices have taken. Triggers of the database write them (migration 0003),
# so that no statement can forget to; a migration that builds one of those tables anew makes its triggers again.
events = Table(
    "events",
    metadata,
    Column("sequence", RowNumber, primary_key=True, autoincrement=True),
    Column(
        "transaction", BigInteger, nullable=False, server_default="0"
    ),  # PostgreSQL's number of the one that wrote it
    Column("kind", String(8), nullable=False),  # task, job or device
    Column("resource", String(256), nullable=False),  # its id; a device's ARN
    Column("status", String(16), nullable=False),
    Column("name", String(8), nullable=False),  # INSERT or MODIFY
    Column("at", BigInteger, nullable=False),
    Index(None, "transaction", "sequence"),
    Index(None, "at"),
    sqlite_autoincrement=True,
)

# Where events are sent, each up to which one, and who is sending; times here are real time in epoch seconds.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("url", String(2048), nullable=False),
    Column("secret", LargeBinary, nullable=False),  # encrypted
    Column("kinds", JSON, nullable=False),
    Column("account", String(12)),  # whose events; none: everybody's
    Column("created_at", BigInteger, nullable=False),
    Column("sent_transaction", BigInteger, nullable=False),
    Column("sent_sequence", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),  # one after the other
    Column("last_failure", String(256)),
    Column("next_try_at", BigInteger, nullable=False, server_default="0"),
    Column("lease_owner", String(64)),
    Column("lease_until", BigInteger),
)

# What an operator lets go wrong on purpose (domain/faults.py); ``hits`` counts what a rule has matched.
faults = Table(
    "faults",
    metadata,
    Column("sequence", RowNumber, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("rule", JSON, nullable=False),
    Column("hits", BigInteger, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

_OF_NO_RESERVATION = text("status = 'QUEUED' AND reservation_arn IS NULL")
_OF_A_RESERVATION = text("status = 'QUEUED' AND reservation_arn IS NOT NULL")

quantum_tasks = Table(
    "quantum_tasks",
    metadata,
    Column("sequence", RowNumber, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("device_arn", String(256), nullable=False),
    Column("status", String(16), nullable=False),
    Column("priority", Integer, nullable=False, server_default="1"),  # 0 Priority, 1 Normal: smaller goes first
    Column("shots", BigInteger, nullable=False),
    Column("output_bucket", String(63), nullable=False),
    Column("output_prefix", String(1100), nullable=False),  # outputS3Directory: key prefix + "/" + task id
    Column("device_parameters", Text, nullable=False),
    Column("job_id", String(36)),
    Column("associations", JSON),
    Column("experimental_capabilities", JSON),
    Column("action_type", String(64), nullable=False),
    Column("program_count", Integer),
    Column("executable_count", Integer),
    Column("successful_shots", BigInteger),
    Column("memory_bytes", BigInteger, nullable=False, server_default="0"),  # estimated, for admission
    Column("failure_reason", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    # The claim: who holds the lease, which attempt it is, and until when (real time) the claim is believed.
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("worker_deaths", Integer, nullable=False, server_default="0"),
    Column("lease_owner", String(64)),
    Column("lease_until", BigInteger),
    # Money, in units of 1e-10 USD; all empty for a task that cost nothing and that no spending limit counts. The prices
    # are those of its creation.
    Column("price_per_task", BigInteger),
    Column("price_per_shot", BigInteger),
    Column("price_per_minute", BigInteger),
    Column("estimate", BigInteger),
    Column("cost", BigInteger),  # once it has ended
    Column("execution_ms", BigInteger),  # as the result document states it
    Column("spending_limit_id", String(36)),  # the limit that counts it, even one deleted since
    Column("reservation_arn", String(256)),  # that of its associations
    Column(
        "turn", BigInteger, nullable=False, server_default="0"
    ),  # of its account; 0 where accounts do not take turns
    Index(
        "ix_quantum_tasks_spending_limit",
        "spending_limit_id",
        sqlite_where=text("spending_limit_id IS NOT NULL"),
        postgresql_where=text("spending_limit_id IS NOT NULL"),
    ),
    # A device's lanes (domain/scheduling.py): all other work, and that of a reservation.
    Index(
        "ix_quantum_tasks_lane",
        *("device_arn", "priority", "turn", "sequence"),
        sqlite_where=_OF_NO_RESERVATION,
        postgresql_where=_OF_NO_RESERVATION,
    ),
    Index(
        "ix_quantum_tasks_reserved",
        *("reservation_arn", "priority", "turn", "sequence"),
        sqlite_where=_OF_A_RESERVATION,
        postgresql_where=_OF_A_RESERVATION,
    ),
    Index(
        "ix_quantum_tasks_running",
        "lease_until",
        sqlite_where=text("status IN ('RUNNING', 'CANCELLING')"),
        postgresql_where=text("status IN ('RUNNING', 'CANCELLING')"),
    ),
    Index(
        "ix_quantum_tasks_of_account",  # counted against its quota, and its last turn on a device
        *("account", "device_arn", "turn"),
        sqlite_where=text("status = 'QUEUED'"),
        postgresql_where=text("status = 'QUEUED'"),
    ),
    Index("ix_quantum_tasks_search", "account", "region", "sequence"),
    Index("ix_quantum_tasks_job_id", "job_id", "sequence"),
    sqlite_autoincrement=True,
)

# Program texts live apart so that the queue's rows stay small.
quantum_task_actions = Table(
    "quantum_task_actions",
    metadata,
    Column("task_id", String(36), ForeignKey("quantum_tasks.id"), primary_key=True),
    Column("action", Text, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("sequence", RowNumber, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", String(64), nullable=False),
    Column("device_arn", String(256), nullable=False),
    Column("status", String(16), nullable=False),
    Column("request", JSON, nullable=False),  # CreateJob's members with the defaults that were taken
    Column("job_token", String(128), nullable=False, unique=True),
    Column("failure_reason", String(1024)),
    Column("events", JSON, nullable=False),  # [{eventType, timeOfEvent, message}], oldest first, at most 20
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("attempt", Integer, nullable=False, server_default="0"),
    # How far the runner's files have been read: offsets by file name, so that no line is lost or doubled.
    Column("ingested", JSON, nullable=False),
    # Which service follows the job, and until when (real time, epoch seconds) it is believed to live.
    Column("lease_owner", String(64)),
    Column("lease_until", BigInteger),
    Column("instance_price", BigInteger),  # of one instance a minute, at creation; units of 1e-10 USD
    Column("reservation_arn", String(256)),  # that of its associations
    Index(
        "ix_jobs_queue",
        "device_arn",
        "sequence",
        sqlite_where=text("status = 'QUEUED'"),
        postgresql_where=text("status = 'QUEUED'"),
    ),
    Index("ix_jobs_search", "account", "region", "sequence"),
    Index("ix_jobs_status", "status"),
    Index(
        "ix_jobs_running",
        "lease_until",
        sqlite_where=text("status IN ('RUNNING', 'CANCELLING')"),
        postgresql_where=text("status IN ('RUNNING', 'CANCELLING')"),
    ),
    sqlite_autoincrement=True,
)

# Amounts are in units of 1e-10 USD.
spending_limits = Table(
    "spending_limits",
    metadata,
    Column("sequence", RowNumber, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("device_arn", String(256), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("amount_text", String(16), nullable=False),  # as the client wrote it
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("queued_spend", BigInteger, nullable=False, server_default="0"),
    Column("total_spend", BigInteger, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("account", "device_arn"),  # one per device and account, in whatever region it was made
    Index("ix_spending_limits_search", "account", "region", "sequence"),
    sqlite_autoincrement=True,
)

tags = Table(
    "tags",
    metadata,
    Column("resource_arn", String(256), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("value", String(256), nullable=False),
)

buckets = Table(
    "buckets",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("tags", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("encryption", JSON(none_as_null=True)),  # of new objects that say nothing themselves; as in objects
    Column("lifecycle", JSON(none_as_null=True)),  # {"rules": [...]} as S3 names their members; times are ISO texts
    Column("policy", Text),  # as it was put
    Index(None, "account", "name"),
)

# Keys that data keys of objects are sealed with: one for each account and name, made when it is first named.
encryption_keys = Table(
    "encryption_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("name", String(2048), nullable=False),  # the ARN of a KMS key, or AES256
    Column("secret", LargeBinary, nullable=False),  # encrypted
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("account", "name"),
)

# A body is either in the row (small ones: files is 0) or in files, one row of object_files each, in their order.
objects = Table(
    "objects",
    metadata,
    Column("bucket", String(63), ForeignKey("buckets.name"), primary_key=True),
    Column("key", Bytewise, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("etag", String(64), nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Column("files", Integer, nullable=False),
    Column("checksums", JSON, nullable=False),  # {"ChecksumCRC32": "...", "ChecksumType": "FULL_OBJECT"}
    Column("headers", JSON, nullable=False),  # ContentType, CacheControl, ... by their S3 member names
    Column("user_metadata", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("upload_id", String(64)),  # the multipart upload it came from, so that a repeated completion is answered
    Column("encryption", JSON(none_as_null=True)),  # {"algorithm", "key_id", "key_arn", "bucket_key"}; none: as it is
    Column("data_key", LargeBinary),  # of an encrypted body in the row; sealed with the encryption key
    Column("body", LargeBinary),  # the last column: a listing does not read past the others
)

# Files are immutable; a copy of an object names the files of its source.
object_files = Table(
    "object_files",
    metadata,
    Column("bucket", String(63), primary_key=True),
    Column("key", Bytewise, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),  # of what is encrypted, where it is
    Column("file", String(64), nullable=False),
    Column("data_key", LargeBinary),  # of an encrypted file; sealed with the object's encryption key
    Column("checksums", JSON(none_as_null=True)),  # of a part, where the upload named an algorithm
    ForeignKeyConstraint(["bucket", "key"], ["objects.bucket", "objects.key"], ondelete="CASCADE"),
    Index(None, "file"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("bucket", String(63), ForeignKey("buckets.name"), nullable=False),
    Column("key", Bytewise, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("user_metadata", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("checksum_algorithm", String(16)),  # as the client asked; without, parts are summed with CRC64NVME
    Column("checksum_type", String(16)),
    Column("encryption", JSON(none_as_null=True)),  # as in objects
    Column("created_at", BigInteger, nullable=False),
    Index(None, "bucket", "key", "id"),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("upload_id", String(64), ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("etag", String(64), nullable=False),
    Column("checksums", JSON, nullable=False),
    Column("file", String(64), nullable=False),
    Column("data_key", LargeBinary),  # of an encrypted file; sealed with the upload's encryption key
    Column("modified_at", BigInteger, nullable=False),
    Index(None, "file"),
)

log_groups = Table(
    "log_groups",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("name", Bytewise, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("retention_days", Integer),  # None: events are kept for ever
    Column("tags", JSON(none_as_null=True)),
    Index(
        "ix_log_groups_retention",
        "account",
        "name",
        sqlite_where=text("retention_days IS NOT NULL"),
        postgresql_where=text("retention_days IS NOT NULL"),
    ),
)

# A deleted stream keeps its row, under an account that nobody has, until all of its events are gone.
log_streams = Table(
    "log_streams",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("account", String(12), nullable=False),
    Column("log_group", String(512), nullable=False),
    Column("name", Bytewise, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("first_event_at", BigInteger),
    Column("last_event_at", BigInteger),
    Column("last_ingestion_at", BigInteger),
    UniqueConstraint("account", "log_group", "name"),
    Index(None, "account", "log_group", "first_event_at", "id"),
    sqlite_autoincrement=True,
)

log_events = Table(
    "log_events",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("stream_id", RowNumber, ForeignKey("log_streams.id"), nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("ingested_at", BigInteger, nullable=False),
    Column("message", Text, nullable=False),
    Index(None, "stream_id", "timestamp", "id"),
)

log_queries = Table(
    "log_queries",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("request", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("status", String(16), nullable=False, server_default="Running"),  # in CloudWatch's words
    Column("found", JSON(none_as_null=True)),  # once it has ended: the numbers of the events that match, in order
    Column("statistics", JSON(none_as_null=True)),
    Index(None, "account", "created_at"),
    Index(None, "created_at"),
)
