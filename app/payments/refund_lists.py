"""Lists of refunds: which are wanted, page by page, how many there are, and of which invoices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.billing.models import Invoice
from app.channels.base import ChannelName
from app.core import ids
from app.core.db import among
from app.core.errors import NotFound
from app.core.ids import Prefix
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.payments.refund_models import Dispute, Refund, RefundStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFilter:
    """Which refunds a list has. What is not given does not narrow it.

    They were asked for from `from_at` on and before `until_at`. `q` is a number in full: ours,
    the channel's, the invoice's, or the refund's id.
    """

    status: RefundStatus | None = None
    channel: ChannelName | None = None
    customer_id: int | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None
    q: str = ""


class About(NamedTuple):
    """The invoice that a row is about: its number, and whose it is."""

    number: str
    customer_id: int


def list_refunds(
    session: Session,
    wanted: RefundFilter,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Refund]:
    """Return one page of refunds, newest first. Raises Invalid and BadCursor."""
    statement = select(Refund).where(*_conditions(wanted))
    return newest_first(session, statement, Refund.id, cursor=cursor, limit=limit)


def counts(session: Session, wanted: RefundFilter) -> dict[RefundStatus, int]:
    """Return how many refunds stand in each status, whatever status is wanted."""
    conditions = _conditions(replace(wanted, status=None))
    grouped = select(Refund.status, func.count()).where(*conditions).group_by(Refund.status)
    return dict.fromkeys(RefundStatus, 0) | dict(session.execute(grouped).all())


def abouts(session: Session, rows: Iterable[Refund | Dispute]) -> Mapping[int, About]:
    """Return what the invoices of these rows are called, by their ids."""
    named = select(Invoice.id, Invoice.number, Invoice.customer_id).where(
        among(Invoice.id, {row.invoice_id for row in rows})
    )
    return {
        id_: About(number or "", customer_id) for id_, number, customer_id in session.execute(named)
    }


def _conditions(wanted: RefundFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        conditions.append(Refund.status == wanted.status)
    if wanted.channel is not None:
        conditions.append(Refund.channel == wanted.channel)
    if wanted.from_at is not None:
        conditions.append(Refund.created_at >= wanted.from_at)
    if wanted.until_at is not None:
        conditions.append(Refund.created_at < wanted.until_at)
    if wanted.customer_id is not None:
        conditions.append(_of_invoices(Invoice.customer_id == wanted.customer_id))
    if wanted.q:
        conditions.append(_named(wanted.q))
    return conditions


def _named(number: str) -> ColumnElement[bool]:
    try:
        id_ = ids.read(Prefix.REFUND, number)
    except NotFound:
        id_ = 0
    return or_(
        Refund.id == id_,
        Refund.out_refund_no == number,
        Refund.channel_refund_id == number,
        _of_invoices(Invoice.number == number.upper()),
    )


def _of_invoices(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return Refund.invoice_id.in_(
        select(Invoice.id).where(Invoice.merchant_id == Refund.merchant_id, condition)
    )
