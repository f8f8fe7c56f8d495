"""What every migration that makes a table says about who may do what with it."""

from alembic import op

WRITERS = ("bm_app", "bm_worker")
READER = "bm_ops_ro"
_MINE = "merchant_id = nullif(current_setting('app.merchant_id', true), '')::bigint"


def tenant(table: str, *, grants: str = "SELECT, INSERT, UPDATE") -> None:
    """Close a tenant table with Row-Level Security: no merchant told, no rows."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY tenant ON {table} TO {', '.join(WRITERS)} "
        f"USING ({_MINE}) WITH CHECK ({_MINE})"
    )
    op.execute(f"CREATE POLICY reader ON {table} FOR SELECT TO {READER} USING (true)")
    shared(table, grants=grants)


def shared(table: str, *, grants: str = "SELECT, INSERT, UPDATE") -> None:
    """Open a table that has no tenant to the product's logins, for no more than `grants`."""
    op.execute(f"GRANT {grants} ON {table} TO {', '.join(WRITERS)}")
    op.execute(f"GRANT SELECT ON {table} TO {READER}")


def without_guard(table: str, statement: str, *read: str) -> None:
    """Change rows of all merchants, as the owner, whom forced row security stops as well."""
    for name in (table, *read):
        op.execute(f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY")
    op.execute(statement)
    for name in (table, *read):
        op.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
