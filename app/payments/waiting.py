"""Refunds of all merchants that wait for the platform to approve them."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from app.billing.models import Invoice
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.payments.platform_filter import EVERYTHING, PlatformFilter
from app.payments.refund_models import Refund, RefundStatus


class Waiting(NamedTuple):
    """A refund that waits, and the number of its invoice."""

    refund: Refund
    invoice_number: str


def list_all_waiting(
    reader: Session,
    wanted: PlatformFilter = EVERYTHING,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Waiting]:
    """Return one page of them, newest first. Raises Invalid and BadCursor."""
    waits = Refund.status == RefundStatus.REQUESTED
    statement = select(Refund).where(waits, *wanted.of(Refund)).execution_options(platform=True)
    found = newest_first(reader, statement, Refund.id, cursor=cursor, limit=limit)
    numbers = _numbers(reader, found.rows)
    return found.map(lambda refund: Waiting(refund, numbers[refund.merchant_id, refund.invoice_id]))


def count_all_waiting(reader: Session) -> int:
    """Return how many wait."""
    number = select(func.count()).select_from(Refund).where(Refund.status == RefundStatus.REQUESTED)
    return reader.scalar(number.execution_options(platform=True)) or 0


def _numbers(reader: Session, refunds: Sequence[Refund]) -> dict[tuple[int, int], str]:
    keys = {(refund.merchant_id, refund.invoice_id) for refund in refunds}
    wanted = select(Invoice.merchant_id, Invoice.id, Invoice.number).where(
        tuple_(Invoice.merchant_id, Invoice.id).in_(keys)
    )
    rows = reader.execute(wanted.execution_options(platform=True))
    return {(merchant_id, id_): number or "" for merchant_id, id_, number in rows}
