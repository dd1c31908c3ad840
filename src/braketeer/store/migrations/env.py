"""What Alembic runs: the revisions, on the connection that ``upgrade`` hands over."""

from alembic import context

from braketeer.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes tables by copying them
)
with context.begin_transaction():
    context.run_migrations()
