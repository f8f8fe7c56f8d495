"""The fapiao's amounts add up to what is left of the invoice, each rate with its own tax."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.billing.fapiao_amounts import TaxRow, left_of, tax_of, tax_rows
from app.billing.models import Invoice, InvoiceLine
from tests.make import cny

SIX = Decimal("6.0000")


def invoice(collection: int, credited: int = 0) -> Invoice:
    return Invoice(collection_minor=collection, credited_minor=credited)


def line(
    amount: int, tax: int = 0, percent: Decimal | None = None, *, is_inclusive: bool = False
) -> InvoiceLine:
    return InvoiceLine(
        position=1,
        amount_minor=amount,
        discount_minor=0,
        tax_minor=tax,
        tax_percent=percent,
        tax_is_inclusive=is_inclusive,
    )


def test_an_invoice_without_tax_has_one_row() -> None:
    assert tax_rows(invoice(90_533), [line(12_641)]) == (TaxRow(None, cny(90_533), cny(0)),)


def test_tax_on_top_is_within_the_amount() -> None:
    rows = tax_rows(invoice(10_600), [line(10_000, 600, SIX)])

    assert rows == (TaxRow(SIX, cny(10_600), cny(600)),)


def test_inclusive_tax_is_within_the_amount_too() -> None:
    rows = tax_rows(invoice(10_600), [line(10_600, 600, SIX, is_inclusive=True)])

    assert rows == (TaxRow(SIX, cny(10_600), cny(600)),)


def test_a_foreign_price_is_taxed_in_yuan() -> None:
    rows = tax_rows(invoice(75_915), [line(10_000, 600, SIX)])

    assert rows == (TaxRow(SIX, cny(75_915), cny(4_297)),)


def test_each_rate_has_its_row() -> None:
    rows = tax_rows(invoice(20_600), [line(10_000, 600, SIX), line(10_000)])

    assert rows == (
        TaxRow(None, cny(10_000), cny(0)),
        TaxRow(SIX, cny(10_600), cny(600)),
    )


def test_what_was_credited_is_not_on_it() -> None:
    credited = invoice(10_600, 5_300)

    assert left_of(credited) == cny(5_300)
    assert tax_rows(credited, [line(10_000, 600, SIX)]) == (TaxRow(SIX, cny(5_300), cny(300)),)


def test_an_invoice_without_lines_is_untaxed() -> None:
    assert tax_rows(invoice(500), []) == (TaxRow(None, cny(500), cny(0)),)


def test_a_row_is_read_as_it_was_stored() -> None:
    row = TaxRow(SIX, cny(10_600), cny(600))

    assert row.dump() == {"percent": "6", "amount": 10_600, "tax": 600}
    assert TaxRow.load(row.dump()) == row


AMOUNTS = st.lists(st.tuples(st.integers(1, 10**9), st.sampled_from([None, SIX, Decimal(13)])))


@given(AMOUNTS, st.integers(1, 10**10))
def test_the_rows_add_up_and_no_tax_is_larger_than_its_row(
    amounts: list[tuple[int, Decimal | None]], collection: int
) -> None:
    lines = [
        line(amount, int(amount * percent / 100) if percent else 0, percent)
        for amount, percent in amounts
    ]

    rows = tax_rows(invoice(collection), lines)

    assert sum(row.amount.minor for row in rows) == collection
    assert all(0 <= row.tax.minor <= row.amount.minor for row in rows)
    assert tax_of(rows).minor == sum(row.tax.minor for row in rows)
