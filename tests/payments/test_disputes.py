"""What a channel withdrew is held, and lost or given back; nothing goes back twice."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.core.money import Currency, Money
from app.core.states import IllegalMove
from app.payments import disputes
from app.payments.disputes import Complaint, DisputeRecorded, close_dispute, open_dispute
from app.payments.refund_amounts import RefundTooLarge
from app.payments.refund_models import Dispute, DisputeStatus
from app.payments.refunds import NotRefundable
from tests.make import NOON, cny
from tests.payments.backing import WEI, ask_back, paid_invoice
from tests.payments.builders import books, issue
from tests.payments.test_refunds import PAID, events

USD = Currency.USD


def complain(session: Session, **changed: Any) -> Dispute:
    invoice, _ = paid_invoice(session)
    return complain_about(session, invoice.id, **changed)


def complain_about(session: Session, invoice_id: int, **changed: Any) -> Dispute:
    values: dict[str, Any] = {"channel_case_no": "4200", "amount": cny(20_000), "reason": "未收到"}
    complaint = Complaint(**(values | changed))
    return open_dispute(session, invoice_id, complaint, actor=WEI, now=NOON)


def test_an_open_dispute_is_held_in_reserve(session: Session) -> None:
    dispute = complain(session)

    assert (dispute.fee, dispute.settlement) == (cny(600), Money(2_709, USD))
    assert books(session) == PAID | {
        "channel_clearing/wechat CNY": 70_533,
        "dispute_receivable CNY": 20_000,
        "merchant_payable USD": -9_553,
        "merchant_reserve USD": -2_709,
    }
    assert events(session) == ["invoice.paid", "payment.succeeded", "dispute.opened"]


def test_a_dispute_that_is_won_leaves_the_books_as_they_were(session: Session) -> None:
    dispute = complain(session)

    close_dispute(session, dispute.id, is_won=True, actor=WEI, now=NOON)

    assert dispute.status is DisputeStatus.WON
    assert books(session) == PAID
    assert events(session)[-1] == "dispute.closed"


def test_a_lost_dispute_takes_what_was_held_and_our_fee_of_it(session: Session) -> None:
    dispute = complain(session)

    close_dispute(session, dispute.id, is_won=False, actor=WEI, now=NOON)

    assert books(session) == {
        "channel_clearing/wechat CNY": 70_533,
        "platform_fee_revenue CNY": -2_116,
        "fx_clearing CNY": -68_417,
        "fx_clearing USD": 9_553,
        "merchant_payable USD": -9_553,
    }


def test_a_dispute_may_be_charged_for(session: Session) -> None:
    complain(session, charge=Money(1_500, USD))

    assert books(session)["dispute_fee_revenue USD"] == -1_500
    assert books(session)["merchant_payable USD"] == -8_053


def test_what_is_disputed_can_not_be_refunded_too(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    complain_about(session, invoice.id, amount=cny(90_000))

    with pytest.raises(RefundTooLarge):
        ask_back(session, invoice, cny(534))


def test_a_lost_dispute_and_the_refund_of_the_rest_restore_zero(session: Session) -> None:
    invoice, order = paid_invoice(session)
    dispute = complain_about(session, invoice.id)
    close_dispute(session, dispute.id, is_won=False, actor=WEI, now=NOON)

    refund = ask_back(session, invoice)

    assert refund.amount == cny(70_533)
    assert order.refunded_minor + order.disputed_minor == 90_533
    assert books(session) == {
        "channel_clearing/wechat CNY": 70_533,
        "refund_in_transit CNY": -70_533,
    }


def test_a_case_of_the_channel_is_recorded_once(session: Session) -> None:
    invoice, _ = paid_invoice(session)
    complain_about(session, invoice.id)

    with pytest.raises(DisputeRecorded):
        complain_about(session, invoice.id)


def test_what_was_decided_stays_decided(session: Session) -> None:
    dispute = complain(session)
    close_dispute(session, dispute.id, is_won=True, actor=WEI, now=NOON)
    before = books(session)

    assert close_dispute(session, dispute.id, is_won=True, actor=WEI, now=NOON) is dispute
    with pytest.raises(IllegalMove):
        close_dispute(session, dispute.id, is_won=False, actor=WEI, now=NOON)
    assert books(session) == before
    assert disputes.get_dispute(session, dispute.id).status is DisputeStatus.WON


def test_an_unpaid_invoice_has_nothing_to_dispute(session: Session) -> None:
    with pytest.raises(NotRefundable):
        complain_about(session, issue(session).id)
