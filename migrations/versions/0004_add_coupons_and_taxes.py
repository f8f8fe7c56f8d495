"""Add coupons and taxes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.guards import tenant, without_guard

revision: str = '0004'
down_revision: str | None = '0003'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)
_TEXTS = postgresql.ARRAY(sa.Text())
_CURRENCY = sa.Enum('CNY', 'USD', 'EUR', 'GBP', 'SGD', 'AUD', 'NZD', 'HKD', 'THB', 'JPY', 'KRW', 'VND', 'CLP', name='currency', native_enum=False, length=32)
_STATUS = sa.Enum('active', 'archived', name='catalogstatus', native_enum=False, length=32)


def upgrade() -> None:
    add_tax_rates()
    add_coupons()
    change_invoices()
    add_redemptions()
    close_the_tables()


def add_tax_rates() -> None:
    op.create_table('tax_rates',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('percent', sa.Numeric(precision=9, scale=4), nullable=False),
    sa.Column('is_inclusive', sa.Boolean(), nullable=False),
    sa.Column('is_default', sa.Boolean(), nullable=False),
    sa.Column('status', _STATUS, nullable=False),
    sa.Column('created_at', _TIME, nullable=False),
    sa.CheckConstraint('percent BETWEEN 0 AND 100', name=op.f('ck_tax_rates_percent')),
    sa.CheckConstraint("NOT is_default OR status = 'active'", name=op.f('ck_tax_rates_is_default')),
    sa.CheckConstraint("status IN ('active', 'archived')", name=op.f('ck_tax_rates_status')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_tax_rates')),
    sa.UniqueConstraint('merchant_id', 'code', name=op.f('uq_tax_rates_merchant_id_code')),
    info={'scale': 'tenant'}
    )
    op.create_index('uq_tax_rates_default', 'tax_rates', ['merchant_id'], unique=True, postgresql_where=sa.text('is_default'))
    for table in ('products', 'customers'):
        op.add_column(table, sa.Column('tax_rate_id', sa.BigInteger(), nullable=True))
        op.create_foreign_key(op.f(f'fk_{table}_tax_rates'), table, 'tax_rates', ['merchant_id', 'tax_rate_id'], ['merchant_id', 'id'])
    op.add_column('customers', sa.Column('is_tax_exempt', sa.Boolean(), server_default=sa.text('false'), nullable=False))
    op.create_check_constraint(op.f('ck_customers_tax'), 'customers', 'NOT is_tax_exempt OR tax_rate_id IS NULL')


def add_coupons() -> None:
    op.create_table('coupons',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('percent', sa.Numeric(precision=5, scale=2), nullable=True),
    sa.Column('amount_minor', sa.BigInteger(), nullable=True),
    sa.Column('currency', _CURRENCY, nullable=True),
    sa.Column('minimum_minor', sa.BigInteger(), nullable=True),
    sa.Column('duration', sa.Enum('once', 'repeating', 'forever', name='duration', native_enum=False, length=32), nullable=False),
    sa.Column('months', sa.BigInteger(), nullable=True),
    sa.Column('product_codes', _TEXTS, nullable=False),
    sa.Column('metric_codes', _TEXTS, nullable=False),
    sa.Column('redeem_by', sa.Date(), nullable=True),
    sa.Column('max_redemptions', sa.BigInteger(), nullable=True),
    sa.Column('max_per_customer', sa.BigInteger(), nullable=True),
    sa.Column('is_for_new_customers', sa.Boolean(), nullable=False),
    sa.Column('status', _STATUS, nullable=False),
    sa.Column('created_at', _TIME, nullable=False),
    sa.CheckConstraint('num_nonnulls(percent, amount_minor) = 1', name=op.f('ck_coupons_reduction')),
    sa.CheckConstraint('percent > 0 AND percent <= 100', name=op.f('ck_coupons_percent')),
    sa.CheckConstraint('amount_minor > 0', name=op.f('ck_coupons_amount')),
    sa.CheckConstraint('minimum_minor > 0', name=op.f('ck_coupons_minimum')),
    sa.CheckConstraint('(currency IS NULL) = (num_nonnulls(amount_minor, minimum_minor) = 0)', name=op.f('ck_coupons_currency')),
    sa.CheckConstraint("(duration = 'repeating') = (months IS NOT NULL)", name=op.f('ck_coupons_months')),
    sa.CheckConstraint('max_redemptions > 0 AND max_per_customer > 0', name=op.f('ck_coupons_limits')),
    sa.CheckConstraint("duration IN ('once', 'repeating', 'forever')", name=op.f('ck_coupons_duration')),
    sa.CheckConstraint("status IN ('active', 'archived')", name=op.f('ck_coupons_status')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_coupons')),
    sa.UniqueConstraint('merchant_id', 'code', name=op.f('uq_coupons_merchant_id_code')),
    info={'scale': 'tenant'}
    )
    op.create_table('contract_coupons',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('contract_id', sa.BigInteger(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('coupon_id', sa.BigInteger(), nullable=False),
    sa.Column('attached_at', _TIME, nullable=False),
    sa.ForeignKeyConstraint(['merchant_id', 'contract_id'], ['contracts.merchant_id', 'contracts.id'], name=op.f('fk_contract_coupons_contracts')),
    sa.ForeignKeyConstraint(['merchant_id', 'coupon_id'], ['coupons.merchant_id', 'coupons.id'], name=op.f('fk_contract_coupons_coupons')),
    sa.PrimaryKeyConstraint('merchant_id', 'contract_id', 'position', name=op.f('pk_contract_coupons')),
    sa.UniqueConstraint('merchant_id', 'contract_id', 'coupon_id', name='uq_contract_coupons'),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_contract_coupons_coupon_id', 'contract_coupons', ['merchant_id', 'coupon_id'])


def change_invoices() -> None:
    """Let an invoice say discount, tax and total apart; before, there was only the subtotal."""
    for column in ('discount_minor', 'tax_minor', 'total_minor', 'balance_minor', 'due_minor'):
        op.add_column('invoices', sa.Column(column, sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    without_guard('invoices', 'UPDATE invoices SET total_minor = subtotal_minor, due_minor = collection_minor')
    op.create_check_constraint(op.f('ck_invoices_discount'), 'invoices', 'discount_minor >= 0')
    op.create_check_constraint(op.f('ck_invoices_total'), 'invoices', 'total_minor = subtotal_minor + tax_minor')
    op.create_check_constraint(op.f('ck_invoices_due'), 'invoices', 'due_minor = collection_minor - balance_minor')
    op.create_check_constraint(op.f('ck_invoices_balance'), 'invoices', 'balance_minor BETWEEN 0 AND collection_minor')
    op.add_column('invoice_lines', sa.Column('discount_minor', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('invoice_lines', sa.Column('tax_percent', sa.Numeric(precision=9, scale=4), nullable=True))
    op.add_column('invoice_lines', sa.Column('tax_is_inclusive', sa.Boolean(), server_default=sa.text('false'), nullable=False))
    op.add_column('invoice_lines', sa.Column('tax_minor', sa.BigInteger(), server_default=sa.text('0'), nullable=False))


def add_redemptions() -> None:
    op.create_table('coupon_redemptions',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('coupon_id', sa.BigInteger(), nullable=False),
    sa.Column('invoice_id', sa.BigInteger(), nullable=False),
    sa.Column('contract_id', sa.BigInteger(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Enum('reserved', 'counted', 'released', name='redemptionstatus', native_enum=False, length=32), nullable=False),
    sa.Column('applied_on', sa.Date(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('currency', _CURRENCY, nullable=False),
    sa.CheckConstraint('amount_minor >= 0', name=op.f('ck_coupon_redemptions_amount')),
    sa.CheckConstraint("status IN ('reserved', 'counted', 'released')", name=op.f('ck_coupon_redemptions_status')),
    sa.ForeignKeyConstraint(['merchant_id', 'coupon_id'], ['coupons.merchant_id', 'coupons.id'], name=op.f('fk_coupon_redemptions_coupons')),
    sa.ForeignKeyConstraint(['merchant_id', 'invoice_id'], ['invoices.merchant_id', 'invoices.id'], name=op.f('fk_coupon_redemptions_invoices')),
    sa.PrimaryKeyConstraint('merchant_id', 'coupon_id', 'invoice_id', name=op.f('pk_coupon_redemptions')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_coupon_redemptions_contract_id', 'coupon_redemptions', ['merchant_id', 'coupon_id', 'contract_id'])
    op.create_index('ix_coupon_redemptions_customer_id', 'coupon_redemptions', ['merchant_id', 'coupon_id', 'customer_id'])
    op.create_index('ix_coupon_redemptions_invoice_id', 'coupon_redemptions', ['merchant_id', 'invoice_id'])


def close_the_tables() -> None:
    for table in ('tax_rates', 'coupons', 'coupon_redemptions'):
        tenant(table)
    tenant('contract_coupons', grants='SELECT, INSERT, UPDATE, DELETE')
