"""Alembic's entry: runs on the connection that `dagboek.database.migrate` opened.

Revisions only go up: the push record is never thrown away. To go back, restore a backup.
"""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
