"""What a payer is told when it does not go straight on: honestly, and with what he can do."""

import re
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask

from app.audit.recording import SYSTEM
from app.billing import collection
from app.channels.base import ChannelName, Method, RefundState
from app.checkout import asking
from app.checkout.visits import Link
from app.core import clock
from app.core.db import Transaction
from app.core.ids import new_id
from app.core.language import Language
from app.documents import store
from app.documents.models import DocumentKind
from app.identity.models import Mode
from app.payments import queries, refund_moves
from app.payments.capture import record_capture
from app.risk import freezes
from app.risk.models import RiskLimit, Switch
from app.risk.rules import Rule
from tests.checkout.conftest import Due, Simulator
from tests.checkout.payer import Payer
from tests.make import ADA, cny
from tests.payments.backing import answer, ask_back
from tests.payments.builders import order_for, paid

capture = partial(record_capture, channel=ChannelName.WECHAT)


def test_who_says_he_has_paid_is_told_what_the_channel_says(app: Flask, due: Due) -> None:
    payer = Payer(app, due.path)
    payer.look("?lang=en")
    payer.choose("wechat")

    assert payer.say_paid() == "open"
    assert "no payment has arrived there yet" in payer.text
    assert payer.say_paid() == "open"
    assert "We asked a moment ago" in payer.text


def test_who_says_he_has_paid_and_has_is_believed_by_the_channels_word(
    app: Flask, simulator: Simulator, due: Due
) -> None:
    payer = Payer(app, due.path)
    payer.look()
    payer.choose("wechat")
    simulator.control("pay", qr=payer.code, notify="drop")

    assert payer.say_paid() == "paid"


def test_who_says_he_has_paid_to_a_silent_channel_is_told_to_wait(silent: Flask, due: Due) -> None:
    payer = Payer(silent, due.path)
    payer.look("?lang=en")
    payer.choose("wechat")

    assert payer.say_paid() == "down"
    assert "Please do not pay twice" in payer.text


def test_who_says_he_has_paid_before_anything_was_opened_is_told_so(app: Flask, due: Due) -> None:
    payer = Payer(app, due.path)
    payer.look("?lang=en")

    payer.say_paid()

    assert "No payment of this invoice was begun" in payer.text


def test_who_says_so_too_often_is_told_to_wait_and_no_channel_is_asked(
    app: Flask, due: Due
) -> None:
    payer = Payer(app, due.path)
    payer.look("?lang=en")
    payer.choose("wechat")

    for _ in range(10):
        payer.say_paid()
        assert "That was often" not in payer.text
    payer.say_paid()

    assert "That was often. We keep asking by ourselves" in payer.text


def test_all_payers_of_a_merchant_share_what_the_channels_are_asked(app: Flask) -> None:
    merchant_id, first = new_id(), new_id()
    links = [Link("", merchant_id, Mode.SANDBOX, first + number) for number in range(31)]
    with app.app_context():
        assert all(asking.may_ask(link) for link in links[:30] for _ in range(10))

        assert not asking.may_ask(links[30])


def test_money_for_an_old_code_is_found_by_saying_so(
    app: Flask, simulator: Simulator, due: Due
) -> None:
    """Alipay lets a code that nobody had scanned be paid after we closed it."""
    payer = Payer(app, due.path)
    payer.look()
    payer.choose("alipay")
    old = payer.code
    payer.choose("wechat")
    simulator.control("pay", qr=old, notify="drop")

    assert payer.say_paid() == "paid"


def test_both_clocks_are_told(app: Flask, transaction: Transaction, due: Due) -> None:
    with transaction() as session:
        order = order_for(session, due.invoice)
        capture(session, paid(order), now=clock.now())
    payer = Payer(app, due.path)

    assert payer.look("?lang=en") == "paid"
    assert re.search(r"The channel says</dt>\s*<dd>\s*SUCCESS\s+<time", payer.text)
    assert re.search(r"Credited by us</dt>\s*<dd>\s*<time", payer.text)


@pytest.mark.parametrize(
    ("fen", "headline"), [(90_533, "Refunded in full"), (30_000, "Partially refunded")]
)
def test_a_refund_is_told_with_its_amount_and_when(
    app: Flask, transaction: Transaction, *, due: Due, fen: int, headline: str
) -> None:
    now = clock.now()
    with transaction() as session:
        order = order_for(session, due.invoice)
        capture(session, paid(order), now=now)
        refund = ask_back(session, due.invoice, cny(fen), now=now)
    payer = Payer(app, due.path)
    assert payer.look("?lang=en") == "paid"
    assert "Refund on its way" in payer.text

    with transaction() as session:
        refund_moves.record(session, refund.id, answer(refund, RefundState.SUCCEEDED), now=now)

    payer.look()
    assert headline in payer.text
    assert "Refund on its way" not in payer.text


def test_a_second_payment_is_told_to_go_back(
    app: Flask, transaction: Transaction, due: Due
) -> None:
    with transaction() as session:
        for method in (Method.NATIVE, Method.H5):
            capture(session, paid(order_for(session, due.invoice, method=method)), now=clock.now())
    payer = Payer(app, due.path)

    assert payer.look("?lang=en") == "paid"
    assert "It goes back to where it came from by itself" in payer.text


def test_a_wrong_amount_is_told_and_the_right_one_can_still_be_paid(
    app: Flask, transaction: Transaction, due: Due
) -> None:
    with transaction() as session:
        capture(session, paid(order_for(session, due.invoice), cny(29_100)), now=clock.now())
    payer = Payer(app, due.path)

    assert payer.look("?lang=en") == "amount"
    assert "¥291.00" in payer.text
    assert "It is kept safe for you" in payer.text
    assert payer.choose("wechat") == "open"


def test_a_frozen_merchants_page_says_so_politely(
    app: Flask, transaction: Transaction, due: Due
) -> None:
    payer = Payer(app, due.path)
    payer.look("?lang=en")
    with transaction() as session:
        freezes.freeze(session, Switch.CHECKOUT, reason="a check", actor=ADA, now=clock.now())

    assert payer.choose("wechat") == "frozen"
    assert "Payments are paused for now" in payer.text
    assert "a check" not in payer.text
    with transaction() as session:
        assert queries.list_of_invoice(session, due.invoice.id) == []


@pytest.mark.parametrize(
    ("rule", "reason", "count"),
    [
        (Rule.WECHAT_PAYMENT, "The amount is above what it takes at once.", 1),
        (Rule.DAILY_AMOUNT, "The limit of the day is reached.", 2),
    ],
)
def test_a_channel_that_does_not_take_it_says_why(
    app: Flask, transaction: Transaction, *, due: Due, rule: Rule, reason: str, count: int
) -> None:
    merchant_id = due.invoice.merchant_id
    with transaction() as session:
        session.add(RiskLimit(for_merchant_id=merchant_id, rule=rule, maximum=100))
    payer = Payer(app, due.path)

    assert payer.look("?lang=en") == "open"
    assert payer.text.count(reason) == count
    assert payer.text.count(" disabled>") == count
    assert payer.choose_way("wechat.native") == "open"
    assert "<svg viewBox" not in payer.text


def test_an_invoice_that_was_given_up_can_still_be_paid(
    app: Flask, transaction: Transaction, due: Due
) -> None:
    with transaction() as session:
        invoice = collection.lock_invoice(session, due.invoice.id)
        collection.give_up(session, invoice, actor=SYSTEM, now=clock.now())
    payer = Payer(app, due.path)
    payer.look()

    assert payer.choose("wechat") == "open"


def test_a_superseded_code_is_not_rotated_while_another_way_is_open(
    app: Flask, transaction: Transaction, due: Due
) -> None:
    with transaction() as session:
        order_for(session, due.invoice)  # ran out long ago
    payer = Payer(app, due.path)
    payer.look("?way=wechat.native")
    assert "data-rotate" in payer.text

    with transaction() as session:
        soon = clock.now() + timedelta(minutes=5)
        order_for(session, due.invoice, method=Method.H5, expires_at=soon)

    payer.look("?way=wechat.native")
    assert payer.state == "expired"
    assert "data-rotate" not in payer.text


def test_a_paid_invoices_documents_are_downloaded_by_the_link(
    app: Flask, transaction: Transaction, due: Due
) -> None:
    storage = app.extensions["buffmoney"].storage
    for kind in (DocumentKind.INVOICE_PDF, DocumentKind.RECEIPT_PDF):
        for language in Language:
            store.store_document(
                transaction,
                storage,
                b"%PDF " + kind.encode() + language.encode(),
                kind=kind,
                subject_id=due.invoice.id,
                language=language,
                now=clock.now(),
            )
    payer = Payer(app, due.path)
    assert payer.client.get(f"{due.path}/documents/receipt").status_code == 404

    with transaction() as session:
        capture(session, paid(order_for(session, due.invoice)), now=clock.now())
    payer.look()
    receipt = payer.client.get(f"{due.path}/documents/receipt")

    assert f'href="{due.path}/documents/receipt"' in payer.text
    assert receipt.data == b"%PDF receipt_pdfzh_Hans_CN"
    assert receipt.headers["Content-Disposition"].endswith('-receipt.pdf"')
    assert payer.client.get(f"{due.path}/documents/other").status_code == 404
    assert payer.client.get(f"{due.path[:-1]}~/documents/receipt").status_code == 404
