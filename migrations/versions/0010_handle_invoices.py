"""Handle invoices: sort long lists, note views and resends, do the same with many."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from migrations.guards import tenant

revision: str = '0010'
down_revision: str | None = '0009'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_index('ix_invoices_by_due', 'invoices', ['merchant_id', 'due_at', 'id'])
    op.create_index('ix_invoices_by_amount', 'invoices', ['merchant_id', 'collection_minor', 'id'])
    add_views()
    add_resends()
    add_bulks()
    add_bulk_items()
    tenant('invoice_views')
    tenant('invoice_resends', grants='SELECT, INSERT')
    tenant('invoice_bulks')
    tenant('invoice_bulk_items')


def add_views() -> None:
    op.create_table('invoice_views',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('invoice_id', sa.BigInteger(), nullable=False),
    sa.Column('views', sa.BigInteger(), nullable=False),
    sa.Column('first_at', _TIME, nullable=False),
    sa.Column('last_at', _TIME, nullable=False),
    sa.CheckConstraint('views > 0', name=op.f('ck_invoice_views_views')),
    sa.ForeignKeyConstraint(['merchant_id', 'invoice_id'], ['invoices.merchant_id', 'invoices.id'], name=op.f('fk_invoice_views_invoices')),
    sa.PrimaryKeyConstraint('merchant_id', 'invoice_id', name=op.f('pk_invoice_views')),
    info={'scale': 'tenant'}
    )


def add_resends() -> None:
    op.create_table('invoice_resends',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('invoice_id', sa.BigInteger(), nullable=False),
    sa.Column('created_at', _TIME, nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['merchant_id', 'invoice_id'], ['invoices.merchant_id', 'invoices.id'], name=op.f('fk_invoice_resends_invoices')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_invoice_resends')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_invoice_resends_invoice_id', 'invoice_resends', ['merchant_id', 'invoice_id', 'id'])


def add_bulks() -> None:
    op.create_table('invoice_bulks',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('action', sa.Enum('resend', 'download', 'finalize', 'give_up', name='bulkaction', native_enum=False, length=32), nullable=False),
    sa.Column('language', sa.Enum('zh_Hans_CN', 'en', name='language', native_enum=False, length=32), nullable=False),
    sa.Column('total', sa.BigInteger(), nullable=False),
    sa.Column('created_at', _TIME, nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('ended_at', _TIME, nullable=True),
    sa.Column('storage_key', sa.Text(), nullable=True),
    sa.CheckConstraint("action IN ('resend', 'download', 'finalize', 'give_up')", name=op.f('ck_invoice_bulks_action')),
    sa.CheckConstraint("language IN ('zh_Hans_CN', 'en')", name=op.f('ck_invoice_bulks_language')),
    sa.CheckConstraint('total > 0', name=op.f('ck_invoice_bulks_total')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_invoice_bulks')),
    info={'scale': 'tenant'}
    )


def add_bulk_items() -> None:
    op.create_table('invoice_bulk_items',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('bulk_id', sa.BigInteger(), nullable=False),
    sa.Column('invoice_id', sa.BigInteger(), nullable=False),
    sa.Column('outcome', sa.Enum('done', 'refused', name='bulkoutcome', native_enum=False, length=32), nullable=True),
    sa.Column('code', sa.Text(), nullable=True),
    sa.Column('message', sa.Text(), nullable=True),
    sa.CheckConstraint("outcome IN ('done', 'refused')", name=op.f('ck_invoice_bulk_items_outcome')),
    sa.CheckConstraint("(outcome IS NOT DISTINCT FROM 'refused') = (code IS NOT NULL)", name=op.f('ck_invoice_bulk_items_code')),
    sa.ForeignKeyConstraint(['merchant_id', 'bulk_id'], ['invoice_bulks.merchant_id', 'invoice_bulks.id'], name=op.f('fk_invoice_bulk_items_invoice_bulks')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_invoice_bulk_items')),
    sa.UniqueConstraint('merchant_id', 'bulk_id', 'invoice_id', name='uq_invoice_bulk_items_invoice'),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_invoice_bulk_items_left', 'invoice_bulk_items', ['merchant_id', 'bulk_id', 'id'], postgresql_where=sa.text('outcome IS NULL'))
