"""Pay from any device: every method, what it has to know of the payer, and both clocks."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from migrations.guards import WRITERS, without_guard

revision: str = '0014'
down_revision: str | None = '0013'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)
_METHODS = "method IN ('native', 'jsapi', 'h5', 'precreate', 'page', 'wap')"
_OPEN = "status IN ('created', 'pending')"


def upgrade() -> None:
    extend_payments()
    note_the_clocks()
    keep_one_open_order_a_way()
    note_what_was_booked()


def extend_payments() -> None:
    op.alter_column('payment_orders', 'qr_payload', new_column_name='payload')
    op.add_column('payment_orders', sa.Column('payload_at', _TIME, nullable=True))
    for name in ('payer_ip', 'openid', 'return_url'):
        op.add_column('payment_orders', sa.Column(name, sa.Text(), server_default='', nullable=False))
    op.add_column('payment_orders', sa.Column('raw_state', sa.Text(), server_default='', nullable=False))
    op.add_column('payment_orders', sa.Column('credited_at', _TIME, nullable=True))
    op.drop_constraint(op.f('ck_payment_orders_method'), 'payment_orders')
    op.create_check_constraint(op.f('ck_payment_orders_method'), 'payment_orders', _METHODS)
    op.create_check_constraint(op.f('ck_payment_orders_payer'), 'payment_orders', f"{_OPEN} OR (payer_ip = '' AND openid = '')")


def note_the_clocks() -> None:
    """Say of what was captured before when it was credited: no later than the channel said, roughly."""
    without_guard('payment_orders', "UPDATE payment_orders SET credited_at = captured_at WHERE status = 'captured'")
    without_guard('payment_orders', 'UPDATE payment_orders SET payload_at = created_at WHERE payload IS NOT NULL')
    op.create_check_constraint(op.f('ck_payment_orders_credited_at'), 'payment_orders', "(status = 'captured') = (credited_at IS NOT NULL)")
    op.create_check_constraint(op.f('ck_payment_orders_payload_at'), 'payment_orders', '(payload IS NULL) = (payload_at IS NULL)')


def keep_one_open_order_a_way() -> None:
    """Close the older ones of two, should there be any: money that still comes for them is booked."""
    older = (
        f"UPDATE payment_orders SET status = 'closed' WHERE {_OPEN} AND EXISTS (SELECT FROM payment_orders newer "
        "WHERE newer.merchant_id = payment_orders.merchant_id AND newer.invoice_id = payment_orders.invoice_id "
        "AND newer.channel = payment_orders.channel AND newer.method = payment_orders.method "
        f"AND newer.id > payment_orders.id AND newer.{_OPEN})"
    )
    without_guard('payment_orders', older)
    op.create_index('uq_payment_orders_open', 'payment_orders', ['merchant_id', 'invoice_id', 'channel', 'method'], unique=True, postgresql_where=sa.text(_OPEN))


def note_what_was_booked() -> None:
    op.add_column('channel_callbacks', sa.Column('booked_at', _TIME, nullable=True))
    op.execute('UPDATE channel_callbacks SET booked_at = received_at')  # nobody noted it before
    op.create_index('ix_channel_callbacks_unbooked', 'channel_callbacks', ['received_at'], postgresql_where=sa.text('booked_at IS NULL'))
    op.execute(f"GRANT UPDATE (booked_at) ON channel_callbacks TO {', '.join(WRITERS)}")
