"""A refund that is under way for a week is stuck: operators see it, and it may still end well."""

from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import Transaction
from app.payments import cases, refund_queries, refunding
from app.payments.refund_models import Refund, RefundStatus
from app.payments.refunding import Found
from tests.make import cny
from tests.payments.backing import answer, ask_back, paid_invoice
from tests.payments.builders import FakeChannel, books

DAY = timedelta(days=1)


def under_way(transaction: Transaction) -> Refund:
    with transaction() as session:
        invoice, _ = paid_invoice(session)
        return ask_back(session, invoice, cny(30_000), now=clock.now())


def settle(
    transaction: Transaction, channel: FakeChannel, refund: Refund, *, now: datetime
) -> Found | None:
    return refunding.settle(
        transaction, lambda _: channel, refund.id, notify_url=lambda _: "https://x.cn/", now=now
    )


def read(transaction: Transaction, refund: Refund) -> Refund:
    with transaction() as session:
        return refund_queries.get_refund(session, refund.id)


def test_for_a_week_it_is_on_its_way_and_then_it_is_stuck(
    watched: Transaction, channel: FakeChannel, reader: Engine
) -> None:
    refund = under_way(watched)
    settle(watched, channel, refund, now=clock.now() + 6 * DAY)
    assert read(watched, refund).status is RefundStatus.SUBMITTED

    assert settle(watched, channel, refund, now=clock.now() + 8 * DAY) is Found.WAITING

    found = read(watched, refund)
    assert found.status is RefundStatus.ABNORMAL
    assert found.trouble == "PROCESSING for more than 7 days"
    with Session(reader) as session:
        stuck = cases.list_all_stuck(session, limit=100).rows
    assert refund.id in {each.id for each in stuck}
    with watched() as session:
        assert books(session)["refund_in_transit CNY"] == -30_000


def test_its_end_is_booked_whenever_it_comes(watched: Transaction, channel: FakeChannel) -> None:
    refund = under_way(watched)
    settle(watched, channel, refund, now=clock.now())
    settle(watched, channel, refund, now=clock.now() + 8 * DAY)
    channel.refunds[refund.out_refund_no] = answer(refund)

    assert settle(watched, channel, refund, now=clock.now() + 9 * DAY) is Found.SUCCEEDED

    found = read(watched, refund)
    assert (found.status, found.trouble) == (RefundStatus.SUCCEEDED, "")
