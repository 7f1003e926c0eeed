"""What Alembic runs around the migrations: always on the connection, and in the transaction, of its caller."""

from alembic import context

from sidegate_adapters.sql.schema import VERSION_TABLE
from sidegate_adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
