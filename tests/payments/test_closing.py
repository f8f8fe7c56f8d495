"""What is due never changes while a payer could still pay the old amount."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from app.billing import collection, queries
from app.billing.credit_amounts import BadCredit, CreditTooLarge
from app.billing.credit_models import CreditNote, CreditReason, Disposition
from app.billing.credit_notes import CreditRequest
from app.billing.models import Invoice, InvoiceLine, InvoiceStatus, LineKind
from app.channels.base import ChannelName, ChannelUnavailable
from app.core.db import Transaction
from app.payments import capture, closing, disputes
from app.payments import queries as payments
from app.payments.disputes import Complaint
from app.payments.models import CaseReason, PaymentStatus
from app.payments.opening import InvoiceOutdated
from app.payments.refund_amounts import left_to_refund
from tests.make import ADA, NOON, cny
from tests.payments.backing import ask_back
from tests.payments.builders import FakeChannel, books, issue, opened_at, order_for, paid

A_TENTH = CreditRequest(CreditReason.CORRECTION, total_minor=1_264)


def billed(session: Session) -> Invoice:
    """Issue an invoice with the one line that its 126.41 USD are for."""
    invoice = issue(session)
    session.add(
        InvoiceLine(
            merchant_id=invoice.merchant_id,
            invoice_id=invoice.id,
            position=1,
            kind=LineKind.COMMITMENT,
            period_from=invoice.period_from,
            period_to=invoice.period_to,
            metric_code="",
            description="Minimum commitment",
            unit="",
            quantity=Decimal(0),
            events=0,
            amount_minor=12_641,
            is_priced=True,
            tiers=[],
        )
    )
    session.flush()  # what credits it reads its lines
    return invoice


def close(transaction: Transaction, channel: FakeChannel, invoice_id: int) -> None:
    closing.close_open_orders(transaction, lambda _: channel, invoice_id, now=NOON)


def credit(session: Session, invoice_id: int) -> CreditNote:
    return closing.issue_credit_note(session, invoice_id, A_TENTH, actor=ADA, now=NOON)


def opened(transaction: Transaction, channel: FakeChannel) -> tuple[int, int]:
    """Issue an invoice and open a payment of it; return both ids."""
    with transaction() as session:
        invoice_id = billed(session).id
    shown = opened_at(transaction, channel, invoice_id, now=NOON)
    return invoice_id, shown.order_id


def test_an_open_order_is_closed_at_its_channel_first(
    watched: Transaction, channel: FakeChannel
) -> None:
    invoice_id, order_id = opened(watched, channel)
    with watched() as session, pytest.raises(closing.PaymentUnderWay):
        credit(session, invoice_id)

    close(watched, channel, invoice_id)

    with watched() as session:
        assert payments.get_order(session, order_id).status is PaymentStatus.CLOSED
        note = credit(session, invoice_id)
        assert note.disposition is Disposition.INVOICE
        assert queries.get_invoice(session, invoice_id).due == cny(81_480)
    assert channel.calls[-2:] == ["query", "close"]


def test_the_next_code_asks_for_what_is_left(watched: Transaction, channel: FakeChannel) -> None:
    invoice_id, _ = opened(watched, channel)
    close(watched, channel, invoice_id)
    with watched() as session:
        credit(session, invoice_id)

    opened_at(watched, channel, invoice_id, now=NOON)

    assert channel.asks[-1].amount == cny(81_480)


def test_who_paid_meanwhile_gets_the_credit_on_his_balance(
    watched: Transaction, channel: FakeChannel
) -> None:
    invoice_id, order_id = opened(watched, channel)
    with watched() as session:
        channel.pay(payments.get_order(session, order_id))

    close(watched, channel, invoice_id)

    with watched() as session:
        note = credit(session, invoice_id)
        assert queries.get_invoice(session, invoice_id).status is InvoiceStatus.PAID
        assert (note.disposition, note.to_balance) == (Disposition.BALANCE, cny(9_053))


def test_a_silent_channel_lets_nothing_change(watched: Transaction, channel: FakeChannel) -> None:
    invoice_id, _ = opened(watched, channel)
    channel.mishap = ChannelUnavailable("no answer")

    with pytest.raises(ChannelUnavailable):
        close(watched, channel, invoice_id)

    with watched() as session, pytest.raises(closing.PaymentUnderWay):
        credit(session, invoice_id)


def test_an_old_code_paid_all_the_same_is_put_aside(session: Session) -> None:
    invoice = billed(session)
    order = order_for(session, invoice, status=PaymentStatus.CLOSED)
    credit(session, invoice.id)

    outcome = capture.record_capture(session, paid(order), channel=ChannelName.WECHAT, now=NOON)

    [case] = payments.list_unallocated(session)
    assert outcome is capture.Outcome.UNALLOCATED
    assert (case.reason, case.amount) == (CaseReason.AMOUNT_MISMATCH, cny(90_533))
    assert invoice.status is InvoiceStatus.OPEN
    assert books(session)["receivable CNY"] == 81_480


def test_a_late_payment_of_what_was_given_up_pays_it(session: Session) -> None:
    invoice = issue(session)
    order = order_for(session, invoice)
    collection.give_up(session, invoice, now=NOON)

    outcome = capture.record_capture(session, paid(order), channel=ChannelName.WECHAT, now=NOON)

    assert outcome is capture.Outcome.APPLIED
    assert invoice.status is InvoiceStatus.PAID
    assert books(session) == {
        "channel_clearing/wechat CNY": 90_533,
        "platform_fee_revenue CNY": -2_716,
        "fx_clearing CNY": -87_817,
        "fx_clearing USD": 12_262,
        "merchant_payable USD": -12_262,
    }


def test_an_old_invoice_opens_no_payment(watched: Transaction, channel: FakeChannel) -> None:
    with watched() as session:
        invoice_id = issue(session).id

    with pytest.raises(InvoiceOutdated):
        opened_at(
            watched,
            channel,
            invoice_id,
            now=NOON + collection.PRICE_HOLDS + timedelta(seconds=1),
        )


def test_nobody_claims_that_usage_was_late(session: Session) -> None:
    request = CreditRequest(CreditReason.LATE_USAGE, total_minor=1)

    with pytest.raises(BadCredit):
        closing.issue_credit_note(session, issue(session).id, request, actor=ADA, now=NOON)


def test_what_goes_back_to_its_payer_is_not_given_to_a_balance_too(session: Session) -> None:
    invoice = billed(session)
    capture.record_capture(
        session, paid(order_for(session, invoice)), channel=ChannelName.WECHAT, now=NOON
    )
    ask_back(session, invoice, cny(81_481))  # a tenth of it is 90.53, and 90.52 are left

    with pytest.raises(CreditTooLarge, match=r"12\.63 USD is left"):
        credit(session, invoice.id)


def test_what_was_withdrawn_is_not_given_to_a_balance_too(session: Session) -> None:
    invoice = billed(session)
    capture.record_capture(
        session, paid(order_for(session, invoice)), channel=ChannelName.WECHAT, now=NOON
    )
    complaint = Complaint("6220", cny(81_481), "never delivered")
    dispute = disputes.open_dispute(session, invoice.id, complaint, actor=ADA, now=NOON)
    with pytest.raises(CreditTooLarge):
        credit(session, invoice.id)

    disputes.close_dispute(session, dispute.id, is_won=True, actor=ADA, now=NOON)

    assert credit(session, invoice.id).amount == cny(9_053)


def test_what_a_balance_paid_can_be_credited_whole(session: Session) -> None:
    invoice = billed(session)
    invoice.balance_minor, invoice.due_minor = 50_533, 40_000
    order = order_for(session, invoice, amount_minor=40_000)
    capture.record_capture(session, paid(order), channel=ChannelName.WECHAT, now=NOON)
    ask_back(session, invoice)  # all that a channel holds
    whole = CreditRequest(CreditReason.CORRECTION, total_minor=7_055)

    note = closing.issue_credit_note(session, invoice.id, whole, actor=ADA, now=NOON)

    assert note.to_balance == cny(50_527)  # one more cent would be 50,534
    assert left_to_refund(invoice) == cny(0)
