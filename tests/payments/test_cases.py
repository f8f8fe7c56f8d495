"""The money of a case goes back once, or is kept with a note, whoever is at it with whom."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.audit.models import AuditEntry
from app.channels.base import ChannelName, RefundState
from app.core.db import begin
from app.core.errors import Refusal
from app.core.ids import Prefix, show
from app.core.states import IllegalMove
from app.core.text import InvalidText
from app.ledger.queries import unbalanced
from app.payments import cases, refund_moves
from app.payments.capture import record_capture
from app.payments.cases import CaseUnderWay
from app.payments.models import CaseStatus, UnallocatedPayment
from app.payments.refund_models import Refund, RefundStatus
from app.payments.refunds import NotRefundable
from tests.make import NOON, Make, cny
from tests.payments.backing import WEI, answer
from tests.payments.builders import LATER, books, issue, order_for, paid

OWED = {"merchant_uncollected CNY": -90_533, "receivable CNY": 90_533}
"""What the books have of the invoice, which is still open."""


def put_aside(session: Session) -> UnallocatedPayment:
    """Have 1 CNY come where 905.33 were asked for."""
    order = order_for(session, issue(session))
    record_capture(session, paid(order, cny(100)), channel=ChannelName.WECHAT, now=NOON)
    return session.scalars(select(UnallocatedPayment)).one()


def test_it_is_sent_back_again_after_a_failure(session: Session) -> None:
    case = put_aside(session)
    first = cases.send_back_again(session, case.id, actor=WEI, now=LATER)
    refund_moves.record(session, first.id, answer(first, RefundState.FAILED), now=LATER)

    second = cases.send_back_again(session, case.id, actor=WEI, now=LATER)
    refund_moves.record(session, second.id, answer(second), now=LATER)

    assert first.out_refund_no != second.out_refund_no
    assert case.status is CaseStatus.RETURNED
    assert books(session) == OWED
    assert unbalanced(session) == []


def test_what_is_on_its_way_is_neither_sent_twice_nor_kept(session: Session) -> None:
    case = put_aside(session)
    cases.send_back_again(session, case.id, actor=WEI, now=LATER)

    with pytest.raises(NotRefundable):
        cases.send_back_again(session, case.id, actor=WEI, now=LATER)
    with pytest.raises(CaseUnderWay):
        cases.keep(session, case.id, note="Agreed", actor=WEI, now=LATER)


def test_what_is_kept_stays_aside_with_a_note_and_a_name(session: Session) -> None:
    case = put_aside(session)

    cases.keep(session, case.id, note="按约定抵扣", actor=WEI, now=LATER)

    assert (case.status, case.note, case.closed_at) == (CaseStatus.KEPT, "按约定抵扣", LATER)
    assert books(session) == OWED | {
        "channel_clearing/wechat CNY": 100,
        "unallocated_payments CNY": -100,
    }
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.actor_name) == ("case.kept", "wei@lumen.example")
    assert entry.subject == show(Prefix.CASE, case.id)
    assert cases.list_open(session) == []
    with pytest.raises(IllegalMove):
        cases.keep(session, case.id, note="Again", actor=WEI, now=LATER)
    with pytest.raises(NotRefundable):
        cases.send_back_again(session, case.id, actor=WEI, now=LATER)


def test_what_was_kept_and_came_back_to_its_payer_after_all_is_returned(session: Session) -> None:
    case = put_aside(session)
    refund = cases.send_back_again(session, case.id, actor=WEI, now=LATER)
    refund_moves.record(session, refund.id, answer(refund, RefundState.FAILED), now=LATER)
    cases.keep(session, case.id, note="按约定抵扣", actor=WEI, now=LATER)

    for _ in range(2):  # channels say things twice
        refund_moves.record(session, refund.id, answer(refund), now=LATER)

    assert (case.status, case.note) == (CaseStatus.RETURNED, "按约定抵扣")
    assert refund.status is RefundStatus.SUCCEEDED
    assert books(session) == OWED
    assert unbalanced(session) == []


def test_nothing_is_kept_without_a_reason(session: Session) -> None:
    case = put_aside(session)

    with pytest.raises(InvalidText):
        cases.keep(session, case.id, note=" ", actor=WEI, now=LATER)

    assert case.status is CaseStatus.OPEN


def test_eight_operators_send_it_back_once(engine: Engine) -> None:
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        Make(session).merchant()
        case_id = put_aside(session).id

    def act(number: int) -> bool:
        try:
            with begin(engine, merchant_id) as session:
                if number % 2:
                    cases.send_back_again(session, case_id, actor=WEI, now=LATER)
                else:
                    cases.keep(session, case_id, note="Agreed", actor=WEI, now=LATER)
        except Refusal:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(act, range(8)))

    assert sum(outcomes) == 1
    with begin(engine, merchant_id) as session:
        kept = session.scalars(select(UnallocatedPayment)).one().status is CaseStatus.KEPT
        assert len(session.scalars(select(Refund)).all()) == (0 if kept else 1)
