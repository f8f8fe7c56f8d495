"""From the link to the paid invoice, over real HTTP between product and channel, both ways."""

import time

import pytest
from flask import Flask

from app.billing import collection
from app.billing.models import InvoiceStatus
from app.billing.queries import get_invoice
from app.core.db import Transaction
from app.payments import queries
from app.payments.models import PaymentStatus
from jobs.payments import heal
from tests.checkout.conftest import Due, Simulator
from tests.checkout.payer import Payer
from tests.make import NOON
from tests.payments.builders import books, issue, order_for


def test_a_first_look_shows_the_amount_and_opens_nothing(
    app: Flask, transaction: Transaction, due: Due
) -> None:
    payer = Payer(app, due.path)

    assert payer.look() == "open"
    assert "905<em>.33</em>" in payer.text
    assert "<svg viewBox" not in payer.text
    with transaction() as session:
        assert queries.find_newest(session, due.invoice.id) is None


@pytest.mark.parametrize("channel", ["wechat", "alipay"])
def test_scanning_and_paying_pays_the_invoice(
    app: Flask, simulator: Simulator, transaction: Transaction, *, due: Due, channel: str
) -> None:
    payer = Payer(app, due.path)
    payer.look()
    assert payer.choose(channel) == "open"
    assert payer.poll().status_code == 204

    simulator.control("pay", qr=payer.code)

    payer.wait_for("paid")
    assert payer.look() == "paid"
    with transaction() as session:
        assert books(session)[f"channel_clearing/{channel} CNY"] == 90_533


def test_a_lost_callback_heals_while_the_payer_waits(
    app: Flask, simulator: Simulator, due: Due
) -> None:
    payer = Payer(app, due.path)
    payer.look()
    payer.choose("wechat")

    simulator.control("pay", qr=payer.code, notify="drop")

    payer.wait_for("paid", seconds=10)


def test_a_forged_callback_pays_nothing_and_the_query_still_does(
    app: Flask, simulator: Simulator, due: Due
) -> None:
    payer = Payer(app, due.path)
    payer.look()
    payer.choose("alipay")

    simulator.control("pay", qr=payer.code, notify="bad_signature")

    payer.wait_for("paid", seconds=10)


def test_another_amount_leaves_the_invoice_open(
    app: Flask, simulator: Simulator, transaction: Transaction, *, due: Due
) -> None:
    payer = Payer(app, due.path)
    payer.look()
    payer.choose("wechat")

    simulator.control("pay", qr=payer.code, amountMinor=1)

    deadline = time.monotonic() + 10
    while payer.poll().status_code == 204:
        assert time.monotonic() < deadline, "the page was not told"
        time.sleep(0.2)
    assert payer.state == "amount"
    assert "¥0.01" in payer.text
    assert "金额不符" in payer.text
    with transaction() as session:
        [case] = queries.list_unallocated(session)
        assert case.amount_minor == 1
        assert get_invoice(session, due.invoice.id).status is InvoiceStatus.OPEN


def test_choosing_the_same_again_shows_the_same_code(app: Flask, due: Due) -> None:
    payer = Payer(app, due.path)
    payer.look()
    payer.choose("wechat")
    first = payer.code

    payer.choose("wechat")

    assert payer.code == first


def test_going_to_another_channel_and_back_leaves_one_code_that_can_be_paid(
    app: Flask, transaction: Transaction, due: Due
) -> None:
    payer = Payer(app, due.path)
    payer.look()
    codes = []
    for channel in ("wechat", "alipay", "wechat"):
        payer.choose(channel)
        codes.append(payer.code)

    assert len(set(codes)) == 3
    with transaction() as session:
        states = [order.status for order in queries.list_of_invoice(session, due.invoice.id)]
    assert states == [PaymentStatus.CLOSED, PaymentStatus.CLOSED, PaymentStatus.PENDING]


def test_coming_back_shows_the_code_that_still_waits(app: Flask, due: Due) -> None:
    payer = Payer(app, due.path)
    payer.look()
    payer.choose("alipay")
    code = payer.code

    payer.look()

    assert payer.code == code


def test_a_void_invoice_says_so_and_opens_nothing(
    app: Flask, transaction: Transaction, due: Due
) -> None:
    payer = Payer(app, due.path)
    payer.look()
    with transaction() as session:
        invoice = collection.lock_invoice(session, due.invoice.id)
        collection.void(session, invoice, reason="wrong customer", now=NOON)

    assert payer.choose("wechat") == "closed"
    with transaction() as session:
        assert queries.find_newest(session, due.invoice.id) is None


def test_an_invoice_of_zero_needs_nothing(app: Flask, transaction: Transaction) -> None:
    with transaction() as session:
        free = issue(session, collection_minor=0)

    assert Payer(app, f"/pay/{collection.link_token(free)}").look() == "free"


def test_a_code_that_ran_out_is_replaced_by_a_new_one(
    app: Flask, transaction: Transaction, due: Due
) -> None:
    with transaction() as session:
        old = order_for(session, due.invoice)  # it ran out long ago, and no channel knows it
    payer = Payer(app, due.path)
    assert payer.look("?way=wechat.native") == "expired"

    assert payer.choose("wechat") == "open"

    with transaction() as session:
        assert queries.get_order(session, old.id).status is PaymentStatus.CLOSED


def test_a_silent_channel_is_down_and_the_other_attempt_is_kept(
    silent: Flask, transaction: Transaction, due: Due
) -> None:
    payer = Payer(silent, due.path)
    payer.look()

    assert payer.choose("wechat") == "down"
    assert payer.poll().status_code == 204
    with transaction() as session:
        order = queries.find_newest(session, due.invoice.id)
        assert order is not None
        assert order.status is PaymentStatus.CREATED


def test_after_silence_the_next_try_pays_with_the_same_order(
    silent: Flask, app: Flask, transaction: Transaction, *, due: Due
) -> None:
    before = Payer(silent, due.path)
    before.look()
    before.choose("wechat")

    payer = Payer(app, due.path)
    payer.look()

    assert payer.choose("wechat") == "open"
    with transaction() as session:
        assert len(queries.list_of_invoice(session, due.invoice.id)) == 1


def test_the_sweep_finds_what_no_callback_and_no_page_told(
    app: Flask, simulator: Simulator, transaction: Transaction, *, due: Due
) -> None:
    payer = Payer(app, due.path)
    payer.look()
    payer.choose("alipay")
    simulator.control("pay", qr=payer.code, notify="drop")
    with transaction() as session:
        order = queries.find_newest(session, due.invoice.id)
        assert order is not None
        order.next_query_at = order.created_at  # its five seconds are over

    with app.app_context():
        heal()

    assert payer.look() == "paid"
