"""An old invoice is issued anew with the rates of the day; the old one is void, nothing is lost."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import balances, collection, credit_notes, reissue
from app.billing.credit_models import CreditReason
from app.billing.credit_notes import CreditRequest
from app.billing.models import Invoice, InvoiceStatus
from app.billing.reissue import InvoiceWasCredited, ReissueTooEarly
from app.core.db import Transaction
from app.core.errors import NotFound
from app.core.money import Currency
from app.fx.fixture import FixtureRates
from app.fx.rates import Midpoint, NoRate
from app.webhooks.models import WebhookEvent
from tests.billing.make import RATES, SilentRates, billed, books, lines_of, sold, use
from tests.make import ADA, NOON, Make, cny, usd
from tests.pricing.races import race

LATER = NOON + timedelta(days=31)


class DearDollar(FixtureRates):
    """The fixture's rates, but for the dollar, which costs 720.00 now."""

    def midpoint(self, currency: Currency, *, at: datetime) -> Midpoint:
        found = super().midpoint(currency, at=at)
        if currency is not Currency.USD:
            return found
        return Midpoint(found.publisher, currency, Decimal(720), found.published_at)


@pytest.fixture
def invoice(session: Session, make: Make) -> Invoice:
    """Return an open invoice over 126.41 USD, at 7.16184 and so 905.33 CNY."""
    sale = sold(make)
    use(session, sale, "12641")
    return billed(session, sale)


def anew(session: Session, invoice: Invoice, **how: object) -> Invoice:
    how = {"rates": DearDollar(), "now": LATER} | how
    return reissue.reissue(session, invoice.id, actor=ADA, **how)  # type: ignore[arg-type]  # rates and time


def test_the_same_lines_cost_what_they_cost_today(session: Session, invoice: Invoice) -> None:
    new = anew(session, invoice)

    assert (new.status, new.number, new.issue) == (InvoiceStatus.OPEN, "LUM-2026-000002", 2)
    assert (new.reissue_of_id, new.total) == (invoice.id, usd(12_641))
    assert (new.collection, new.due) == (cny(91_743), cny(91_743))  # 126.41 × 7.2576
    assert new.due_at == LATER + timedelta(days=14)
    assert new.link_secret != invoice.link_secret
    (old_line,), (line,) = lines_of(session, invoice), lines_of(session, new)
    assert (line.description, line.quantity, line.amount_minor) == (
        old_line.description,
        old_line.quantity,
        12_641,
    )


def test_the_old_one_is_void_and_keeps_its_number(session: Session, invoice: Invoice) -> None:
    anew(session, invoice)

    assert (invoice.status, invoice.number) == (InvoiceStatus.VOID, "LUM-2026-000001")
    assert invoice.void_reason == reissue.WHY_VOID
    assert books(session) == {
        "receivable": 91_743,
        "merchant_uncollected": -91_743,
        "sales_clearing": 91_743,
        "revenue": -91_743,
    }


def test_it_is_told(session: Session, invoice: Invoice) -> None:
    anew(session, invoice)

    session.flush()
    events = session.scalars(select(WebhookEvent).order_by(WebhookEvent.id)).all()
    assert [event.event_type for event in events] == [
        "invoice.created",
        "invoice.voided",
        "invoice.created",
        "invoice.reissued",
    ]
    assert '"replacesNumber":"LUM-2026-000001"' in events[-1].payload


def test_a_given_up_one_is_owed_again(session: Session, invoice: Invoice) -> None:
    collection.give_up(session, invoice, now=LATER)

    new = anew(session, invoice)

    assert invoice.status is InvoiceStatus.VOID
    assert books(session)["receivable"] == new.due_minor
    assert "bad_debt" not in books(session)


def test_the_balance_that_paid_the_old_one_pays_the_new_one(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "12641")
    balances.adjust(
        session, sale.contract.customer_id, cny(533), reason="Thanks", actor=ADA, now=NOON
    )
    old = billed(session, sale)

    new = anew(session, old)

    assert (new.balance_used, new.due) == (cny(533), cny(91_210))
    assert balances.balance_of(session, new.customer_id) == cny(0)


def test_it_may_be_issued_anew_again(session: Session, invoice: Invoice) -> None:
    second = anew(session, invoice)

    third = anew(session, second, now=LATER + timedelta(days=31))

    assert (third.issue, third.reissue_of_id) == (3, second.id)


def test_rates_that_still_hold_are_not_replaced(session: Session, invoice: Invoice) -> None:
    with pytest.raises(ReissueTooEarly):
        anew(session, invoice, now=NOON + timedelta(days=30))

    assert invoice.status is InvoiceStatus.OPEN


def test_what_was_paid_void_or_credited_is_not_issued_anew(
    session: Session, make: Make, invoice: Invoice
) -> None:
    request = CreditRequest(CreditReason.CORRECTION, total_minor=1)
    credit_notes.issue(session, invoice.id, request, actor=ADA, now=NOON)
    void = billed(session, sold(make))

    with pytest.raises(InvoiceWasCredited):
        anew(session, invoice)
    with pytest.raises(collection.InvoiceNotOpen):
        anew(session, void)  # it came to nothing, and is paid
    with pytest.raises(NotFound):
        reissue.reissue(session, 4711, rates=RATES, actor=ADA, now=LATER)


def test_without_a_rate_nothing_changes(session: Session, invoice: Invoice) -> None:
    with pytest.raises(NoRate):
        anew(session, invoice, rates=SilentRates())

    assert invoice.status is InvoiceStatus.OPEN
    assert session.scalars(select(Invoice)).all() == [invoice]


def test_of_many_at_once_one_is_issued(transaction: Transaction) -> None:
    with transaction() as session:
        sale = sold(Make(session))
        use(session, sale, "12641")
        invoice_id = billed(session, sale).id

    def once(session: Session, runner: int) -> str | None:
        del runner
        return reissue.reissue(session, invoice_id, rates=RATES, actor=ADA, now=LATER).number

    results, refusals = race(transaction, once)

    assert results == ["LUM-2026-000002"]
    assert set(refusals) == {"invoice_not_open"}
