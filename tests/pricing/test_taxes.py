"""A line is under one rate: its customer's, its product's, the default, or none."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.db import Transaction
from app.core.ids import Prefix, show
from app.customers import customers
from app.pricing import taxes
from app.pricing.models import TaxRate
from app.pricing.taxes import (
    InvalidTaxRate,
    TaxRateArchived,
    TaxRateCodeTaken,
    TaxRateIsDefault,
)
from app.pricing.taxing import Tax
from tests.make import BY_ADA, Make, deeds

SIX = Tax(Decimal(6), is_inclusive=True)
THIRTEEN = Tax(Decimal(13), is_inclusive=False)


def create(session: Session, percent: str, code: str = "vat") -> TaxRate:
    return taxes.create_tax_rate(
        session, code=code, name="VAT", percent=percent, is_inclusive=True, **BY_ADA
    )


def tax_of(
    session: Session,
    *,
    customer: TaxRate | None = None,
    product: TaxRate | None = None,
    is_exempt: bool = False,
) -> Tax | None:
    return taxes.tax_of(
        session,
        customer_rate_id=customer.id if customer else None,
        is_exempt=is_exempt,
        product_rate_id=product.id if product else None,
    )


@pytest.mark.parametrize("percent", ["0", "6", "8.8750", "100"])
def test_a_rate_has_up_to_four_decimals(session: Session, percent: str) -> None:
    assert create(session, percent).percent == Decimal(percent)


@pytest.mark.parametrize("percent", ["", "-1", "100.0001", "6.00001", "6%", "1e1", "NaN", "٦"])
def test_what_is_no_percent_is_refused(session: Session, percent: str) -> None:
    with pytest.raises(InvalidTaxRate) as refused:
        create(session, percent)

    assert refused.value.path == "percent"


def test_a_code_is_taken_once(session: Session) -> None:
    create(session, "6")

    with pytest.raises(TaxRateCodeTaken):
        create(session, "13")


def test_without_any_rate_there_is_no_tax(session: Session, make: Make) -> None:
    make.tax_rate()

    assert tax_of(session) is None


def test_the_customers_rate_wins_over_the_products_and_that_over_the_default(
    session: Session, make: Make
) -> None:
    default = make.tax_rate(percent=Decimal(9))
    taxes.set_default(session, default.id, **BY_ADA)
    product = make.tax_rate()
    customer = make.tax_rate(percent=Decimal(13), is_inclusive=False)

    assert tax_of(session) == Tax(Decimal(9), is_inclusive=True)
    assert tax_of(session, product=product) == SIX
    assert tax_of(session, product=product, customer=customer) == THIRTEEN
    assert tax_of(session, product=product, is_exempt=True) is None


def test_there_is_one_default(session: Session, make: Make) -> None:
    first, second = make.tax_rate(), make.tax_rate(percent=Decimal(13), is_inclusive=False)
    taxes.set_default(session, first.id, **BY_ADA)

    taxes.set_default(session, second.id, **BY_ADA)

    assert tax_of(session) == THIRTEEN
    assert not first.is_default


def test_no_default_is_possible_again(session: Session, make: Make) -> None:
    rate = make.tax_rate()
    taxes.set_default(session, rate.id, **BY_ADA)

    taxes.clear_default(session, rate.id, **BY_ADA)

    assert tax_of(session) is None


def test_the_default_is_not_archived(session: Session, make: Make) -> None:
    rate = make.tax_rate()
    taxes.set_default(session, rate.id, **BY_ADA)

    with pytest.raises(TaxRateIsDefault):
        taxes.archive_tax_rate(session, rate.id, **BY_ADA)


def test_an_archived_rate_is_given_to_nobody_and_kept_by_who_has_it(
    session: Session, make: Make
) -> None:
    rate, product = make.tax_rate(), make.product()
    taxes.set_product_tax(session, product.id, rate.id, **BY_ADA)
    taxes.archive_tax_rate(session, rate.id, **BY_ADA)

    assert tax_of(session, product=rate) == SIX
    with pytest.raises(TaxRateArchived):
        taxes.set_product_tax(session, make.product().id, rate.id, **BY_ADA)
    with pytest.raises(TaxRateArchived):
        taxes.set_default(session, rate.id, **BY_ADA)


def test_of_two_defaults_at_once_one_stays(transaction: Transaction) -> None:
    with transaction() as session:
        make = Make(session)
        rates = [make.tax_rate().id for _ in range(4)]

    def set_default(rate_id: int) -> None:
        with transaction() as session:
            taxes.set_default(session, rate_id, **BY_ADA)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(set_default, rates))

    with transaction() as session:
        assert len(session.scalars(select(TaxRate).where(TaxRate.is_default)).all()) == 1


def test_whatever_is_done_to_a_rate_is_written_down_once(session: Session, make: Make) -> None:
    old, rate = make.tax_rate(), make.tax_rate()
    taxes.set_default(session, old.id, **BY_ADA)
    for _ in range(2):
        taxes.set_default(session, rate.id, **BY_ADA)
    for _ in range(2):
        taxes.clear_default(session, rate.id, **BY_ADA)
    taxes.rename_tax_rate(session, rate.id, name="VAT 2027", **BY_ADA)
    taxes.archive_tax_rate(session, rate.id, **BY_ADA)

    before, after = show(Prefix.TAX_RATE, old.id), show(Prefix.TAX_RATE, rate.id)
    assert deeds(session, after) == [
        ("tax_rate.default_set", {"default": before}, {"default": after}),
        ("tax_rate.default_cleared", {"default": after}, {"default": None}),
        ("tax_rate.renamed", {"name": "VAT"}, {"name": "VAT 2027"}),
        ("tax_rate.archived", {"status": "active"}, {"status": "archived"}),
    ]


def test_whom_and_what_a_rate_is_on_is_written_down(session: Session, make: Make) -> None:
    rate, product, customer = make.tax_rate(), make.product(), make.customer()
    shown = show(Prefix.TAX_RATE, rate.id)
    for _ in range(2):
        taxes.set_product_tax(session, product.id, rate.id, **BY_ADA)
        customers.set_tax(session, customer.id, tax_rate_id=None, is_exempt=True, **BY_ADA)

    assert deeds(session, show(Prefix.PRODUCT, product.id)) == [
        ("product.tax_changed", {"tax_rate": None}, {"tax_rate": shown})
    ]
    ((action, was, now),) = deeds(session, show(Prefix.CUSTOMER, customer.id))
    assert (action, was["is_tax_exempt"], now["is_tax_exempt"]) == (
        "customer.tax_changed",
        False,
        True,
    )
