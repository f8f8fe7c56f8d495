"""A captured payment pays one invoice, once, and the books show it; no money is ever refused."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.billing import collection
from app.billing.models import InvoiceStatus
from app.channels.base import ChannelName, Method, Trade, TradeState
from app.core.db import begin
from app.core.errors import NotFound
from app.core.money import Currency, Money
from app.ledger.queries import unbalanced
from app.payments import queries
from app.payments.capture import NotPaid, Outcome, record_capture
from app.payments.models import PAYMENT, CaseReason, CaseStatus, PaymentEvent, PaymentStatus
from app.payments.opening import METHODS
from app.webhooks.models import WebhookEvent
from tests.make import NOON, Make, cny
from tests.payments.builders import COLLECTED, LATER, books, issue, order_for, paid

UNPAID = [PaymentStatus.CREATED, PaymentStatus.PENDING, PaymentStatus.CLOSED]
capture = partial(record_capture, channel=ChannelName.WECHAT, now=NOON)


def events(session: Session) -> list[str]:
    session.flush()
    return [event.event_type.value for event in session.scalars(select(WebhookEvent))]


def test_a_capture_pays_the_invoice(session: Session) -> None:
    invoice = issue(session)
    order = order_for(session, invoice)

    outcome = capture(session, paid(order))

    assert outcome is Outcome.APPLIED
    assert invoice.status is InvoiceStatus.PAID
    assert invoice.paid_at == NOON
    assert order.status is PaymentStatus.CAPTURED
    assert (order.captured_at, order.raw_state) == (LATER, "SUCCESS")
    assert order.credited_at == NOON
    assert order.captured_minor == 90_533
    assert order.next_query_at is None
    assert events(session) == ["invoice.paid", "payment.succeeded"]


def test_the_books_of_a_capture_are_those_of_the_rules(session: Session) -> None:
    invoice = issue(session)

    capture(session, paid(order_for(session, invoice)))

    assert books(session) == {
        "channel_clearing/wechat CNY": 90_533,
        "platform_fee_revenue CNY": -2_716,
        "fx_clearing CNY": -87_817,
        "fx_clearing USD": 12_262,
        "merchant_payable USD": -12_262,
    }


def test_settling_in_yuan_converts_nothing(session: Session) -> None:
    invoice = issue(session, settlement_currency=Currency.CNY, settlement_minor=87_817)

    capture(session, paid(order_for(session, invoice)))

    assert books(session) == {
        "channel_clearing/wechat CNY": 90_533,
        "platform_fee_revenue CNY": -2_716,
        "merchant_payable CNY": -87_817,
    }


def test_a_resent_notice_changes_nothing(session: Session) -> None:
    order = order_for(session, issue(session))
    capture(session, paid(order))
    before = books(session)

    assert capture(session, paid(order)) is Outcome.REPEATED
    assert books(session) == before
    assert events(session) == ["invoice.paid", "payment.succeeded"]


@pytest.mark.parametrize("status", PaymentStatus)
def test_received_money_is_never_refused(status: PaymentStatus) -> None:
    capture_event = PaymentEvent.CAPTURE

    assert PAYMENT.allows(status, capture_event) or PAYMENT.is_repeat(status, capture_event)


@pytest.mark.parametrize("status", [PaymentStatus.CREATED, PaymentStatus.CLOSED])
def test_money_pays_whatever_we_believed_of_the_order(
    session: Session, status: PaymentStatus
) -> None:
    invoice = issue(session)
    order = order_for(session, invoice, status=status)

    assert capture(session, paid(order)) is Outcome.APPLIED
    assert invoice.status is InvoiceStatus.PAID


@pytest.mark.parametrize("amount", [cny(90_532), cny(90_534), cny(1), Money(90_533, Currency.USD)])
def test_another_amount_is_put_aside_and_the_invoice_stays_open(
    session: Session, amount: Money
) -> None:
    invoice = issue(session)
    order = order_for(session, invoice)

    outcome = capture(session, paid(order, amount))

    [case] = queries.list_unallocated(session)
    assert outcome is Outcome.UNALLOCATED
    assert invoice.status is InvoiceStatus.OPEN
    assert order.status is PaymentStatus.CAPTURED
    assert (case.amount, case.reason) == (amount, CaseReason.AMOUNT_MISMATCH)
    assert case.status is CaseStatus.OPEN
    assert events(session) == ["payment.unapplied"]


def test_money_put_aside_is_in_the_books(session: Session) -> None:
    order = order_for(session, issue(session))

    capture(session, paid(order, cny(100)))

    assert books(session) == {
        "receivable CNY": 90_533,
        "merchant_uncollected CNY": -90_533,
        "channel_clearing/wechat CNY": 100,
        "unallocated_payments CNY": -100,
    }


def test_money_put_aside_is_put_aside_once(session: Session) -> None:
    order = order_for(session, issue(session))
    capture(session, paid(order, cny(100)))

    assert capture(session, paid(order, cny(100))) is Outcome.REPEATED
    assert len(queries.list_unallocated(session)) == 1


def test_the_second_payment_of_an_invoice_is_put_aside(session: Session) -> None:
    invoice = issue(session)
    first, second = order_for(session, invoice), order_for(session, invoice, method=Method.H5)
    capture(session, paid(first))

    outcome = capture(session, paid(second))

    [case] = queries.list_unallocated(session)
    assert outcome is Outcome.UNALLOCATED
    assert case.payment_order_id == second.id
    assert case.reason is CaseReason.INVOICE_NOT_PAYABLE
    assert books(session)["unallocated_payments CNY"] == -90_533
    assert queries.find_paying(session, invoice.id) is first


def test_one_order_paid_twice_is_put_aside_the_second_time(session: Session) -> None:
    order = order_for(session, issue(session))
    capture(session, paid(order))

    again = [capture(session, paid(order, txn="another")) for _ in range(2)]

    [case] = queries.list_unallocated(session)
    assert again == [Outcome.UNALLOCATED, Outcome.REPEATED]
    assert case.reason is CaseReason.SECOND_TRANSACTION
    assert order.channel_txn_id == f"txn-{order.id}"


def test_money_for_a_void_invoice_is_put_aside(session: Session) -> None:
    invoice = issue(session)
    order = order_for(session, invoice)
    collection.void(session, invoice, reason="wrong customer", now=NOON)

    assert capture(session, paid(order)) is Outcome.UNALLOCATED
    assert invoice.status is InvoiceStatus.VOID
    assert books(session) == {
        "channel_clearing/wechat CNY": 90_533,
        "unallocated_payments CNY": -90_533,
    }


def test_another_channels_word_is_not_this_orders(session: Session) -> None:
    order = order_for(session, issue(session))

    with pytest.raises(NotFound):
        record_capture(session, paid(order), channel=ChannelName.ALIPAY, now=NOON)


def test_an_unknown_order_is_not_found(session: Session) -> None:
    unknown = Trade(TradeState.PAID, "0" * 25, "SUCCESS", channel_txn_id="txn", paid=COLLECTED)

    with pytest.raises(NotFound):
        capture(session, unknown)


def test_a_trade_without_money_can_not_be_booked(session: Session) -> None:
    order = order_for(session, issue(session))

    with pytest.raises(NotPaid):
        capture(session, Trade(TradeState.PENDING, order.out_trade_no, "NOTPAY"))


def test_fifty_copies_at_once_are_booked_once(engine: Engine) -> None:
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        Make(session).merchant()
        trade = paid(order_for(session, issue(session)))

    def one(_: int) -> Outcome:
        with begin(engine, merchant_id) as session:
            return capture(session, trade)

    with ThreadPoolExecutor(10) as pool:
        outcomes = sorted(pool.map(one, range(50)))

    with begin(engine, merchant_id) as session:
        assert books(session)["channel_clearing/wechat CNY"] == 90_533
    assert outcomes == [Outcome.APPLIED] + [Outcome.REPEATED] * 49


def test_two_orders_paid_at_once_pay_one_invoice_once(engine: Engine) -> None:
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        Make(session).merchant()
        invoice = issue(session)
        late = {"status": PaymentStatus.CLOSED, "next_query_at": None}
        orders = [order_for(session, invoice)]
        orders += [order_for(session, invoice, **late) for _ in range(7)]
        trades = [paid(order) for order in orders]

    def one(trade: Trade) -> Outcome:
        with begin(engine, merchant_id) as session:
            return capture(session, trade)

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(one, trades))

    with begin(engine, merchant_id) as session:
        assert books(session)["unallocated_payments CNY"] == -7 * 90_533
    assert outcomes == [Outcome.APPLIED] + [Outcome.UNALLOCATED] * 7


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    statuses=st.lists(st.sampled_from(UNPAID), min_size=1, max_size=3),
    payments=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([1, 90_533]), st.sampled_from("ab")),
        max_size=6,
    ),
    is_void=st.booleans(),
)
def test_every_fen_received_is_in_the_books(
    engine: Engine,
    *,
    statuses: list[PaymentStatus],
    payments: list[tuple[int, int, str]],
    is_void: bool,
) -> None:
    with begin(engine, Make.new_merchant_id()) as session:
        Make(session).merchant()
        invoice = issue(session)
        orders = [
            order_for(session, invoice, status=status, method=method)
            for status, method in zip(statuses, METHODS[ChannelName.WECHAT], strict=False)
        ]
        if is_void:
            collection.void(session, invoice, reason="a law", now=NOON)
        received: dict[str, int] = {}
        for number, amount, payer in payments:
            order = orders[number % len(orders)]
            txn = f"{order.id}{payer}"
            received.setdefault(txn, amount)
            capture(session, paid(order, cny(received[txn]), txn))

        assert books(session).get("channel_clearing/wechat CNY", 0) == sum(received.values())
        assert unbalanced(session) == []
