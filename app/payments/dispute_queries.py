"""Reading disputes over all merchants, and finding the invoice that a channel's case is about."""

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.billing.models import Invoice
from app.core.errors import NotFound
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.payments.models import PaymentOrder
from app.payments.refund_models import Dispute, DisputeStatus


def find_disputed(session: Session, number: str) -> Invoice:
    """Return the invoice of this number, or whose payment has it: ours, or the channel's.

    Raises NotFound.
    """
    paid_by = select(PaymentOrder.invoice_id).where(
        PaymentOrder.merchant_id == Invoice.merchant_id,
        or_(PaymentOrder.out_trade_no == number, PaymentOrder.channel_txn_id == number),
    )
    wanted = select(Invoice).where(or_(Invoice.number == number.upper(), Invoice.id.in_(paid_by)))
    found = session.scalars(wanted.limit(1)).one_or_none()
    if found is None:
        raise NotFound("this merchant has no invoice and no payment of this number", path="number")
    return found


def list_all(
    reader: Session,
    *,
    status: DisputeStatus | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Dispute]:
    """Return the disputes of all merchants, newest first. Raises Invalid."""
    statement = select(Dispute).execution_options(platform=True)
    if status is not None:
        statement = statement.where(Dispute.status == status)
    return newest_first(reader, statement, Dispute.id, cursor=cursor, limit=limit)


def count_all(reader: Session) -> dict[DisputeStatus, int]:
    """Return how many disputes of all merchants stand in each status."""
    grouped = select(Dispute.status, func.count()).group_by(Dispute.status)
    found = reader.execute(grouped.execution_options(platform=True))
    return dict.fromkeys(DisputeStatus, 0) | dict(found.all())
