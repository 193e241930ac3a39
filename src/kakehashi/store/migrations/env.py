"""Run by Alembic for :mod:`kakehashi.store.migrate`, which hands it a connection, or a dialect to write a script in."""

from alembic import context

from kakehashi.store.schema import metadata

given = context.config.attributes
if context.is_offline_mode():
    context.configure(
        dialect_name=given["dialect"],
        target_metadata=metadata,
        literal_binds=True,
        transactional_ddl=False,  # no BEGIN in the script: whoever runs it holds the transaction
    )
else:
    context.configure(
        connection=given["connection"],
        target_metadata=metadata,
        transactional_ddl=True,  # SQLite rolls DDL back: a migration killed half-way leaves nothing behind
    )
with context.begin_transaction():
    context.run_migrations()
