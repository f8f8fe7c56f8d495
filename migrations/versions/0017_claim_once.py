"""Keep with the invoice what of its money goes or went back; let a failed refund be asked about."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from migrations.guards import without_guard

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_CLAIMS = """
UPDATE invoices
   SET claimed_minor = paying.refunded_minor + paying.disputed_minor
  FROM payment_orders AS paying
 WHERE paying.merchant_id = invoices.merchant_id AND paying.invoice_id = invoices.id
   AND paying.status = 'captured' AND paying.captured_minor = invoices.due_minor
   AND NOT EXISTS (
       SELECT FROM unallocated_payments AS aside
        WHERE aside.merchant_id = paying.merchant_id AND aside.payment_order_id = paying.id
           AND aside.channel_txn_id = paying.channel_txn_id)
"""
_NEXT_QUERY = (
    "status = 'failed' OR (status IN ('submitted', 'abnormal')) = (next_query_at IS NOT NULL)"
)


def upgrade() -> None:
    op.add_column(
        "invoices",
        sa.Column("claimed_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    without_guard("invoices", _CLAIMS, "payment_orders", "unallocated_payments")
    op.create_check_constraint(
        op.f("ck_invoices_claimed_minor"),
        "invoices",
        "claimed_minor BETWEEN refunded_minor AND due_minor "
        "AND claimed_minor + credited_minor <= collection_minor",
    )
    op.drop_constraint(op.f("ck_refunds_next_query_at"), "refunds")
    op.create_check_constraint(op.f("ck_refunds_next_query_at"), "refunds", _NEXT_QUERY)
