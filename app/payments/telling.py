"""Tell the merchant's server what became of an attempt to pay."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.core.ids import Prefix, show
from app.identity import clocks
from app.payments.models import PaymentOrder
from app.webhooks import emitting
from app.webhooks.catalogue import EventType
from app.webhooks.payloads import Amount, PaymentData, moment_or_none


def payload(order: PaymentOrder) -> PaymentData:
    """Return an attempt to pay as events tell of it."""
    return PaymentData(
        payment_order_id=show(Prefix.PAYMENT_ORDER, order.id),
        status=order.status.value,
        invoice_id=show(Prefix.INVOICE, order.invoice_id),
        channel=order.channel.value,
        method=order.method.value,
        amount=Amount.of(order.amount),
        channel_transaction_id=order.channel_txn_id,
        captured_at=moment_or_none(order.captured_at),
    )


def tell(session: Session, event_type: EventType, order: PaymentOrder, *, now: datetime) -> None:
    """Emit what became of a locked order, once for each type of event. `now` is real."""
    reference = show(Prefix.PAYMENT_ORDER, order.id)
    at = clocks.to_merchant(session, now)
    emitting.emit(session, event_type, payload(order), reference=reference, now=at)
