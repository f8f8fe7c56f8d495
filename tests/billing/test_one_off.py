"""An invoice written by hand: a draft that waits for its author, then an invoice as any other."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.billing import collection, invoicing, one_off, queries, runs
from app.billing.lines import LineTooLarge
from app.billing.models import Invoice, InvoiceKind, InvoiceStatus, LineKind
from app.billing.one_off import Item, NotADraftByHand, OneOff
from app.billing.proration import Days
from app.billing.run_models import RunTrigger
from app.core.db import Transaction
from app.core.decimals import InvalidDecimal
from app.core.errors import Invalid, NotFound, Refusal
from app.core.money import Currency
from app.core.text import InvalidText
from app.customers.contracts import CustomerArchived
from app.customers.models import CustomerStatus
from app.pricing import taxes
from tests.billing.make import RATES, all_invoices, billed, books, drafted, lines_of, sold, use
from tests.make import ADA, NOON, Make, cny, usd

SETUP = Item("Setup of the workspace", "1", "200000")
HOURS = Item("Consulting, hours", "2.5", "30000")


def asked(make: Make, *items: Item, **how: Any) -> OneOff:
    values: dict[str, Any] = {"currency": Currency.CNY, "items": items}
    how.setdefault("customer_id", 0)
    how["customer_id"] = how["customer_id"] or make.customer().id
    return OneOff(**values | how)


def finalized(session: Session, invoice: Invoice) -> Invoice:
    invoicing.finalize(session, invoice.id, rates=RATES, now=NOON)
    session.flush()
    return invoice


def test_a_draft_has_its_lines_and_its_totals(session: Session, make: Make) -> None:
    invoice = one_off.draft(session, asked(make, SETUP, HOURS, note="As offered"), now=NOON)

    assert (invoice.kind, invoice.status) == (InvoiceKind.ONE_OFF, InvoiceStatus.DRAFT)
    assert (invoice.contract_id, invoice.finalize_at, invoice.number) == (None, None, None)
    assert (invoice.total, invoice.note) == (cny(275_000), "As offered")
    assert (invoice.period_from, invoice.period_to) == (date(2026, 6, 2), date(2026, 6, 3))
    _, hours = lines_of(session, invoice)
    assert (hours.kind, hours.quantity, hours.amount_minor) == (
        LineKind.ITEM,
        Decimal("2.5"),
        75_000,
    )
    assert hours.tiers[0]["unit_price"] == "30000"


def test_a_line_by_hand_is_not_about_an_earlier_period(session: Session, make: Make) -> None:
    invoice = one_off.draft(session, asked(make, SETUP), now=NOON)

    (line,) = lines_of(session, invoice)
    assert invoice.earlier_period(line) is None


def test_finalised_it_is_an_invoice_as_any_other(session: Session, make: Make) -> None:
    draft = one_off.draft(session, asked(make, SETUP, currency=Currency.USD), now=NOON)

    invoice = finalized(session, draft)

    assert (invoice.status, invoice.number) == (InvoiceStatus.OPEN, "LUM-2026-000001")
    assert (invoice.total, invoice.collection) == (usd(200_000), cny(1_432_368))
    assert books(session)["receivable"] == 1_432_368
    assert [line.description for line in lines_of(session, invoice)] == [SETUP.description]
    collection.void(session, invoice, reason="a mistake", now=NOON)
    assert books(session) == {}


def test_it_has_a_period_of_its_own_choice(session: Session, make: Make) -> None:
    june = Days(date(2026, 6, 1), date(2026, 7, 1))

    invoice = one_off.draft(session, asked(make, SETUP, period=june), now=NOON)

    assert (invoice.period_from, invoice.period_to) == (june.first, june.end)
    assert invoice.period_end_at - invoice.period_start_at == timedelta(days=30)


def test_a_line_is_under_the_tax_it_names_else_its_customer_s(session: Session, make: Make) -> None:
    six = taxes.create_tax_rate(
        session, code="vat_6", name="VAT 6 %", percent="6", is_inclusive=False, actor=ADA, now=NOON
    )
    nine = taxes.create_tax_rate(
        session, code="vat_9", name="VAT 9 %", percent="9", is_inclusive=True, actor=ADA, now=NOON
    )
    customer = make.customer(tax_rate_id=six.id)
    items = (Item("Setup", "1", "10000"), Item("Book", "1", "10900", nine.id))

    invoice = finalized(
        session, one_off.draft(session, asked(make, *items, customer_id=customer.id), now=NOON)
    )

    assert [line.tax_minor for line in lines_of(session, invoice)] == [600, 900]
    assert (invoice.subtotal, invoice.tax, invoice.total) == (cny(20_000), cny(1_500), cny(21_500))


def test_one_that_comes_to_nothing_is_paid_at_once(session: Session, make: Make) -> None:
    draft = one_off.draft(session, asked(make, Item("Gift", "1", "0")), now=NOON)

    assert finalized(session, draft).status is InvoiceStatus.PAID
    assert books(session) == {}


def test_a_draft_is_rewritten_whole(session: Session, make: Make) -> None:
    invoice = one_off.draft(session, asked(make, SETUP, HOURS, note="Old"), now=NOON)
    other = asked(make, HOURS, currency=Currency.USD)

    one_off.rewrite(session, invoice.id, other, now=NOON)

    assert (invoice.total, invoice.note, invoice.customer_id) == (
        usd(75_000),
        "",
        other.customer_id,
    )
    assert len(lines_of(session, invoice)) == 1


def test_a_draft_is_thrown_away(session: Session, make: Make) -> None:
    invoice_id = one_off.draft(session, asked(make, SETUP), now=NOON).id

    one_off.discard(session, invoice_id)

    session.flush()
    with pytest.raises(NotFound):
        queries.get_invoice(session, invoice_id)


def test_what_is_issued_or_made_by_a_contract_is_not_changed_by_hand(
    session: Session, make: Make
) -> None:
    issued = finalized(session, one_off.draft(session, asked(make, SETUP), now=NOON))
    of_contract = drafted(session, sold(make))

    for row in (issued, of_contract):
        with pytest.raises(NotADraftByHand):
            one_off.rewrite(session, row.id, asked(make, HOURS), now=NOON)
        with pytest.raises(NotADraftByHand):
            one_off.discard(session, row.id)


def test_the_database_keeps_what_is_issued(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "1")
    invoice = billed(session, sale)

    session.delete(invoice)
    with pytest.raises(DBAPIError, match="keeps what was issued"):
        session.flush()


def test_no_run_finalises_it(transaction: Transaction) -> None:
    with transaction() as session:
        one_off.draft(session, asked(Make(session), SETUP), now=NOON)

    run = runs.run_due(
        transaction, RATES, trigger=RunTrigger.SCHEDULE, now=NOON + timedelta(days=400)
    )

    assert (run.finalized, run.failed) == (0, 0)
    with transaction() as session:
        (draft,) = all_invoices(session)
        assert draft.status is InvoiceStatus.DRAFT


@pytest.mark.parametrize(
    ("items", "how", "refusal", "path"),
    [
        ((), {}, Invalid, "items"),
        ((SETUP,) * 101, {}, Invalid, "items"),
        ((SETUP, Item("", "1", "1")), {}, InvalidText, "items[1].description"),
        ((Item("x" * 201, "1", "1"),), {}, InvalidText, "items[0].description"),
        ((Item("Setup", "0", "1"),), {}, InvalidDecimal, "items[0].quantity"),
        ((Item("Setup", "-1", "1"),), {}, InvalidDecimal, "items[0].quantity"),
        ((Item("Setup", "1", "1e3"),), {}, InvalidDecimal, "items[0].unit_price"),
        ((Item("Setup", "1", "0.0000000000001"),), {}, InvalidDecimal, "items[0].unit_price"),
        ((Item("Setup", "10000000", "10000001"),), {}, LineTooLarge, "items[0].unit_price"),
        ((Item("Setup", "1", "1", 4711),), {}, NotFound, ""),
        ((SETUP,), {"customer_id": 4711}, NotFound, ""),
        ((SETUP,), {"note": "x" * 501}, InvalidText, "note"),
        (
            (SETUP,),
            {"period": Days(date(2026, 6, 1), date(2026, 6, 1))},
            Invalid,
            "period_to",
        ),
    ],
)
def test_what_makes_no_invoice_is_refused(
    session: Session,
    make: Make,
    items: tuple[Item, ...],
    how: dict[str, Any],
    refusal: type[Refusal],
    path: str,
) -> None:
    with pytest.raises(refusal) as refused:
        one_off.draft(session, asked(make, *items, **how), now=NOON)

    assert refused.value.path == path
    assert session.scalars(select(Invoice)).all() == []


def test_an_archived_customer_gets_none(session: Session, make: Make) -> None:
    customer = make.customer(status=CustomerStatus.ARCHIVED)

    with pytest.raises(CustomerArchived):
        one_off.draft(session, asked(make, SETUP, customer_id=customer.id), now=NOON)
