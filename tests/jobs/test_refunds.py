"""A buyer is told of a refund once, and again when somebody asks for it."""

from functools import partial

import pytest
from flask import Flask
from sqlalchemy import Engine

from app.core import clock
from app.core.db import Transaction, begin
from app.core.ids import Prefix, show
from app.customers.models import Customer
from app.payments import refund_mailing, refund_moves, refund_queries
from app.payments.refund_models import Refund
from jobs import refunds
from tests.make import Make, cny
from tests.payments.backing import answer, ask_back, paid_invoice

pytestmark = pytest.mark.usefixtures("queue")  # nothing else is due


@pytest.fixture
def of_merchant(engine: Engine, app: Flask) -> Transaction:
    """Open transactions of a merchant whose Chinese buyer was refunded 300 CNY."""
    merchant_id = Make.new_merchant_id()
    transaction = partial(begin, engine, merchant_id)
    with transaction() as session:
        Make(session).merchant()
        invoice, _ = paid_invoice(session, now=clock.now())
        customer = session.get_one(Customer, (merchant_id, invoice.customer_id))
        customer.email, customer.language = "buyer@acme.example", "zh_Hans_CN"
        refund = ask_back(session, invoice, cny(30_000), now=clock.now())
        refund_moves.record(session, refund.id, answer(refund), now=clock.now())
    assert app
    return transaction


def only_refund(of_merchant: Transaction) -> Refund:
    with of_merchant() as session:
        return refund_queries.list_refunds(session).rows[0]


def test_the_buyer_is_told_what_came_back_and_why(of_merchant: Transaction) -> None:
    refund = only_refund(of_merchant)
    tell = partial(
        refunds.mail, merchant_id=refund.merchant_id, refund=show(Prefix.REFUND, refund.id)
    )

    tell()
    tell()

    with of_merchant() as session:
        [mail] = refund_mailing.list_mails(session, refund)
        assert mail.recipient == "buyer@acme.example"
        assert "300.00" in mail.text_body
        assert "服务未交付" in mail.text_body


def test_whoever_asks_for_it_again_gets_another(of_merchant: Transaction) -> None:
    refund = only_refund(of_merchant)
    tell = partial(
        refunds.mail, merchant_id=refund.merchant_id, refund=show(Prefix.REFUND, refund.id)
    )
    tell()

    for _ in range(2):  # a job may run twice
        tell(again="rsd_0123456789abc")

    with of_merchant() as session:
        assert len(refund_mailing.list_mails(session, refund)) == 2
