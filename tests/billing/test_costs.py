"""Costs for charts: days add up to the bill to come, months to the invoices there are."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.billing import collection, costs, previews
from app.billing.costs import CostGroup
from app.core.ids import Prefix, show
from app.pricing.models import Aggregation
from tests.billing.make import RATES, Sold, billed, send, sold, use
from tests.make import NOON, Make, usd

MAY_31 = datetime(2026, 5, 31, 4, tzinfo=UTC)
TIERED: dict[str, Any] = {
    "model": "graduated",
    "tiers": [
        {"up_to": "10", "unit_price": "10", "flat_fee": "0"},
        {"up_to": None, "unit_price": "5", "flat_fee": "0"},
    ],
}


def test_a_day_costs_what_it_added(session: Session, make: Make) -> None:
    sale = sold(make, TIERED)
    use(session, sale, "8", on=date(2026, 5, 2))
    use(session, sale, "4", on=date(2026, 5, 4))

    days = costs.daily_costs(session, sale.contract, now=datetime(2026, 5, 4, 4, tzinfo=UTC))

    code = sale.metric.code
    # The fourth has two units at 10 and two at 5.
    assert [(each.day.day, dict(each.amounts)) for each in days] == [
        (1, {}),
        (2, {code: usd(80)}),
        (3, {}),
        (4, {code: usd(30)}),
    ]


def test_a_contract_without_an_open_period_has_no_days(session: Session, make: Make) -> None:
    sale = sold(make, next_period_at=None, due_at=None)

    assert costs.daily_costs(session, sale.contract, now=NOON) == []


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    aggregation=st.sampled_from(Aggregation),
    price=st.sampled_from([TIERED, {"model": "standard", "unit_price": "0.7"}]),
    usage=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 9)), max_size=5),
)
def test_the_days_add_up_to_the_bill_to_come(
    session: Session,
    make: Make,
    *,
    aggregation: Aggregation,
    price: dict[str, Any],
    usage: list[tuple[int, int]],
) -> None:
    metric = make.metric(aggregation=aggregation, dimensions={"model": None})
    grouped = {"metric": metric.code} | price | {"group_by": ["model"]}
    version = make.rate_card_version({"currencies": {"USD": [grouped]}})
    sale = Sold(metric, make.contract(version))
    for number, (day, quantity) in enumerate(usage):
        at = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(days=day, seconds=number)
        send(session, sale, str(quantity), at=at, now=MAY_31, model="ab"[number % 2])

    days = costs.daily_costs(session, sale.contract, now=MAY_31)

    preview = previews.preview(session, sale.contract, rates=RATES, now=MAY_31)
    assert preview is not None
    total = sum(amount.minor for each in days for amount in each.amounts.values())
    assert total == preview.quote.amounts.total.minor


def test_months_are_those_of_the_usage(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "100")
    billed(session, sale)
    sale.contract.late_from = date(2026, 5, 1)
    use(session, sale, "23", on=date(2026, 5, 16))
    use(session, sale, "7", on=date(2026, 6, 16))
    billed(session, sale, now=datetime(2026, 7, 2, 4, tzinfo=UTC))

    months = costs.monthly_costs(
        session,
        first_month=date(2026, 5, 1),
        end_month=date(2026, 7, 1),
        group_by=CostGroup.METRIC,
    )

    assert [(each.month.month, each.key, each.amount) for each in months] == [
        (5, sale.metric.code, usd(123)),
        (6, sale.metric.code, usd(7)),
    ]


def test_customers_are_told_by_their_id_and_void_invoices_left_out(
    session: Session, make: Make
) -> None:
    sale, other = sold(make), sold(make)
    use(session, sale, "100")
    use(session, other, "100")
    billed(session, sale)
    collection.void(session, billed(session, other), reason="Sent twice", now=NOON)

    (month,) = costs.monthly_costs(
        session,
        first_month=date(2026, 5, 1),
        end_month=date(2026, 6, 1),
        group_by=CostGroup.CUSTOMER,
    )

    assert (month.key, month.amount) == (
        show(Prefix.CUSTOMER, sale.contract.customer_id),
        usd(100),
    )
