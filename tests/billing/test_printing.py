"""What is printed is what was billed: every amount, the rate's source, and each tier."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.audit.recording import SYSTEM
from app.billing import credit_notes, printing, queries
from app.billing.coupon_models import CouponRedemption, RedemptionStatus
from app.billing.credit_models import CreditReason
from app.core.language import Language
from app.core.money import Currency
from app.documents.invoice_print import (
    InvoicePrint,
    PrintDiscount,
    PrintForm,
    PrintLineKind,
    PrintPayment,
    PrintStep,
    PrintTax,
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


def test_the_payment_is_printed_on_the_receipt_alone(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "1")
    payment = PrintPayment("WeChat Pay", "4200001234", NOON)
    invoice = billed(session, sale)

    receipt = printed(session, invoice.id, form=PrintForm.RECEIPT, payment=payment)

    assert receipt.payment == payment
    assert printed(session, invoice.id, payment=payment).payment is None


def test_coupons_tax_and_the_balance_are_printed_as_they_were_billed(
    session: Session, make: Make
) -> None:
    sale = sold(make)
    use(session, sale, "14046")
    invoice = billed(session, sale)
    (line,) = queries.lines_of(session, invoice)
    line.discount_minor, line.tax_percent, line.tax_minor = 1_405, Decimal(6), 758
    invoice.discount_minor, invoice.subtotal_minor = 1_405, 12_641
    invoice.tax_minor, invoice.total_minor = 758, 13_399
    invoice.balance_minor, invoice.due_minor = 533, invoice.collection_minor - 533
    coupon = make.coupon(code="WELCOME10", name="Welcome", percent=Decimal(10))
    session.add(
        CouponRedemption(
            merchant_id=invoice.merchant_id,
            coupon_id=coupon.id,
            invoice_id=invoice.id,
            contract_id=sale.contract.id,
            customer_id=invoice.customer_id,
            position=1,
            status=RedemptionStatus.COUNTED,
            applied_on=date(2026, 6, 1),
            amount_minor=1_405,
            currency=Currency.USD,
        )
    )

    page = printed(session, invoice.id)

    assert page.gross == usd(14_046)
    assert page.discounts == (PrintDiscount("Welcome (10%)", usd(1_405)),)
    assert page.taxes == (PrintTax(Decimal(6), base=usd(12_641), amount=usd(758)),)
    assert (page.subtotal, page.priced) == (usd(12_641), usd(13_399))
    assert page.balance_used == cny(533)
    assert page.due == invoice.due
    assert (page.lines[0].discount, page.lines[0].tax) == (usd(1_405), usd(758))


def test_credit_notes_lower_what_the_receipt_says_and_leave_the_invoice_as_issued(
    session: Session, make: Make
) -> None:
    sale = sold(make)
    use(session, sale, "12641")
    invoice = billed(session, sale)
    credit_notes.issue(
        session,
        invoice.id,
        credit_notes.CreditRequest(CreditReason.GOODWILL, total_minor=641),
        actor=SYSTEM,
        now=NOON,
    )

    assert printed(session, invoice.id).due == cny(90_533)
    receipt = printed(session, invoice.id, form=PrintForm.RECEIPT)
    assert receipt.credited == cny(4_591)
    assert receipt.due == invoice.due == cny(85_942)


def test_an_invoice_issued_anew_names_the_one_it_replaces(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "1")
    old = billed(session, sale)
    new = billed(session, sale, now=NOON + timedelta(days=30))
    new.reissue_of_id, new.issue = old.id, 2

    assert printed(session, new.id).replaces == "LUM-2026-000001"
    assert printed(session, old.id).replaces == ""
    assert printed(session, old.id, form=PrintForm.VOID).replaced_by == new.number
    assert printed(session, old.id).replaced_by == ""  # the invoice stays as it was issued


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
