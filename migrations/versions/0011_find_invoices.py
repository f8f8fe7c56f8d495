"""Find invoices by what somebody types; name the item of a fapiao."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from migrations.guards import tenant

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_BYTES = sa.Text(collation="C")


def upgrade() -> None:
    find_by_number()
    add_fapiao_settings()
    tenant("fapiao_settings")


def find_by_number() -> None:
    """Compare numbers byte by byte, so that their unique index also finds how they begin."""
    op.alter_column('invoices', 'number', type_=_BYTES, existing_type=sa.Text())
    op.add_column('invoices', sa.Column('number_reversed', _BYTES, sa.Computed('reverse(number)', persisted=True)))
    op.create_index('ix_invoices_number_reversed', 'invoices', ['merchant_id', 'number_reversed'], postgresql_where=sa.text('number_reversed IS NOT NULL'))


def add_fapiao_settings() -> None:
    op.create_table("fapiao_settings",
    sa.Column("merchant_id", sa.BigInteger(), nullable=False),
    sa.Column("item", sa.Text(), nullable=False),
    sa.Column("tax_code", sa.Text(), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_fapiao_settings")),
    info={"scale": "tenant"}
    )
