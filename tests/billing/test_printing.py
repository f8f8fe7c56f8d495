"""What is printed is what was billed: every amount, the rate's source, and each tier."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.billing import printing
from app.core.language import Language
from app.core.money import Currency
from app.documents.invoice_print import (
    InvoicePrint,
    PrintForm,
    PrintLineKind,
    PrintPayment,
    PrintStep,
    PrintTier,
)
from app.documents.printing import render_invoice
from tests.billing.make import MAY_15, billed, drafted, send, sold, use
from tests.make import NOON, Make, cny, usd


def printed(session: Session, invoice_id: int, **wanted: Any) -> InvoicePrint:
    session.flush()
    return printing.print_model(session, invoice_id, language=Language.EN, **wanted)


def test_the_print_says_what_was_billed(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "12641")
    invoice = billed(session, sale)

    page = printed(session, invoice.id)

    assert (page.number, page.form) == ("LUM-2026-000001", PrintForm.INVOICE)
    assert (page.subtotal, page.collection) == (usd(12_641), cny(90_533))
    assert page.is_sandbox
    (line,) = page.lines
    assert (line.description, line.unit_price, line.amount) == ("Agent runs", "$0.01", usd(12_641))
    assert page.rate is not None
    assert (str(page.rate.midpoint), str(page.rate.rate)) == ("710.50", "7.16184000")
    assert (page.rate.currency, page.rate.spread_bps) == (Currency.USD, 80)


def test_tiers_are_printed_with_their_flat_fees(session: Session, make: Make) -> None:
    tiers = [
        {"up_to": "10", "unit_price": "10", "flat_fee": "2"},
        {"up_to": None, "unit_price": "0.015", "flat_fee": "0"},
    ]
    sale = sold(make, {"model": "graduated", "tiers": tiers})
    use(session, sale, "12")

    (line,) = printed(session, billed(session, sale).id).lines

    assert line.unit_price == ""
    assert line.tiers == (
        PrintTier(Decimal(0), Decimal(10), Decimal(10), "$0.10 + $0.02", "$1.02"),
        PrintTier(Decimal(10), None, Decimal(2), "$0.00015", "$0.0003"),
    )


def test_prices_in_cny_print_no_rate(session: Session, make: Make) -> None:
    sale = sold(make, currency="CNY")
    use(session, sale, "1")

    assert printed(session, billed(session, sale).id).rate is None


def test_the_payment_is_printed_when_there_is_one(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "1")
    payment = PrintPayment("WeChat Pay", "4200001234", NOON)

    assert printed(session, billed(session, sale).id, payment=payment).payment == payment


def test_an_invoice_without_lines_can_be_set(session: Session, make: Make) -> None:
    page = printed(session, billed(session, sold(make)).id)

    pdf = render_invoice(replace(page, customer=page.merchant), language=Language.EN)

    assert page.lines == ()
    assert pdf.startswith(b"%PDF")


def test_a_draft_is_not_printed(session: Session, make: Make) -> None:
    draft = drafted(session, sold(make))

    with pytest.raises(printing.NotIssued):
        printed(session, draft.id)


def test_late_usage_is_printed_with_its_period_and_what_was_billed(
    session: Session, make: Make
) -> None:
    sale = sold(make)
    send(session, sale, "100")
    billed(session, sale)
    send(session, sale, "23", at=MAY_15 + timedelta(hours=1))

    (line,) = printed(session, billed(session, sale, now=NOON + timedelta(days=30)).id).lines

    assert (line.kind, line.amount) == (PrintLineKind.LATE, usd(23))
    assert line.late_days == (date(2026, 5, 1), date(2026, 5, 31))
    assert line.tiers == (
        PrintTier(Decimal(0), None, Decimal(123), "$0.01", "$1.23"),
        PrintTier(Decimal(0), None, None, "", "-$1.00", PrintStep.BILLED),
    )


@pytest.mark.parametrize(
    ("price", "quantity", "unit_price"),
    [
        ({"model": "package", "package_size": "100", "package_price": "400"}, "250", "$4.00 / 100"),
        ({"model": "percentage", "rate": "2.9"}, "100", "2.9%"),
    ],
)
def test_a_price_is_printed_in_the_terms_it_was_agreed_in(
    session: Session, make: Make, price: dict[str, str], quantity: str, unit_price: str
) -> None:
    sale = sold(make, price)
    use(session, sale, quantity)

    (line,) = printed(session, billed(session, sale).id).lines

    assert line.unit_price == unit_price
