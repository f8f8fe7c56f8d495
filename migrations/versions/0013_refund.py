"""Refund payments, record disputes, and close the cases of money that paid nothing."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.guards import tenant

revision: str = '0013'
down_revision: str | None = '0012'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)
_LEFT = (
    "refunded_minor >= 0 AND disputed_minor >= 0 "
    "AND refunded_minor + disputed_minor <= coalesce(captured_minor, 0)"
)


def upgrade() -> None:
    extend_merchants()
    extend_payments()
    add_refunds()
    add_disputes()
    tenant('refunds')
    tenant('disputes')


def extend_merchants() -> None:
    op.add_column('merchants', sa.Column('refund_window_days', sa.BigInteger(), server_default=sa.text('180'), nullable=False))
    op.add_column('merchants', sa.Column('returns_fee', sa.Boolean(), server_default=sa.text('true'), nullable=False))
    op.create_check_constraint(op.f('ck_merchants_refund_window_days'), 'merchants', 'refund_window_days BETWEEN 0 AND 365')


def extend_payments() -> None:
    op.add_column('payment_orders', sa.Column('refunded_minor', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('payment_orders', sa.Column('disputed_minor', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.create_check_constraint(op.f('ck_payment_orders_refunded_minor'), 'payment_orders', _LEFT)
    op.add_column('unallocated_payments', sa.Column('closed_at', _TIME, nullable=True))
    op.add_column('unallocated_payments', sa.Column('note', sa.Text(), server_default='', nullable=False))
    op.drop_constraint(op.f('ck_unallocated_payments_status'), 'unallocated_payments')  # nothing could close a case yet
    op.create_check_constraint(op.f('ck_unallocated_payments_status'), 'unallocated_payments', "status IN ('open', 'returned', 'kept')")
    op.create_check_constraint(op.f('ck_unallocated_payments_closed_at'), 'unallocated_payments', "(status = 'open') = (closed_at IS NULL)")


def add_refunds() -> None:
    op.create_table('refunds',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('purpose', sa.Enum('invoice', 'send_back', name='refundpurpose', native_enum=False, length=32), nullable=False),
    sa.Column('invoice_id', sa.BigInteger(), nullable=False),
    sa.Column('payment_order_id', sa.BigInteger(), nullable=False),
    sa.Column('case_id', sa.BigInteger(), nullable=True),
    sa.Column('attempt', sa.BigInteger(), server_default=sa.text('1'), nullable=False),
    sa.Column('channel', sa.Enum('wechat', 'alipay', name='channelname', native_enum=False, length=32), nullable=False),
    sa.Column('out_refund_no', sa.Text(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('tax_minor', sa.BigInteger(), nullable=False),
    sa.Column('fee_minor', sa.BigInteger(), nullable=False),
    sa.Column('fee_is_returned', sa.Boolean(), nullable=False),
    sa.Column('settlement_minor', sa.BigInteger(), nullable=False),
    sa.Column('settlement_currency', sa.Enum('CNY', 'USD', 'EUR', 'GBP', 'SGD', 'AUD', 'NZD', 'HKD', 'THB', 'JPY', 'KRW', 'VND', 'CLP', name='currency', native_enum=False, length=32), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('lines', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('status', sa.Enum('requested', 'rejected', 'submitted', 'abnormal', 'succeeded', 'failed', name='refundstatus', native_enum=False, length=32), nullable=False),
    sa.Column('created_at', _TIME, nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('decided_by', sa.Text(), server_default='', nullable=False),
    sa.Column('submitted_at', _TIME, nullable=True),
    sa.Column('asked_at', _TIME, nullable=True),
    sa.Column('queries', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('next_query_at', _TIME, nullable=True),
    sa.Column('channel_refund_id', sa.Text(), nullable=True),
    sa.Column('trouble', sa.Text(), server_default='', nullable=False),
    sa.Column('succeeded_at', _TIME, nullable=True),
    sa.Column('ended_at', _TIME, nullable=True),
    sa.CheckConstraint("(purpose = 'send_back') = (case_id IS NOT NULL)", name=op.f('ck_refunds_case_id')),
    sa.CheckConstraint("(status = 'succeeded') = (succeeded_at IS NOT NULL)", name=op.f('ck_refunds_succeeded_at')),
    sa.CheckConstraint("(status IN ('submitted', 'abnormal')) = (next_query_at IS NOT NULL)", name=op.f('ck_refunds_next_query_at')),
    sa.CheckConstraint("channel IN ('wechat', 'alipay')", name=op.f('ck_refunds_channel')),
    sa.CheckConstraint("purpose IN ('invoice', 'send_back')", name=op.f('ck_refunds_purpose')),
    sa.CheckConstraint("status IN ('requested', 'rejected', 'submitted', 'abnormal', 'succeeded', 'failed')", name=op.f('ck_refunds_status')),
    sa.CheckConstraint('amount_minor > 0', name=op.f('ck_refunds_amount_minor')),
    sa.CheckConstraint('fee_minor BETWEEN 0 AND amount_minor', name=op.f('ck_refunds_fee_minor')),
    sa.CheckConstraint('settlement_minor >= 0', name=op.f('ck_refunds_settlement_minor')),
    sa.CheckConstraint('tax_minor BETWEEN 0 AND amount_minor', name=op.f('ck_refunds_tax_minor')),
    sa.ForeignKeyConstraint(['merchant_id', 'case_id'], ['unallocated_payments.merchant_id', 'unallocated_payments.id'], name=op.f('fk_refunds_unallocated_payments')),
    sa.ForeignKeyConstraint(['merchant_id', 'invoice_id'], ['invoices.merchant_id', 'invoices.id'], name=op.f('fk_refunds_invoices')),
    sa.ForeignKeyConstraint(['merchant_id', 'payment_order_id'], ['payment_orders.merchant_id', 'payment_orders.id'], name=op.f('fk_refunds_payment_orders')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_refunds')),
    sa.UniqueConstraint('merchant_id', 'case_id', 'attempt', name='uq_refunds_case'),
    sa.UniqueConstraint('merchant_id', 'out_refund_no', name=op.f('uq_refunds_merchant_id_out_refund_no')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_refunds_invoice_id', 'refunds', ['merchant_id', 'invoice_id', 'id'])
    op.create_index('ix_refunds_next_query_at', 'refunds', ['merchant_id', 'next_query_at'], postgresql_where=sa.text('next_query_at IS NOT NULL'))
    op.create_index('ix_refunds_payment_order_id', 'refunds', ['merchant_id', 'payment_order_id', 'id'])
    op.create_index('ix_refunds_status', 'refunds', ['merchant_id', 'status', 'id'])


def add_disputes() -> None:
    op.create_table('disputes',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('invoice_id', sa.BigInteger(), nullable=False),
    sa.Column('payment_order_id', sa.BigInteger(), nullable=False),
    sa.Column('channel', sa.Enum('wechat', 'alipay', name='channelname', native_enum=False, length=32), nullable=False),
    sa.Column('channel_case_no', sa.Text(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('fee_minor', sa.BigInteger(), nullable=False),
    sa.Column('settlement_minor', sa.BigInteger(), nullable=False),
    sa.Column('settlement_currency', sa.Enum('CNY', 'USD', 'EUR', 'GBP', 'SGD', 'AUD', 'NZD', 'HKD', 'THB', 'JPY', 'KRW', 'VND', 'CLP', name='currency', native_enum=False, length=32), nullable=False),
    sa.Column('charge_minor', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('status', sa.Enum('open', 'won', 'lost', name='disputestatus', native_enum=False, length=32), nullable=False),
    sa.Column('opened_at', _TIME, nullable=False),
    sa.Column('opened_by', sa.Text(), nullable=False),
    sa.Column('closed_at', _TIME, nullable=True),
    sa.Column('closed_by', sa.Text(), server_default='', nullable=False),
    sa.CheckConstraint("(status = 'open') = (closed_at IS NULL)", name=op.f('ck_disputes_closed_at')),
    sa.CheckConstraint("channel IN ('wechat', 'alipay')", name=op.f('ck_disputes_channel')),
    sa.CheckConstraint("status IN ('open', 'won', 'lost')", name=op.f('ck_disputes_status')),
    sa.CheckConstraint('amount_minor > 0', name=op.f('ck_disputes_amount_minor')),
    sa.CheckConstraint('fee_minor BETWEEN 0 AND amount_minor', name=op.f('ck_disputes_fee_minor')),
    sa.CheckConstraint('settlement_minor >= 0 AND charge_minor >= 0', name=op.f('ck_disputes_settlement_minor')),
    sa.ForeignKeyConstraint(['merchant_id', 'invoice_id'], ['invoices.merchant_id', 'invoices.id'], name=op.f('fk_disputes_invoices')),
    sa.ForeignKeyConstraint(['merchant_id', 'payment_order_id'], ['payment_orders.merchant_id', 'payment_orders.id'], name=op.f('fk_disputes_payment_orders')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_disputes')),
    sa.UniqueConstraint('merchant_id', 'channel', 'channel_case_no', name='uq_disputes_case_no'),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_disputes_invoice_id', 'disputes', ['merchant_id', 'invoice_id', 'id'])
    op.create_index('ix_disputes_payment_order_id', 'disputes', ['merchant_id', 'payment_order_id', 'id'])
