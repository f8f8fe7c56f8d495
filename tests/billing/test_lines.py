"""A line is a metric: its whole usage rated at once, rounded once, with the working shown."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.billing.lines import LineTooLarge
from app.billing.models import InvoiceStatus
from tests.billing.make import Sold, billed, drafted, lines_of, sold, use
from tests.make import Make, usd

GRADUATED = {
    "model": "graduated",
    "tiers": [
        {"up_to": "10", "unit_price": "10", "flat_fee": "2"},
        {"up_to": None, "unit_price": "5", "flat_fee": "3"},
    ],
}


def test_a_line_of_less_than_half_a_cent_stays_as_zero(session: Session, make: Make) -> None:
    sale = sold(make, {"model": "standard", "unit_price": "0.015"})
    use(session, sale, "33")

    invoice = billed(session, sale)

    assert [line.amount_minor for line in lines_of(session, invoice)] == [0]
    assert invoice.status is InvoiceStatus.PAID


def test_the_working_shows_the_free_units_and_each_tier(session: Session, make: Make) -> None:
    sale = sold(make, GRADUATED | {"free_units": "5"})
    use(session, sale, "16")

    (line,) = lines_of(session, billed(session, sale))

    assert line.amount_minor == 110
    assert [
        (tier["above"], tier["up_to"], tier["quantity"], tier["amount"]) for tier in line.tiers
    ] == [("0", "5", "5", "0"), ("5", "15", "10", "102"), ("15", None, "1", "8")]


def test_a_first_tier_with_a_flat_fee_is_due_without_usage(session: Session, make: Make) -> None:
    invoice = billed(session, sold(make, GRADUATED))

    assert invoice.subtotal == usd(2)


def test_usage_that_nobody_prices_is_a_line_of_zero(session: Session, make: Make) -> None:
    sale = sold(make)
    stray = make.metric(name="Images")
    use(session, sale, "1")
    use(session, Sold(stray, sale.contract), "9")

    lines = lines_of(session, billed(session, sale))

    assert [(line.description, line.amount_minor, line.is_priced) for line in lines] == [
        ("Agent runs", 1, True),
        ("Images", 0, False),
    ]


def test_usage_that_another_contract_prices_is_billed_there(session: Session, make: Make) -> None:
    first = sold(make)
    second = sold(make, customer_id=first.contract.customer_id)
    use(session, first, "1")
    use(session, second, "2")

    assert [line.amount_minor for line in lines_of(session, billed(session, first))] == [1]
    assert [line.amount_minor for line in lines_of(session, billed(session, second))] == [2]


def test_a_line_beyond_all_measure_is_refused(session: Session, make: Make) -> None:
    sale = sold(make, {"model": "standard", "unit_price": "1000000"})
    use(session, sale, "10000001")

    with pytest.raises(LineTooLarge):
        drafted(session, sale)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    quantities=st.lists(st.decimals("0", "100000", places=3), min_size=1, max_size=4),
    unit_price=st.decimals("0", "50", places=6),
)
def test_the_lines_add_up_to_the_subtotal(
    session: Session, make: Make, *, quantities: list[Decimal], unit_price: Decimal
) -> None:
    metrics = [make.metric() for _ in quantities]
    price = {"model": "standard", "unit_price": f"{unit_price:f}"}
    content = {"currencies": {"USD": [{"metric": metric.code} | price for metric in metrics]}}
    contract = make.contract(make.rate_card_version(content))
    for metric, quantity in zip(metrics, quantities, strict=True):
        use(session, Sold(metric, contract), f"{quantity:f}")

    invoice = billed(session, Sold(metrics[0], contract))

    lines = lines_of(session, invoice)
    assert len(lines) == len(quantities)
    assert sum(line.amount_minor for line in lines) == invoice.subtotal_minor
    assert invoice.collection_minor == invoice.platform_fee_minor + invoice.net_minor
