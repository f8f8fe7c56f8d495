"""Reading disputes: which are wanted, page by page, of one merchant or of all; and their invoice.

What reads all merchants is asked by the login that may.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from app.billing.models import Invoice
from app.channels.base import ChannelName
from app.core import ids
from app.core.errors import NotFound
from app.core.ids import Prefix
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.payments.models import PaymentOrder
from app.payments.refund_models import Dispute, DisputeStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFilter:
    """Which disputes a list has. What is not given does not narrow it.

    They were opened from `from_at` on and before `until_at`. `q` is a number in full: the
    channel's of the case, the invoice's, or the dispute's id. `merchant_id` narrows what reads
    all merchants.
    """

    merchant_id: int | None = None
    invoice_id: int | None = None
    status: DisputeStatus | None = None
    channel: ChannelName | None = None
    customer_id: int | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None
    q: str = ""


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


def list_disputes(
    session: Session,
    wanted: DisputeFilter,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Dispute]:
    """Return one page of the merchant's disputes, newest first. Raises Invalid and BadCursor."""
    return newest_first(session, _wanted(wanted), Dispute.id, cursor=cursor, limit=limit)


def list_all(
    reader: Session,
    wanted: DisputeFilter,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Dispute]:
    """Return one page of the disputes of all merchants. Raises Invalid and BadCursor."""
    anywhere = _wanted(wanted).execution_options(platform=True)
    return newest_first(reader, anywhere, Dispute.id, cursor=cursor, limit=limit)


def counts(session: Session, wanted: DisputeFilter) -> dict[DisputeStatus, int]:
    """Return how many disputes of the merchant stand in each status, whatever one is wanted."""
    return dict.fromkeys(DisputeStatus, 0) | dict(session.execute(_counted(wanted)).all())


def count_all(reader: Session, wanted: DisputeFilter) -> dict[DisputeStatus, int]:
    """Return how many of all merchants stand in each status, whatever one is wanted."""
    found = reader.execute(_counted(wanted).execution_options(platform=True))
    return dict.fromkeys(DisputeStatus, 0) | dict(found.all())


def _wanted(wanted: DisputeFilter) -> Select[Dispute]:
    return select(Dispute).where(*_conditions(wanted))


def _counted(wanted: DisputeFilter) -> Select[DisputeStatus, int]:
    conditions = _conditions(replace(wanted, status=None))
    return select(Dispute.status, func.count()).where(*conditions).group_by(Dispute.status)


def _conditions(wanted: DisputeFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.merchant_id is not None:
        conditions.append(Dispute.merchant_id == wanted.merchant_id)
    if wanted.invoice_id is not None:
        conditions.append(Dispute.invoice_id == wanted.invoice_id)
    if wanted.status is not None:
        conditions.append(Dispute.status == wanted.status)
    if wanted.channel is not None:
        conditions.append(Dispute.channel == wanted.channel)
    if wanted.from_at is not None:
        conditions.append(Dispute.opened_at >= wanted.from_at)
    if wanted.until_at is not None:
        conditions.append(Dispute.opened_at < wanted.until_at)
    if wanted.customer_id is not None:
        conditions.append(_of_invoices(Invoice.customer_id == wanted.customer_id))
    if wanted.q:
        conditions.append(_named(wanted.q))
    return conditions


def _named(number: str) -> ColumnElement[bool]:
    try:
        id_ = ids.read(Prefix.DISPUTE, number)
    except NotFound:
        id_ = 0
    return or_(
        Dispute.id == id_,
        Dispute.channel_case_no == number,
        _of_invoices(Invoice.number == number.upper()),
    )


def _of_invoices(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return Dispute.invoice_id.in_(
        select(Invoice.id).where(Invoice.merchant_id == Dispute.merchant_id, condition)
    )
