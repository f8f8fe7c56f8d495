"""Whatever a channel does to a refund, the payer has it once and the books say where it is."""

import pytest
from sqlalchemy.exc import OperationalError

from app.billing.models import Invoice, InvoiceStatus
from app.callbacks import receiving
from app.channels.base import ChannelName
from app.payments.refund_models import RefundStatus
from tests.checkout.faults.conftest import UNKNOWN, Shop, channels, until
from tests.make import cny

ALIPAY, WECHAT = ChannelName.ALIPAY, ChannelName.WECHAT
WEEK_SECONDS = 7 * 86_400
TOLD_WRONGLY = ("bad_signature", "drop", "tampered")
ODD: dict[str, dict[str, object]] = {
    "delay": {"seconds": 0.2},
    "duplicate": {"copies": 10},
    "reorder": {"seconds": 0.2},
}


@channels
@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_refund_without_an_answer_is_paid_back_once(shop: Shop, kind: str) -> None:
    invoice, order = shop.paid()
    shop.fault(order, kind, operation="refund", count=1)
    refund_id = shop.give_back(invoice, cny(30_000))
    shop.settle(refund_id)

    until(lambda: shop.settle(refund_id) is RefundStatus.SUCCEEDED)

    shop.is_refunded_once(invoice)


@channels
@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_refund_asked_about_without_an_answer_is_asked_about_again(shop: Shop, kind: str) -> None:
    invoice, order = shop.paid()
    shop.fault(order, "refund_slow", seconds=0.1)
    shop.fault(order, "drop")
    shop.fault(order, kind, operation="query_refund", count=1)
    refund_id = shop.give_back(invoice, cny(30_000))
    shop.settle(refund_id)
    assert shop.settle(refund_id) is RefundStatus.SUBMITTED

    until(lambda: shop.settle(refund_id) is RefundStatus.SUCCEEDED)

    shop.is_refunded_once(invoice)


@channels
def test_a_refund_that_the_channel_refuses_leaves_the_books_as_they_were(shop: Shop) -> None:
    invoice, order = shop.paid()
    before = shop.books()
    shop.fault(order, "refund_refused")

    assert shop.settle(shop.give_back(invoice)) is RefundStatus.FAILED
    assert shop.books() == before
    assert shop.status(invoice) is InvoiceStatus.PAID


@channels
def test_a_refund_that_we_can_not_pay_waits_until_we_can(shop: Shop) -> None:
    invoice, order = shop.paid()
    shop.fault(order, "refund_not_enough", count=1)
    refund_id = shop.give_back(invoice)
    assert shop.settle(refund_id) is RefundStatus.SUBMITTED

    until(lambda: shop.settle(refund_id) is RefundStatus.SUCCEEDED)

    assert shop.status(invoice) is InvoiceStatus.REFUNDED
    assert shop.books() == {}


@channels
def test_a_refund_that_takes_its_time_is_under_way_until_it_is_there(shop: Shop) -> None:
    invoice, order = shop.paid()
    shop.fault(order, "refund_slow", seconds=0.5)
    refund_id = shop.give_back(invoice, cny(30_000))

    assert shop.settle(refund_id) is RefundStatus.SUBMITTED
    assert shop.books()["refund_in_transit CNY"] == -30_000

    until(lambda: shop.settle(refund_id) is RefundStatus.SUCCEEDED)
    shop.is_refunded_once(invoice)


@pytest.mark.parametrize("channel", [WECHAT])
def test_a_refund_to_a_dead_card_stays_aside_until_somebody_acts(shop: Shop) -> None:
    invoice, order = shop.paid()
    shop.fault(order, "refund_abnormal")
    refund_id = shop.give_back(invoice, cny(30_000))
    shop.settle(refund_id)

    until(lambda: shop.state_of(refund_id) is RefundStatus.ABNORMAL)

    assert shop.settle(refund_id) is RefundStatus.ABNORMAL
    assert shop.status(invoice) is InvoiceStatus.PAID
    assert shop.books()["refund_in_transit CNY"] == -30_000


@pytest.mark.parametrize("channel", [WECHAT])
def test_a_refund_that_the_channel_gives_up_frees_its_money_for_another(shop: Shop) -> None:
    invoice, order = shop.paid()
    before = shop.books()
    shop.fault(order, "refund_closed", count=1)
    first = shop.give_back(invoice, cny(30_000))
    shop.settle(first)

    shop.simulator.control("clock", advanceSeconds=WEEK_SECONDS)
    until(lambda: shop.state_of(first) is RefundStatus.FAILED)
    assert shop.books() == before

    second = shop.give_back(invoice, cny(30_000))
    until(lambda: shop.settle(second) is RefundStatus.SUCCEEDED)
    shop.is_refunded_once(invoice)


@pytest.mark.parametrize("channel", [ALIPAY])
@pytest.mark.parametrize("kind", ["refund_abnormal", "refund_closed"])
def test_a_refund_of_which_alipay_says_nothing_is_neither_done_nor_failed(
    shop: Shop, kind: str
) -> None:
    invoice, order = shop.paid()
    shop.fault(order, kind)
    refund_id = shop.give_back(invoice, cny(30_000))
    shop.settle(refund_id)
    shop.simulator.control("clock", advanceSeconds=WEEK_SECONDS)

    assert [shop.settle(refund_id) for _ in range(3)] == [RefundStatus.SUBMITTED] * 3
    assert shop.status(invoice) is InvoiceStatus.PAID
    assert shop.books()["refund_in_transit CNY"] == -30_000


def under_way(shop: Shop, kind: str, **narrowed: object) -> tuple[int, Invoice]:
    """Have 300 yuan on their way back, and the channel's notice of it gone wrong."""
    invoice, order = shop.paid()
    until(lambda: len(shop.attempts(order)) == 1)  # that of the payment
    shop.fault(order, kind, **narrowed)
    shop.fault(order, "refund_slow", seconds=0.1)
    shop.fault(order, "refund_notices")
    refund_id = shop.give_back(invoice, cny(30_000))
    shop.settle(refund_id)
    until(lambda: shop.has_bitten(order, kind))
    return refund_id, invoice


@channels
@pytest.mark.parametrize("kind", TOLD_WRONGLY)
def test_a_refund_whose_notices_are_worth_nothing_is_found_by_asking(shop: Shop, kind: str) -> None:
    refund_id, invoice = under_way(shop, kind)
    assert shop.hear(refund_id) is RefundStatus.SUBMITTED

    until(lambda: shop.settle(refund_id) is RefundStatus.SUCCEEDED)

    shop.is_refunded_once(invoice)


@channels
@pytest.mark.parametrize("kind", ODD)
def test_notices_of_a_refund_that_come_often_late_or_out_of_order_refund_once(
    shop: Shop, kind: str
) -> None:
    refund_id, invoice = under_way(shop, kind, **ODD[kind])

    until(lambda: shop.hear(refund_id) is RefundStatus.SUCCEEDED)

    shop.is_refunded_once(invoice)


@channels
def test_a_refund_notice_that_we_could_not_book_is_booked_when_it_comes_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice, order = shop.paid()
    until(lambda: len(shop.attempts(order)) == 1)
    shop.fault(order, "refund_slow", seconds=0.1)
    shop.fault(order, "refund_notices")

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("SELECT 1", {}, ConnectionError())

    with monkeypatch.context() as patch:
        patch.setattr(receiving, "receive", fail)
        refund_id = shop.give_back(invoice, cny(30_000))
        shop.settle(refund_id)
        until(lambda: any(made["answer"].startswith("503") for made in shop.attempts(order)))
        assert shop.hear(refund_id) is RefundStatus.SUBMITTED

    shop.call_again(order)

    until(lambda: shop.hear(refund_id) is RefundStatus.SUCCEEDED)
    shop.is_refunded_once(invoice)


@channels
def test_the_notice_of_a_payment_that_comes_after_its_refund_changes_nothing(shop: Shop) -> None:
    """F27: the payment was found by asking; its notice is held until the refund's was sent."""
    invoice, order = shop.opened()
    shop.fault(order, "reorder", count=1, seconds=30)
    shop.fault(order, "refund_slow", seconds=0.1)
    shop.fault(order, "refund_notices")
    shop.pay(order)
    shop.heal(order)
    refund_id = shop.give_back(invoice, cny(30_000))
    shop.settle(refund_id)

    until(lambda: shop.hear(refund_id) is RefundStatus.SUCCEEDED)

    until(lambda: shop.has_bitten(order, "reorder"))
    shop.is_refunded_once(invoice)
    assert shop.told("invoice.paid") == 1


@channels
def test_another_amount_in_the_notice_of_a_refund_moves_nothing(shop: Shop) -> None:
    refund_id, invoice = under_way(shop, "notice_amount", amountMinor=100)
    assert shop.state_of(refund_id) in {RefundStatus.SUBMITTED, RefundStatus.ABNORMAL}
    assert shop.books()["refund_in_transit CNY"] == -30_000

    until(lambda: shop.settle(refund_id) is RefundStatus.SUCCEEDED)

    shop.is_refunded_once(invoice)
