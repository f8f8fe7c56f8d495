"""What left again counts on the day it left: refunds that arrived, and what disputes withdrew."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.channels.base import RefundState
from app.core.money import Currency, Money
from app.identity import clocks
from app.payments import disputes, refund_moves
from app.payments.disputes import Complaint
from app.payments.returned import Returned, returned_by_day
from tests.make import NOON, cny
from tests.payments.backing import WEI, answer, ask_back, paid_invoice
from tests.payments.builders import LATER

SHANGHAI = ZoneInfo("Asia/Shanghai")
A_WEEK = timedelta(days=7)


def usd(minor: int) -> Money:
    return Money(minor, Currency.USD)


def left(session: Session, day: datetime = NOON) -> list[Returned]:
    """Return what left on the local day of a time and in the fortnight after it."""
    first = day.astimezone(SHANGHAI).date()
    return returned_by_day(
        session, first_day=first, end_day=first + timedelta(days=15), zone=SHANGHAI
    )


def test_a_refund_counts_when_it_arrived(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    refund = ask_back(session, invoice, cny(30_000))
    assert left(session) == []

    refund_moves.record(session, refund.id, answer(refund), now=LATER)

    assert left(session) == [Returned(date(2026, 6, 2), cny(30_000), usd(4_063))]


def test_a_refund_that_failed_does_not(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    refund = ask_back(session, invoice)

    refund_moves.record(session, refund.id, answer(refund, RefundState.FAILED), now=LATER)

    assert left(session) == []


def test_its_day_is_the_merchants_whose_clock_may_run_ahead(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    refund = ask_back(session, invoice, cny(30_000))
    refund_moves.record(session, refund.id, answer(refund), now=LATER)

    clocks.get_merchant(session).clock_offset = A_WEEK
    session.flush()  # read as rows

    assert [row.day for row in left(session)] == [date(2026, 6, 9)]


def test_a_dispute_leaves_at_once_and_comes_back_when_it_is_won(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    complaint = Complaint("case 1", cny(30_000), "not delivered", usd(1_500))

    dispute = disputes.open_dispute(session, invoice.id, complaint, actor=WEI, now=NOON)
    disputes.close_dispute(session, dispute.id, is_won=True, actor=WEI, now=NOON + A_WEEK)

    assert left(session) == [
        Returned(date(2026, 6, 2), cny(30_000), usd(5_563)),  # its charge is not given back
        Returned(date(2026, 6, 9), cny(-30_000), usd(-4_063)),
    ]


def test_a_lost_dispute_stays_gone(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    complaint = Complaint("case 1", cny(90_533), "not delivered")

    dispute = disputes.open_dispute(session, invoice.id, complaint, actor=WEI, now=NOON)
    disputes.close_dispute(session, dispute.id, is_won=False, actor=WEI, now=NOON + A_WEEK)

    assert left(session) == [Returned(date(2026, 6, 2), cny(90_533), usd(12_262))]
