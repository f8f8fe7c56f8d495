"""Each part of a price is a line of its own: filters, groups, and what no part takes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.billing.models import InvoiceLine
from app.pricing.models import Aggregation
from tests.billing.make import MAY_15, Sold, billed, lines_of, send
from tests.make import Make

BY_MODEL = {
    "model": "standard",
    "unit_price": "12",
    "filters": [
        {"match": {"model": ["gpt-5"]}, "model": "standard", "unit_price": "10"},
        {
            "match": {"model": ["gpt-5"], "region": ["cn", "us"]},
            "model": "standard",
            "unit_price": "8",
        },
    ],
}


def sold_by(make: Make, price: dict[str, Any], **metric_columns: Any) -> Sold:
    """Sell a metric that declares model and region at this price, in US cents."""
    columns = {"dimensions": {"model": None, "region": None}} | metric_columns
    metric = make.metric(**columns)
    content = {"currencies": {"USD": [{"metric": metric.code} | price]}}
    return Sold(metric, make.contract(make.rate_card_version(content)))


def told(line: InvoiceLine) -> tuple[str, dict[str, Any], int, int]:
    return line.description, line.part, int(line.quantity), line.amount_minor


def hour(number: int) -> datetime:
    return MAY_15 + timedelta(hours=number)


def test_the_filter_with_most_keys_takes_the_usage(session: Session, make: Make) -> None:
    sale = sold_by(make, BY_MODEL)
    send(session, sale, "1", at=hour(0), model="gpt-5", region="cn")
    send(session, sale, "2", at=hour(1), model="gpt-5", region="eu")
    send(session, sale, "4", at=hour(2), model="deepseek", region="cn")
    send(session, sale, "8", at=hour(3))

    lines = lines_of(session, billed(session, sale))

    assert [told(line) for line in lines] == [
        ("Agent runs (model = gpt-5)", {"filter": 0}, 2, 20),
        ("Agent runs (model = gpt-5; region = cn, us)", {"filter": 1}, 1, 8),
        ("Agent runs", {}, 12, 144),
    ]


def test_each_group_is_a_line(session: Session, make: Make) -> None:
    sale = sold_by(make, {"model": "standard", "unit_price": "3", "group_by": ["region"]})
    send(session, sale, "1", at=hour(0), region="us")
    send(session, sale, "2", at=hour(1), region="cn")
    send(session, sale, "4", at=hour(2))

    lines = lines_of(session, billed(session, sale))

    assert [told(line) for line in lines] == [
        ("Agent runs", {}, 4, 12),
        ("Agent runs (region = cn)", {"group": {"region": "cn"}}, 2, 6),
        ("Agent runs (region = us)", {"group": {"region": "us"}}, 1, 3),
    ]


def test_a_line_is_written_as_it_is_said(session: Session, make: Make) -> None:
    region = '华东 "1", {a}\\b'
    sale = sold_by(make, {"model": "standard", "unit_price": "3", "group_by": ["region"]})
    send(session, sale, "0.000000000001", at=hour(0), region=region)

    (line,) = lines_of(session, billed(session, sale))

    assert line.part == {"group": {"region": region}}
    assert line.description == f"Agent runs (region = {region})"
    assert line.quantity == Decimal("0.000000000001")


def test_what_no_filter_takes_is_unpriced(session: Session, make: Make) -> None:
    only_gpt = {"match": {"model": ["gpt-5"]}, "model": "standard", "unit_price": "10"}
    sale = sold_by(make, {"filters": [only_gpt]})
    send(session, sale, "1", at=hour(0), model="gpt-5")
    send(session, sale, "7", at=hour(1), model="deepseek")

    lines = lines_of(session, billed(session, sale))

    assert [(*told(line), line.is_priced) for line in lines] == [
        ("Agent runs (model = gpt-5)", {"filter": 0}, 1, 10, True),
        ("Agent runs", {}, 7, 0, False),
    ]


@pytest.mark.parametrize(
    ("aggregation", "quantity", "amount"),
    [
        (Aggregation.MAX, 5, 50),
        (Aggregation.LAST, 3, 30),
        (Aggregation.COUNT, 3, 30),
        (Aggregation.UNIQUE_COUNT, 2, 20),
    ],
)
def test_a_part_is_aggregated_by_itself(
    session: Session, make: Make, aggregation: Aggregation, quantity: int, amount: int
) -> None:
    sale = sold_by(make, BY_MODEL, aggregation=aggregation)
    for number, value in enumerate(("3", "5", "3")):
        send(session, sale, value, at=hour(number), model="gpt-5", region="eu")
    send(session, sale, "100", at=hour(9), model="deepseek")

    (part, _default) = lines_of(session, billed(session, sale))

    assert (int(part.quantity), part.amount_minor, part.events) == (quantity, amount, 3)


def test_usage_from_before_a_dimension_was_declared_is_told_apart_too(
    session: Session, make: Make
) -> None:
    sale = sold_by(make, BY_MODEL, dimensions={"region": None})
    send(session, sale, "1", at=hour(0), model="gpt-5")
    sale.metric.dimensions = {"model": None, "region": None}
    send(session, sale, "2", at=hour(1), model="gpt-5")

    lines = lines_of(session, billed(session, sale))

    assert [told(line) for line in lines] == [("Agent runs (model = gpt-5)", {"filter": 0}, 3, 30)]


def test_terms_per_event_look_at_each_event(session: Session, make: Make) -> None:
    sale = sold_by(make, {"model": "percentage", "rate": "1", "fixed_fee": "30"})
    send(session, sale, "100", at=hour(0))
    send(session, sale, "300", at=hour(1))

    (line,) = lines_of(session, billed(session, sale))

    # 1 % of 400 dollars, and 30 cents twice.
    assert (int(line.quantity), line.amount_minor) == (400, 460)
    assert [(tier["basis"], tier["amount"]) for tier in line.tiers] == [
        ("amount", "400"),
        ("events", "60"),
    ]


def test_a_weighted_sum_goes_on_without_events(session: Session, make: Make) -> None:
    sale = sold_by(
        make, {"model": "standard", "unit_price": "10"}, aggregation=Aggregation.WEIGHTED_SUM
    )
    send(session, sale, "4", at=datetime(2026, 4, 30, 16, tzinfo=UTC))
    billed(session, sale)

    (line,) = lines_of(session, billed(session, sale, now=datetime(2026, 7, 2, 4, tzinfo=UTC)))

    assert (int(line.quantity), line.events, line.amount_minor) == (4, 0, 40)


def test_the_working_shows_discount_and_minimum(session: Session, make: Make) -> None:
    price = {
        "model": "standard",
        "unit_price": "10",
        "discount_percent": "20",
        "minimum_amount": "500",
    }
    sale = sold_by(make, price)
    send(session, sale, "10")

    (line,) = lines_of(session, billed(session, sale))

    assert line.amount_minor == 500
    assert [(tier.get("basis"), tier["amount"]) for tier in line.tiers] == [
        (None, "100"),
        ("discount", "-20"),
        ("minimum", "420"),
    ]


def test_a_package_says_its_size(session: Session, make: Make) -> None:
    sale = sold_by(make, {"model": "package", "package_size": "100", "package_price": "400"})
    send(session, sale, "201")

    (line,) = lines_of(session, billed(session, sale))

    (tier,) = line.tiers
    assert line.amount_minor == 1200
    assert (tier["basis"], tier["package_size"], tier["quantity"]) == ("packages", "100", "3")
