"""Limit payments, freeze merchants, and keep what was refused."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from migrations.guards import shared, tenant

revision: str = '0015'
down_revision: str | None = '0014'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)
_RULE = sa.Enum('daily_amount', 'payments_per_minute', 'payments_per_hour', 'customer_daily_amount', 'customer_per_minute', 'customer_per_hour', 'payer_per_minute', 'payer_per_hour', 'wechat_payment', 'wechat_daily', 'alipay_payment', 'alipay_daily', 'refund_amount', 'refunds_per_day', 'frozen', name='rule', native_enum=False, length=32)


def upgrade() -> None:
    add_limits()
    add_reservations()
    add_freezes()
    shared('risk_limits', grants='SELECT, INSERT, UPDATE, DELETE')
    tenant('risk_counters', grants='SELECT, INSERT, UPDATE, DELETE')
    tenant('risk_reservations')
    tenant('risk_freezes')
    tenant('risk_hits', grants='SELECT, INSERT')


def add_limits() -> None:
    op.create_table('risk_limits',
    sa.Column('for_merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('rule', _RULE, nullable=False),
    sa.Column('maximum', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('maximum >= 0', name=op.f('ck_risk_limits_maximum')),
    sa.PrimaryKeyConstraint('for_merchant_id', 'rule', name=op.f('pk_risk_limits')),
    info={'scale': 'reference'}
    )
    op.create_table('risk_counters',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('rule', _RULE, nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('window_at', _TIME, nullable=False),
    sa.Column('used', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('used >= 0', name=op.f('ck_risk_counters_used')),
    sa.PrimaryKeyConstraint('merchant_id', 'rule', 'subject', 'window_at', name=op.f('pk_risk_counters')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_risk_counters_window_at', 'risk_counters', ['merchant_id', 'window_at'])


def add_reservations() -> None:
    op.create_table('risk_reservations',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('payment_order_id', sa.BigInteger(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('day_at', _TIME, nullable=False),
    sa.Column('status', sa.Enum('reserved', 'released', 'settled', name='reservationstatus', native_enum=False, length=32), nullable=False),
    sa.CheckConstraint("status IN ('reserved', 'released', 'settled')", name=op.f('ck_risk_reservations_status')),
    sa.CheckConstraint('amount_minor > 0', name=op.f('ck_risk_reservations_amount_minor')),
    sa.PrimaryKeyConstraint('merchant_id', 'payment_order_id', name=op.f('pk_risk_reservations')),
    info={'scale': 'tenant'}
    )


def add_freezes() -> None:
    op.create_table('risk_freezes',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('switch', sa.Enum('checkout', 'payouts', 'refunds', name='switch', native_enum=False, length=32), nullable=False),
    sa.Column('frozen_at', _TIME, nullable=True),
    sa.Column('frozen_by', sa.Text(), server_default=sa.text("''"), nullable=False),
    sa.Column('reason', sa.Text(), server_default=sa.text("''"), nullable=False),
    sa.CheckConstraint("switch IN ('checkout', 'payouts', 'refunds')", name=op.f('ck_risk_freezes_switch')),
    sa.CheckConstraint("(frozen_at IS NULL) = (reason = '')", name=op.f('ck_risk_freezes_reason')),
    sa.PrimaryKeyConstraint('merchant_id', 'switch', name=op.f('pk_risk_freezes')),
    info={'scale': 'tenant'}
    )
    op.create_table('risk_hits',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('rule', _RULE, nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('maximum', sa.BigInteger(), nullable=True),
    sa.Column('at', _TIME, nullable=False),
    sa.CheckConstraint('amount_minor > 0', name=op.f('ck_risk_hits_amount_minor')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_risk_hits')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_risk_hits_rule', 'risk_hits', ['merchant_id', 'rule', 'id'])
