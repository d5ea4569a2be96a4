"""Run by Alembic. `issuer.database.migrations` passes it a connection in a transaction."""

from alembic import context

from issuer.database.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
context.run_migrations()
