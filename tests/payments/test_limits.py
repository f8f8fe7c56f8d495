"""What limits and freezes keep from being opened, and what an open payment takes of them."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from app.billing.models import Invoice
from app.channels.base import ChannelName
from app.core.db import Transaction
from app.payments import queries
from app.payments.capture import record_capture
from app.payments.models import PaymentStatus
from app.risk import freezes
from app.risk.models import ReservationStatus, RiskHit, RiskReservation, Switch
from app.risk.refusals import MerchantFrozen
from tests.make import ADA, NOON
from tests.payments.builders import FakeChannel, issue, opened_at, paid

MINUTE = timedelta(minutes=1)


@pytest.fixture
def invoice(transaction: Transaction) -> Invoice:
    with transaction() as session:
        return issue(session)


@pytest.fixture
def alipay(channel: FakeChannel) -> FakeChannel:
    return FakeChannel(ChannelName.ALIPAY, depth=channel.depth)


def freeze(transaction: Transaction) -> None:
    with transaction() as session:
        freezes.freeze(session, Switch.CHECKOUT, reason="a check", actor=ADA, now=NOON)


def test_a_frozen_merchants_invoice_opens_nothing_and_closes_nothing(
    watched: Transaction, channel: FakeChannel, alipay: FakeChannel, invoice: Invoice
) -> None:
    opened_at(watched, channel, invoice.id, now=NOON)
    freeze(watched)

    with pytest.raises(MerchantFrozen):
        opened_at(watched, alipay, invoice.id, beside=channel, now=NOON + MINUTE)

    with watched() as session:
        [order] = queries.list_of_invoice(session, invoice.id)
    assert (order.status, channel.calls) == (PaymentStatus.PENDING, ["open"])
    with watched() as session:
        [hit] = session.scalars(select(RiskHit))
        assert hit.amount_minor == 90_533


def reserved(transaction: Transaction) -> list[ReservationStatus]:
    with transaction() as session:
        found = select(RiskReservation).order_by(RiskReservation.payment_order_id)
        return [row.status for row in session.scalars(found)]


def test_what_is_opened_takes_of_the_limits_until_it_closes_or_is_paid(
    watched: Transaction, channel: FakeChannel, alipay: FakeChannel, invoice: Invoice
) -> None:
    opened_at(watched, channel, invoice.id, now=NOON)
    assert reserved(watched) == [ReservationStatus.RESERVED]

    opened_at(watched, alipay, invoice.id, beside=channel, now=NOON + MINUTE)
    assert reserved(watched) == [ReservationStatus.RELEASED, ReservationStatus.RESERVED]

    with watched() as session:
        last = paid(queries.list_of_invoice(session, invoice.id)[1])
        record_capture(session, last, channel=alipay.name, now=NOON + MINUTE)
    assert reserved(watched) == [ReservationStatus.RELEASED, ReservationStatus.SETTLED]
