"""A channel that is slow, busy or away keeps nobody's money, and heals without a hand."""

from datetime import timedelta

import pytest

from app.billing.models import InvoiceStatus
from app.channels.base import ChannelUnavailable
from app.channels.breaker import FAILURES, PAUSE
from app.core import clock
from app.payments import healing
from app.payments.refund_models import RefundStatus
from tests.checkout.faults.conftest import UNKNOWN, Shop, channels, until
from tests.make import cny


@channels
@pytest.mark.parametrize("kind", UNKNOWN)
def test_an_order_that_was_opened_without_an_answer_is_the_one_that_is_paid(
    shop: Shop, kind: str
) -> None:
    invoice = shop.issue()
    shop.fault(None, kind, operation="open", count=1)
    with pytest.raises(ChannelUnavailable):
        shop.try_to_open(invoice)

    order = shop.open(invoice)
    shop.pay(order)
    shop.heal(order)

    shop.is_paid_once(invoice)


@channels
@pytest.mark.parametrize("kind", UNKNOWN)
def test_an_order_whose_close_got_no_answer_is_closed_the_next_time(shop: Shop, kind: str) -> None:
    invoice, order = shop.opened()
    order.expires_at = clock.now()
    shop.fault(order, kind, operation="close", count=1)
    with pytest.raises(ChannelUnavailable):
        shop.ask(order, now=clock.now())
    assert shop.told("payment.closed") == 0

    assert shop.ask(order, now=clock.now()) is healing.Found.CLOSED

    assert shop.told("payment.closed") == 1
    assert shop.status(invoice) is InvoiceStatus.OPEN


@channels
def test_money_that_arrives_after_the_close_pays_all_the_same(shop: Shop) -> None:
    invoice, order = shop.opened()
    order.expires_at = clock.now()
    assert shop.ask(order, now=clock.now()) is healing.Found.CLOSED

    shop.pay(order, late=True)

    shop.is_paid_once(invoice)


@channels
def test_slow_answers_are_waited_for_and_are_right(shop: Shop) -> None:
    for operation in ("open", "query", "refund"):
        shop.fault(None, "slow", operation=operation, seconds=0.1, count=1)
    started = clock.monotonic()

    invoice, _ = shop.paid()
    refund_id = shop.give_back(invoice, cny(30_000))
    shop.settle(refund_id)

    assert clock.monotonic() - started >= 0.3
    until(lambda: shop.settle(refund_id) is RefundStatus.SUCCEEDED)
    shop.is_refunded_once(invoice)


@channels
def test_a_long_outage_is_noticed_left_alone_and_over_by_itself(shop: Shop) -> None:
    """F24: nobody waits for the channel while it is away; the first answer is the end of it."""
    invoice, order = shop.opened()
    shop.fault(order, "drop")
    shop.fault(None, "down")
    shop.pay(order)
    for _ in range(FAILURES):
        with pytest.raises(ChannelUnavailable, match="503"):
            shop.ask(order, now=clock.now())

    shop.repair()
    with pytest.raises(ChannelUnavailable, match="left alone after 5 calls"):
        shop.ask(order, now=clock.now())
    assert shop.status(invoice) is InvoiceStatus.OPEN
    shop.ask(order, now=clock.now() + PAUSE + timedelta(seconds=1))

    shop.is_paid_once(invoice)
