"""Alembic's entry: it runs this file with the connection that ``upgrade`` has given."""

from alembic import context

from heliograph.directory.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite too, since BEGIN is ours to say
)
context.run_migrations()
