"""Of a payment goes back what is left of it, once; the books follow each word of the channel."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.audit.models import AuditEntry
from app.billing import collection
from app.billing.models import InvoiceStatus
from app.channels.base import ChannelName, RefundState
from app.core.db import begin
from app.core.errors import Conflict, Refusal
from app.core.money import Currency, Money
from app.core.outbox import OutboxJob
from app.core.states import IllegalMove
from app.ledger.queries import unbalanced
from app.payments import cases, queries, refund_moves, refund_queries
from app.payments.capture import record_capture
from app.payments.models import CaseStatus
from app.payments.refund_amounts import BadRefund, RefundTooLarge
from app.payments.refund_models import RefundPurpose, RefundStatus
from app.payments.refunds import (
    NotRefundable,
    RefundRequest,
    RefundWindowOver,
    TooManyRefunds,
    approve,
    reject,
    request_refund,
    send_back,
    work_out,
)
from app.risk import freezes
from app.risk.models import Switch
from app.webhooks.models import WebhookEvent
from tests.make import NOON, Make, cny
from tests.payments.backing import WEI, answer, ask_back, paid_invoice
from tests.payments.builders import LATER, books, issue, order_for, paid

PAID = {
    "channel_clearing/wechat CNY": 90_533,
    "platform_fee_revenue CNY": -2_716,
    "fx_clearing CNY": -87_817,
    "fx_clearing USD": 12_262,
    "merchant_payable USD": -12_262,
}


def events(session: Session) -> list[str]:
    session.flush()
    found = session.scalars(select(WebhookEvent).order_by(WebhookEvent.id))
    return [event.event_type.value for event in found]


def test_a_refund_is_set_aside_and_its_channel_owed_a_word(session: Session) -> None:
    invoice, order = paid_invoice(session)

    refund = ask_back(session, invoice, cny(30_000))

    assert refund.status is RefundStatus.SUBMITTED
    assert (refund.fee, refund.settlement) == (cny(900), Money(4_063, Currency.USD))
    assert order.refunded_minor == 30_000
    assert invoice.status is InvoiceStatus.PAID
    assert books(session) == {
        "channel_clearing/wechat CNY": 90_533,
        "platform_fee_revenue CNY": -1_816,
        "refund_in_transit CNY": -30_000,
        "fx_clearing CNY": -58_717,
        "fx_clearing USD": 8_199,
        "merchant_payable USD": -8_199,
    }
    owed = session.scalars(select(OutboxJob.task)).all()
    assert "jobs.refunds.settle" in owed
    assert events(session) == ["invoice.paid", "payment.succeeded", "refund.created"]


def test_the_channels_word_makes_it_a_refund(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    refund = ask_back(session, invoice, cny(30_000))

    refund_moves.record(session, refund.id, answer(refund), now=NOON)

    assert refund.status is RefundStatus.SUCCEEDED
    assert (refund.succeeded_at, refund.next_query_at) == (LATER, None)
    assert invoice.status is InvoiceStatus.PARTIALLY_REFUNDED
    assert invoice.refunded_minor == 30_000
    assert books(session)["channel_clearing/wechat CNY"] == 60_533
    assert "refund_in_transit CNY" not in books(session)
    assert events(session)[3:] == ["invoice.refunded", "refund.succeeded"]


def test_the_same_word_again_changes_nothing(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    refund = ask_back(session, invoice, cny(30_000))
    refund_moves.record(session, refund.id, answer(refund), now=NOON)
    before, told = books(session), events(session)

    for state in RefundState:
        refund_moves.record(session, refund.id, answer(refund, state), now=NOON)

    assert (books(session), events(session)) == (before, told)
    assert refund.status is RefundStatus.SUCCEEDED


def test_all_parts_of_a_refund_restore_every_account_to_zero(session: Session) -> None:
    invoice, order = paid_invoice(session)

    for amount in (cny(33_333), cny(1), None):
        refund = ask_back(session, invoice, amount)
        refund_moves.record(session, refund.id, answer(refund), now=NOON)

    assert invoice.status is InvoiceStatus.REFUNDED
    assert order.refunded_minor == 90_533
    assert books(session) == {}


def test_a_refund_that_fails_leaves_the_books_as_they_were(session: Session) -> None:
    invoice, order = paid_invoice(session)
    refund = ask_back(session, invoice)

    refund_moves.record(session, refund.id, answer(refund, RefundState.FAILED), now=NOON)

    assert refund.status is RefundStatus.FAILED
    assert (order.refunded_minor, refund.trouble) == (0, "FAILED")
    assert invoice.status is InvoiceStatus.PAID
    assert books(session) == PAID
    assert events(session)[3:] == ["refund.failed"]


def test_money_that_left_after_all_is_booked(session: Session) -> None:
    invoice, order = paid_invoice(session)
    refund = ask_back(session, invoice)
    refund_moves.record_refusal(session, refund.id, "SYSTEM", now=NOON)

    refund_moves.record(session, refund.id, answer(refund), now=NOON)

    assert refund.status is RefundStatus.SUCCEEDED
    assert invoice.status is InvoiceStatus.REFUNDED
    assert (books(session), order.refunded_minor) == ({}, 90_533)


def test_money_that_left_after_all_waits_for_what_was_asked_for_since(session: Session) -> None:
    invoice, order = paid_invoice(session)
    first = ask_back(session, invoice)
    refund_moves.record_refusal(session, first.id, "SYSTEM", now=NOON)
    second = ask_back(session, invoice)

    refund_moves.record(session, first.id, answer(first), now=NOON)

    assert (first.status, order.refunded_minor) == (RefundStatus.FAILED, 90_533)
    assert first.trouble
    assert first in cases.list_all_stuck(session).rows
    assert first in refund_queries.lock_due(session, now=LATER + timedelta(days=999), limit=9)

    refund_moves.record_refusal(session, second.id, "NOT_ENOUGH", now=NOON)
    refund_moves.record(session, first.id, answer(first), now=NOON)

    assert (first.status, first.next_query_at) == (RefundStatus.SUCCEEDED, None)
    assert (invoice.status, books(session)) == (InvoiceStatus.REFUNDED, {})


def test_a_channel_that_takes_its_word_back_is_asked_no_more(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    first = ask_back(session, invoice)
    refund_moves.record_refusal(session, first.id, "SYSTEM", now=NOON)
    ask_back(session, invoice)
    refund_moves.record(session, first.id, answer(first), now=NOON)

    refund_moves.record(session, first.id, answer(first, RefundState.FAILED), now=NOON)

    assert first.next_query_at is None


def test_an_account_that_takes_nothing_waits_for_somebody(session: Session) -> None:
    invoice, order = paid_invoice(session)
    refund = ask_back(session, invoice)

    refund_moves.record(session, refund.id, answer(refund, RefundState.ABNORMAL), now=NOON)

    assert refund.status is RefundStatus.ABNORMAL
    assert order.refunded_minor == 90_533
    assert refund.next_query_at is not None  # and the channel is asked on


def test_another_amount_than_was_asked_for_waits_for_somebody(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    refund = ask_back(session, invoice, cny(500))

    refund_moves.record(session, refund.id, answer(refund, amount=cny(499)), now=NOON)

    assert refund.status is RefundStatus.ABNORMAL
    assert invoice.refunded_minor == 0


def test_what_is_under_way_counts(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    ask_back(session, invoice, cny(90_000))

    with pytest.raises(RefundTooLarge, match=r"5\.33"):
        ask_back(session, invoice, cny(534))


def test_what_a_credit_note_gave_to_the_balance_can_not_go_back_as_money(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    invoice.credited_minor = 40_533

    preview = work_out(session, invoice, RefundRequest("x"), now=LATER)

    assert preview.left == cny(50_000)


@pytest.mark.parametrize("amount", [cny(0), cny(-5)])
def test_a_refund_of_nothing_is_refused(session: Session, amount: Money) -> None:
    invoice, _ = paid_invoice(session)

    with pytest.raises(BadRefund):
        ask_back(session, invoice, amount)


def test_an_unpaid_invoice_has_nothing_to_refund(session: Session) -> None:
    with pytest.raises(NotRefundable):
        ask_back(session, issue(session))


def test_an_invoice_that_its_balance_paid_has_no_money_to_refund(session: Session) -> None:
    invoice = issue(session)
    collection.mark_paid(session, invoice, now=NOON)

    with pytest.raises(NotRefundable):
        ask_back(session, invoice)


def test_after_the_window_nothing_goes_back(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    request, last = RefundRequest("too late"), NOON + timedelta(days=180)

    assert work_out(session, invoice, request, now=last).window_ends_at == last
    with pytest.raises(RefundWindowOver):
        work_out(session, invoice, request, now=last + timedelta(seconds=1))


def test_a_channel_pays_back_in_fifty_parts_at_most(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    for _ in range(50):
        ask_back(session, invoice, cny(1))

    with pytest.raises(TooManyRefunds):
        ask_back(session, invoice, cny(1))


@pytest.mark.parametrize(
    "lines", [{1: cny(400)}, {1: cny(300), 2: cny(200)}, {99: cny(500)}, {1: cny(0)}]
)
def test_lines_that_do_not_fit_are_refused(session: Session, lines: dict[int, Money]) -> None:
    invoice, _ = paid_invoice(session)
    request = RefundRequest("x", cny(500), lines)

    with pytest.raises(BadRefund):
        request_refund(session, invoice.id, request, actor=WEI, now=LATER)


def test_a_refund_that_must_be_approved_moves_nothing_before(session: Session) -> None:
    invoice, order = paid_invoice(session)
    request = RefundRequest("large")
    freezes.freeze(session, Switch.REFUNDS, reason="a look", actor=WEI, now=LATER)
    refund = request_refund(session, invoice.id, request, actor=WEI, now=LATER)

    assert (refund.status, order.refunded_minor) == (RefundStatus.REQUESTED, 90_533)
    assert books(session) == PAID

    approve(session, refund.id, actor=WEI, now=LATER)
    assert books(session)["refund_in_transit CNY"] == -90_533
    assert approve(session, refund.id, actor=WEI, now=LATER).status is RefundStatus.SUBMITTED


def test_a_rejected_refund_frees_its_money(session: Session) -> None:
    invoice, order = paid_invoice(session)
    request = RefundRequest("large")
    freezes.freeze(session, Switch.REFUNDS, reason="a look", actor=WEI, now=LATER)
    refund = request_refund(session, invoice.id, request, actor=WEI, now=LATER)

    reject(session, refund.id, reason="no ground", actor=WEI, now=LATER)

    assert (refund.status, order.refunded_minor) == (RefundStatus.REJECTED, 0)
    with pytest.raises(IllegalMove):
        approve(session, refund.id, actor=WEI, now=LATER)


def test_who_asked_for_a_refund_is_written_down(session: Session) -> None:
    invoice, _ = paid_invoice(session)

    ask_back(session, invoice, cny(500))

    [entry] = session.scalars(select(AuditEntry)).all()
    assert (entry.action, entry.actor_name) == ("refund.request", "wei@lumen.example")
    assert entry.after["amountMinor"] == 500


def test_two_whole_refunds_at_once_are_one(engine: Engine) -> None:
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        Make(session).merchant()
        invoice, order = paid_invoice(session)

    def one(_: int) -> bool:
        try:
            with begin(engine, merchant_id) as session:
                return bool(ask_back(session, invoice))
        except Conflict:
            return False

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(one, range(8)))

    with begin(engine, merchant_id) as session:
        assert done.count(True) == 1
        assert queries.get_order(session, order.id).refunded_minor == 90_533
        assert unbalanced(session) == []


def test_without_the_locks_the_database_itself_refuses_to_give_back_more(session: Session) -> None:
    _, order = paid_invoice(session)
    order.refunded_minor = 90_534

    with pytest.raises(IntegrityError, match="ck_payment_orders_refunded_minor"):
        session.flush()


def test_a_second_payment_goes_back_by_itself(session: Session) -> None:
    invoice, first = paid_invoice(session)
    second = order_for(session, invoice)
    record_capture(session, paid(second), channel=ChannelName.WECHAT, now=NOON)

    [refund] = refund_queries.list_of_invoice(session, invoice.id)
    assert (refund.purpose, refund.payment_order_id) == (RefundPurpose.SEND_BACK, second.id)
    assert refund.amount == cny(90_533)
    refund_moves.record(session, refund.id, answer(refund), now=NOON)

    [case] = queries.list_unallocated(session)
    assert (case.status, case.closed_at) == (CaseStatus.RETURNED, NOON)
    assert invoice.status is InvoiceStatus.PAID
    assert (first.refunded_minor, second.refunded_minor) == (0, 90_533)
    assert books(session) == PAID


def test_money_of_a_wrong_amount_waits_for_a_decision_and_can_be_sent_back(
    session: Session,
) -> None:
    invoice = issue(session)
    order = order_for(session, invoice)
    record_capture(session, paid(order, cny(100)), channel=ChannelName.WECHAT, now=NOON)
    [case] = queries.list_unallocated(session)
    assert refund_queries.list_of_case(session, case.id) == []

    refund = send_back(session, case, actor=WEI, now=LATER)
    refund_moves.record(session, refund.id, answer(refund), now=NOON)

    assert case.status is CaseStatus.RETURNED
    assert books(session) == {"receivable CNY": 90_533, "merchant_uncollected CNY": -90_533}


def test_what_could_not_be_sent_back_can_be_tried_again(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    second = order_for(session, invoice)
    record_capture(session, paid(second), channel=ChannelName.WECHAT, now=NOON)
    [case] = queries.list_unallocated(session)
    [refund] = refund_queries.list_of_case(session, case.id)
    with pytest.raises(NotRefundable, match="on its way"):
        send_back(session, case, actor=WEI, now=LATER)
    refund_moves.record_refusal(session, refund.id, "USER_ACCOUNT_ABNORMAL", now=NOON)

    again = send_back(session, case, actor=WEI, now=LATER)

    assert again.out_refund_no != refund.out_refund_no
    assert (again.attempt, second.refunded_minor) == (2, 90_533)


def test_the_second_payment_of_one_order_can_not_be_named_at_its_channel(session: Session) -> None:
    _, order = paid_invoice(session)
    record_capture(session, paid(order, txn="another"), channel=ChannelName.WECHAT, now=NOON)
    [case] = queries.list_unallocated(session)

    with pytest.raises(Refusal, match="addressed"):
        send_back(session, case, actor=WEI, now=LATER)
