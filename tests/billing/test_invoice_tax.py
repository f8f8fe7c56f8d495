"""An invoice keeps the tax it was made with, and collects what the customer's balance left."""

from decimal import Decimal

from sqlalchemy.orm import Session

from app.billing import balances, invoicing
from app.billing.models import InvoiceStatus
from app.core.money import Currency
from app.customers import customers
from app.ledger.queries import unbalanced
from app.pricing import taxes
from tests.billing.make import RATES, Sold, billed, drafted, lines_of, sold, use
from tests.make import BY_ADA, NOON, Make, cny, usd


def taxed(session: Session, make: Make, *, is_inclusive: bool) -> Sold:
    """Sell for 149.00 at a default tax of six percent."""
    rate = make.tax_rate(is_inclusive=is_inclusive)
    taxes.set_default(session, rate.id, **BY_ADA)
    sale = sold(make)
    use(session, sale, "14900")
    return sale


def test_a_tax_within_the_price_is_shown_and_not_added(session: Session, make: Make) -> None:
    invoice = billed(session, taxed(session, make, is_inclusive=True))

    assert (invoice.subtotal, invoice.tax, invoice.total) == (usd(14_057), usd(843), usd(14_900))
    (line,) = lines_of(session, invoice)
    assert (line.tax_percent, line.tax_is_inclusive, line.tax_minor) == (Decimal(6), True, 843)


def test_a_tax_on_top_is_collected_too(session: Session, make: Make) -> None:
    invoice = billed(session, taxed(session, make, is_inclusive=False))

    assert (invoice.subtotal, invoice.tax, invoice.total) == (usd(14_900), usd(894), usd(15_794))
    assert invoice.collection == cny(113_114)


def test_an_exempt_customer_pays_none(session: Session, make: Make) -> None:
    sale = taxed(session, make, is_inclusive=False)
    customers.set_tax(
        session, sale.contract.customer_id, tax_rate_id=None, is_exempt=True, **BY_ADA
    )

    invoice = billed(session, sale)

    assert (invoice.tax, invoice.total) == (usd(0), usd(14_900))
    assert [line.tax_percent for line in lines_of(session, invoice)] == [None]


def test_the_tax_is_that_of_the_day_it_is_finalised(session: Session, make: Make) -> None:
    sale = taxed(session, make, is_inclusive=False)
    invoice = drafted(session, sale)
    taxes.set_default(session, make.tax_rate(percent=Decimal(13), is_inclusive=False).id, **BY_ADA)

    invoicing.finalize(session, invoice.id, rates=RATES, now=NOON)

    assert invoice.tax == usd(1_937)


def test_what_is_final_keeps_its_tax(session: Session, make: Make) -> None:
    invoice = billed(session, taxed(session, make, is_inclusive=False))

    taxes.set_default(session, make.tax_rate(percent=Decimal(13)).id, **BY_ADA)

    assert invoice.tax == usd(894)
    assert [line.tax_percent for line in lines_of(session, invoice)] == [Decimal(6)]


def give(session: Session, sale: Sold, minor: int) -> None:
    customer_id = sale.contract.customer_id
    balances.adjust(session, customer_id, cny(minor), reason="Thanks", **BY_ADA)


def test_the_fee_is_on_what_the_balance_left(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "12641")
    give(session, sale, 533)

    invoice = billed(session, sale)

    assert (invoice.collection, invoice.balance_used, invoice.due) == (
        cny(90_533),
        cny(533),
        cny(90_000),
    )
    assert (invoice.platform_fee, invoice.net) == (cny(2_700), cny(87_300))
    assert invoice.settlement.currency is Currency.USD
    assert invoice.settlement == usd(12_190)
    assert unbalanced(session) == []


def test_what_the_balance_pays_whole_is_paid_at_once(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "12641")
    give(session, sale, 100_000)

    invoice = billed(session, sale)

    assert (invoice.status, invoice.due, invoice.platform_fee) == (
        InvoiceStatus.PAID,
        cny(0),
        cny(0),
    )
    assert unbalanced(session) == []
