"""Cases of money that paid nothing, as the platform's operators close them; and stuck refunds."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.audit import recording
from app.audit.recording import Actor, Change
from app.billing import collection
from app.core import db, ids
from app.core.errors import Conflict
from app.core.ids import Prefix
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.core.text import clean_name
from app.payments import queries, refund_queries, refunds
from app.payments.models import CASE, CaseEvent, CaseStatus, UnallocatedPayment
from app.payments.platform_filter import EVERYTHING, PlatformFilter
from app.payments.refund_models import UNDER_WAY, Refund, RefundStatus

# Under way, by the index that has only those.
_STUCK = (Refund.next_query_at.is_not(None), Refund.trouble != "")


class CaseUnderWay(Conflict):
    """The money is on its way back to who had sent it."""

    code = "case_under_way"


class Waiting(NamedTuple):
    """How many open cases there are, and how many refunds that are stuck."""

    cases: int
    stuck: int


def send_back_again(session: Session, case_id: int, *, actor: Actor, now: datetime) -> Refund:
    """Send the money of an open case back, under a number of its own at the channel.

    Locks the invoice, the order and the case. Raises NotFound and NotRefundable.
    """
    case = _lock(session, case_id)
    refund = refunds.send_back(session, case, actor=actor, now=now)
    after = {"refund": ids.show(Prefix.REFUND, refund.id)}
    _audit(session, case_id, "case.sent_back", after=after, actor=actor, now=now)
    return refund


def keep(
    session: Session, case_id: int, *, note: str, actor: Actor, now: datetime
) -> UnallocatedPayment:
    """Close an open case without sending its money back; `note` says what became of it.

    Nothing is posted: the money stays aside in the books. Locks the invoice, the order and the
    case. Raises NotFound, InvalidText, IllegalMove and CaseUnderWay.
    """
    said = clean_name(note, path="note")
    case = _lock(session, case_id)
    tries = refund_queries.list_of_case(session, case.id)
    if tries and tries[-1].status in UNDER_WAY:
        raise CaseUnderWay("this money is on its way back already")
    case.status = CASE.after(case.status, CaseEvent.KEEP)
    case.note, case.closed_at = said, now
    after = {"status": case.status.value, "note": case.note}
    _audit(session, case_id, "case.kept", after=after, actor=actor, now=now)
    return case


def count_all(reader: Session, wanted: PlatformFilter = EVERYTHING) -> Waiting:
    """Return how much of what is wanted waits."""
    is_open = UnallocatedPayment.status == CaseStatus.OPEN
    open_cases = select(func.count()).where(is_open, *wanted.of(UnallocatedPayment))
    stuck = select(func.count()).where(*_STUCK, *wanted.of(Refund))
    found = [
        reader.scalar(counted.execution_options(platform=True)) for counted in (open_cases, stuck)
    ]
    return Waiting(found[0] or 0, found[1] or 0)


def list_open(session: Session) -> Sequence[UnallocatedPayment]:
    """Return the open cases of the session's merchant, the oldest first."""
    return session.scalars(
        select(UnallocatedPayment)
        .where(UnallocatedPayment.status == CaseStatus.OPEN)
        .order_by(UnallocatedPayment.id)
    ).all()


def list_all_open(
    reader: Session,
    wanted: PlatformFilter = EVERYTHING,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[UnallocatedPayment]:
    """Return the open cases over all merchants, newest first. Raises Invalid."""
    is_open = UnallocatedPayment.status == CaseStatus.OPEN
    statement = select(UnallocatedPayment).where(is_open, *wanted.of(UnallocatedPayment))
    anywhere = statement.execution_options(platform=True)
    return newest_first(reader, anywhere, UnallocatedPayment.id, cursor=cursor, limit=limit)


def list_all_stuck(
    reader: Session,
    wanted: PlatformFilter = EVERYTHING,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Refund]:
    """Return the refunds over all merchants that wait for somebody to act. Raises Invalid.

    Those are abnormal at their channel, or our account there holds too little for them.
    """
    statement = select(Refund).where(*_STUCK, *wanted.of(Refund))
    anywhere = statement.execution_options(platform=True)
    return newest_first(reader, anywhere, Refund.id, cursor=cursor, limit=limit)


def last_tries(reader: Session, case_ids: Collection[int]) -> dict[int, Refund]:
    """Return the newest attempt to send back the money of each case that has one."""
    found = reader.scalars(
        select(Refund)
        .where(Refund.case_id.in_(case_ids))
        .order_by(Refund.attempt)
        .execution_options(platform=True)
    )
    return {refund.case_id: refund for refund in found if refund.case_id is not None}


def can_be_tried(case: UnallocatedPayment, last: Refund | None) -> bool:
    """Tell whether the money of a case can be sent back now."""
    is_free = last is None or last.status is RefundStatus.FAILED
    return is_free and refunds.can_be_sent_back(case)


def _lock(session: Session, case_id: int) -> UnallocatedPayment:
    found = db.get(session, UnallocatedPayment, case_id, noun="case")
    order = queries.get_order(session, found.payment_order_id)
    collection.lock_invoice(session, order.invoice_id)
    queries.lock_order(session, order.id)
    return db.get_locked(session, UnallocatedPayment, case_id, noun="case")


def _audit(
    session: Session,
    case_id: int,
    action: str,
    *,
    after: dict[str, str],
    actor: Actor,
    now: datetime,
) -> None:
    subject, change = ids.show(Prefix.CASE, case_id), Change({}, after)
    recording.record(session, actor, action, subject=subject, change=change, now=now)
