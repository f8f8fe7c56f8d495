"""Whatever a channel does to a payment, it ends in the right state and in balanced books.

The product and the simulator know each other by HTTP only; each fault is switched on for one order.
"""

import pytest
from sqlalchemy.exc import OperationalError

from app.billing.models import InvoiceStatus
from app.callbacks import receiving
from app.channels.base import ChannelName
from app.payments import queries
from app.payments.models import CaseReason
from tests.checkout.faults.conftest import UNKNOWN, Shop, channels, until
from tests.make import cny, usd

ALIPAY, WECHAT = ChannelName.ALIPAY, ChannelName.WECHAT
REFUSED = ("bad_signature", "notice_account", "notice_app", "sign_test", "tampered")
WORTH_NOTHING = [
    (channel, kind) for channel in ChannelName for kind in ("drop", *REFUSED, "unknown_serial")
]
WORTH_NOTHING += [(WECHAT, "stale")]
ODD: dict[str, dict[str, float]] = {
    "delay": {"seconds": 0.2},
    "duplicate": {"copies": 12},
    "reorder": {"seconds": 0.2},
}


@pytest.mark.parametrize(("channel", "kind"), WORTH_NOTHING)
def test_a_payment_whose_notices_are_worth_nothing_is_found_by_asking(
    shop: Shop, kind: str
) -> None:
    invoice, order = shop.opened()
    shop.fault(order, kind)
    shop.pay(order)
    until(lambda: shop.has_bitten(order, kind))
    assert shop.status(invoice) is InvoiceStatus.OPEN

    shop.heal(order)

    shop.is_paid_once(invoice)


@pytest.mark.parametrize(("channel", "kind"), [(ALIPAY, "bad_signature"), (WECHAT, "sign_test")])
def test_the_good_notice_after_one_that_is_worth_nothing_pays(shop: Shop, kind: str) -> None:
    invoice, order = shop.opened()
    shop.fault(order, kind, count=1)
    shop.pay(order)
    until(lambda: shop.has_bitten(order, kind))

    shop.call_again(order)

    shop.is_paid_once(invoice)


@pytest.mark.parametrize("channel", [ALIPAY])
def test_an_old_notice_of_alipays_pays_for_it_signs_no_time(shop: Shop) -> None:
    invoice, order = shop.opened()
    shop.fault(order, "stale")

    shop.pay(order)

    until(lambda: shop.has_bitten(order, "stale"))
    shop.is_paid_once(invoice)


@channels
@pytest.mark.parametrize("kind", ODD)
def test_notices_that_come_often_late_or_out_of_order_pay_once(shop: Shop, kind: str) -> None:
    invoice, order = shop.opened()
    copies = ODD[kind].get("copies", 1)
    shop.fault(order, kind, count=1, **ODD[kind])

    shop.pay(order)

    until(lambda: shop.has_bitten(order, kind))
    until(lambda: len(shop.attempts(order)) >= copies)
    shop.is_paid_once(invoice)


@channels
def test_a_notice_that_we_could_not_book_is_booked_when_it_comes_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice, order = shop.opened()

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("SELECT 1", {}, ConnectionError())

    with monkeypatch.context() as patch:
        patch.setattr(receiving, "receive", fail)
        shop.pay(order)
        until(lambda: any(made["answer"].startswith("503") for made in shop.attempts(order)))
        assert shop.status(invoice) is InvoiceStatus.OPEN

    shop.call_again(order)

    shop.is_paid_once(invoice)


@channels
@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_question_without_an_answer_is_asked_again(shop: Shop, kind: str) -> None:
    invoice, order = shop.opened()
    shop.fault(order, "drop")
    shop.fault(order, kind, operation="query", count=1)
    shop.pay(order)
    shop.heal(order)
    assert shop.status(invoice) is InvoiceStatus.OPEN

    shop.heal(order)

    shop.is_paid_once(invoice)


@channels
def test_another_amount_than_asked_for_waits_for_somebody(shop: Shop) -> None:
    invoice, order = shop.opened()
    shop.fault(order, "paid_amount", amountMinor=100)
    shop.pay(order)

    shop.heal(order)

    with shop.transaction() as session:
        [case] = queries.list_unallocated(session)
    assert (case.amount, case.reason) == (cny(100), CaseReason.AMOUNT_MISMATCH)
    assert shop.status(invoice) is InvoiceStatus.OPEN
    assert shop.books()["unallocated_payments CNY"] == -100


@channels
def test_another_amount_in_a_notice_is_put_aside_and_nothing_said_later_pays(shop: Shop) -> None:
    invoice, order = shop.opened()
    shop.fault(order, "notice_amount", amountMinor=100)
    shop.pay(order)
    until(lambda: shop.told("payment.unapplied") == 1)

    shop.heal(order)

    with shop.transaction() as session:
        [case] = queries.list_unallocated(session)
    assert (case.amount, case.reason) == (cny(100), CaseReason.AMOUNT_MISMATCH)
    assert shop.status(invoice) is InvoiceStatus.OPEN
    assert shop.books()["unallocated_payments CNY"] == -100


@pytest.mark.parametrize("channel", [WECHAT])
def test_another_currency_in_a_notice_is_put_aside_in_that_currency(shop: Shop) -> None:
    invoice, order = shop.opened()
    shop.fault(order, "notice_currency")
    shop.pay(order)
    until(lambda: shop.told("payment.unapplied") == 1)

    with shop.transaction() as session:
        [case] = queries.list_unallocated(session)
    assert (case.amount, case.reason) == (usd(90_533), CaseReason.AMOUNT_MISMATCH)
    assert shop.status(invoice) is InvoiceStatus.OPEN
    assert shop.books()["unallocated_payments USD"] == -90_533


@channels
def test_a_payment_that_a_bank_refuses_can_be_made_again(shop: Shop) -> None:
    invoice, order = shop.opened()
    shop.fault(order, "payment_fails", count=1)
    shop.pay(order)
    shop.heal(order)
    assert shop.status(invoice) is InvoiceStatus.OPEN
    assert shop.attempts(order) == []

    shop.pay(order)

    shop.is_paid_once(invoice)
