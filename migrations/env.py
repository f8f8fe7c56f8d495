"""Alembic's entry: runs on the connection that `app.schema` hands over."""

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
# A migration that can not get its lock soon gives up, instead of stopping everybody behind it.
connection.execute(text("SET lock_timeout = '3s'"))
connection.execute(text("SET statement_timeout = '10min'"))
connection.commit()
context.configure(
    connection=connection,
    target_metadata=context.config.attributes["metadata"],
    transaction_per_migration=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
connection.commit()
