"""The rules' full example, from the events on to the fen: usage, coupon, rates, fee, payment."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import attachments, invoicing, queries
from app.billing.models import Invoice, InvoiceStatus
from app.channels.base import ChannelName
from app.core.db import Transaction
from app.identity import clocks
from app.ledger.queries import unbalanced
from app.metering.events import Outcome
from app.metering.ingestion import MerchantWindow, ingest
from app.payments import queries as payments
from app.payments.capture import record_capture
from app.pricing import coupons
from app.pricing.coupons import Benefit, Bounds
from tests.billing.make import RATES, Sent
from tests.make import ADA, Make, cny, usd
from tests.payments.builders import FakeChannel, books, opened_at, paid

FIRST_OF_MAY = datetime(2026, 4, 30, 16, tzinfo=UTC)  # midnight in Shanghai
MAY_20 = datetime(2026, 5, 20, 4, tzinfo=UTC)
LAST_OF_MAY = datetime(2026, 5, 31, 15, 59, 59, tzinfo=UTC)
FIRST_OF_JUNE = datetime(2026, 5, 31, 16, tzinfo=UTC)
GRACE_OVER = datetime(2026, 6, 1, 16, tzinfo=UTC)

PRICES = [
    {
        "metric": "tokens_input",
        "model": "standard",
        "unit_price": "0.00025",  # cents: 0.0000025 USD
        "free_units": "1000000",
        "filters": [
            {"match": {"model": ["gpt-5"]}, "model": "standard", "unit_price": "0.001"},
        ],
    },
    {"metric": "images", "model": "package", "package_size": "100", "package_price": "400"},
]


def tokens(quantity: str, model: str, *, at: datetime) -> Sent:
    return Sent("tokens_input", at, quantity=quantity, dimensions={"model": model})


EVENTS = [
    tokens("12000000", "gpt-5", at=FIRST_OF_MAY),
    tokens("345678", "gpt-5", at=LAST_OF_MAY),
    tokens("2999999", "deepseek-v3", at=MAY_20),
    tokens("1", "qwen3", at=LAST_OF_MAY.replace(second=58)),
    Sent("images", MAY_20.replace(hour=5), quantity="250"),
    # The first instant of June: not of this invoice.
    tokens("77777777", "gpt-5", at=FIRST_OF_JUNE),
]


def set_up(session: Session) -> int:
    """Return the contract that sells to `acme` from the first of May, with ten percent off once."""
    make = Make(session)
    clocks.get_merchant(session).invoice_prefix = "MER"
    make.metric(code="tokens_input", dimensions={"model": None})
    make.metric(code="images")
    contract = make.contract(
        make.rate_card_version({"currencies": {"USD": PRICES}}),
        customer_id=make.customer(external_id="acme").id,
    )
    coupon = coupons.create_coupon(
        session,
        code="WELCOME10",
        name="Welcome",
        benefit=Benefit(percent="10"),
        bounds=Bounds(),
        actor=ADA,
        now=FIRST_OF_MAY,
    )
    attachments.attach(session, contract.id, coupon.id, actor=ADA, now=FIRST_OF_MAY)
    return contract.id


def send(transaction: Transaction, events: Iterable[Sent]) -> None:
    with transaction() as session:
        window = MerchantWindow("Asia/Shanghai", 400)
        results = ingest(session, list(events), merchant=window, now=FIRST_OF_JUNE)
    assert {result.outcome for result in results} == {Outcome.ACCEPTED}


def the_invoice(session: Session) -> Invoice:
    return session.scalars(select(Invoice)).one()


@pytest.fixture
def finalized(transaction: Transaction) -> Transaction:
    """Use, bill and finalise May."""
    with transaction() as session:
        contract_id = set_up(session)
    send(transaction, EVENTS)
    with transaction() as session:
        draft = invoicing.draft(session, contract_id, now=FIRST_OF_JUNE)
    assert draft is not None
    assert draft.finalize_at == GRACE_OVER
    with transaction() as session:
        invoicing.finalize(session, draft.id, rates=RATES, now=GRACE_OVER)
    return transaction


def test_the_lines_are_rounded_once_and_share_the_coupon(finalized: Transaction) -> None:
    with finalized() as session:
        lines = queries.lines_of(session, the_invoice(session))

        assert [line.quantity for line in lines] == [12_345_678, 3_000_000, 250]
        assert [line.amount_minor for line in lines] == [12_346, 500, 1_200]
        assert [line.discount_minor for line in lines] == [1_235, 50, 120]


def test_the_invoice_locks_its_amounts(finalized: Transaction) -> None:
    with finalized() as session:
        invoice = the_invoice(session)

    assert (invoice.status, invoice.number) == (InvoiceStatus.OPEN, "MER-2026-000001")
    assert (invoice.discount, invoice.subtotal, invoice.tax) == (usd(1_405), usd(12_641), usd(0))
    assert invoice.fx is not None
    assert invoice.fx.pricing_midpoint == Decimal("710.50")
    assert invoice.fx.pricing_rate == Decimal("7.16184000")
    assert (invoice.collection, invoice.due) == (cny(90_533), cny(90_533))
    assert (invoice.platform_fee, invoice.net) == (cny(2_716), cny(87_817))
    assert invoice.settlement == usd(12_262)


def test_the_books_hold_the_receivable(finalized: Transaction) -> None:
    with finalized() as session:
        assert books(session) == {"receivable CNY": 90_533, "merchant_uncollected CNY": -90_533}


def test_paid_by_wechat_the_merchant_is_owed_the_settlement(finalized: Transaction) -> None:
    channel = FakeChannel()
    with finalized() as session:
        invoice_id = the_invoice(session).id
    opened_at(finalized, channel, invoice_id, now=GRACE_OVER)

    with finalized() as session:
        (order,) = payments.list_of_invoice(session, invoice_id)
        assert order.amount == cny(90_533)
        record_capture(session, paid(order), channel=ChannelName.WECHAT, now=GRACE_OVER)

    with finalized() as session:
        assert the_invoice(session).status is InvoiceStatus.PAID
        assert books(session) == {
            "channel_clearing/wechat CNY": 90_533,
            "platform_fee_revenue CNY": -2_716,
            "fx_clearing CNY": -87_817,
            "fx_clearing USD": 12_262,
            "merchant_payable USD": -12_262,
        }
        assert unbalanced(session) == []
