"""Usage that no price takes is told while it can still be priced, not on the invoice."""

from datetime import date
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import alerts
from app.core.db import merchant_of
from app.metering.models import UsageDay, UsageRollup
from app.pricing.models import Metric
from tests.billing.make import Sold, send, sold, use
from tests.make import NOON, Make

TODAY = date(2026, 6, 2)


def told(session: Session) -> list[tuple[str, int, int]]:
    """Add up the merchant's days as the job does, and return the alerts."""
    session.flush()
    for rollup in session.scalars(select(UsageRollup)):
        session.merge(
            UsageDay(
                merchant_id=merchant_of(session),
                metric_id=rollup.metric_id,
                day=rollup.day,
                series_id=rollup.series_id,
                quantity=Decimal(1),
                events=1,
                customers=1,
            )
        )
    session.flush()
    found = alerts.unpriced(session, now=NOON)
    return [(each.metric.code, each.customers, each.events) for each in found]


def test_a_metric_without_a_price_is_told(session: Session, make: Make) -> None:
    sale, stray = sold(make), make.metric()
    use(session, sale, "1", on=TODAY)
    use(session, Sold(stray, sale.contract), "9", on=TODAY, events=4)

    assert told(session) == [(stray.code, 1, 4)]


def test_what_another_contract_prices_is_not_told(session: Session, make: Make) -> None:
    first = sold(make)
    second = sold(make, customer_id=first.contract.customer_id)
    use(session, first, "1", on=TODAY)
    use(session, second, "1", on=TODAY)

    assert told(session) == []


def test_usage_of_long_ago_is_not_told(session: Session, make: Make) -> None:
    sale, stray = sold(make), make.metric()
    use(session, Sold(stray, sale.contract), "9", on=date(2026, 5, 1))

    assert told(session) == []


def filtered(make: Make) -> tuple[Metric, Sold]:
    metric = make.metric(dimensions={"model": None})
    only = {"match": {"model": ["gpt-5"]}, "model": "standard", "unit_price": "10"}
    content = {"currencies": {"USD": [{"metric": metric.code, "filters": [only]}]}}
    return metric, Sold(metric, make.contract(make.rate_card_version(content)))


def test_what_no_filter_takes_is_told(session: Session, make: Make) -> None:
    metric, sale = filtered(make)
    send(session, sale, "1", at=NOON, model="deepseek")

    assert told(session) == [(metric.code, 1, 1)]


def test_what_a_filter_takes_is_not_told(session: Session, make: Make) -> None:
    _, sale = filtered(make)
    send(session, sale, "1", at=NOON, model="gpt-5")

    assert told(session) == []
