"""What one customer used since the month began, and what each day of it cost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from flask import g
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import costs
from app.billing.costs import DayCost
from app.core.ids import Prefix, read
from app.core.money import Currency, Money
from app.core.periods import local_date
from app.customers import queries
from app.customers.models import Contract, ContractStatus, Customer
from app.documents.formats import decimal
from app.extensions import transaction
from app.metering import reports
from app.metering.report_sources import Granularity, ReportQuery
from app.metering.reports import ReportRow
from app.pricing import queries as catalogue
from app.pricing.models import Metric
from app.web import axes, stacks
from app.web.access import now
from app.web.charts import Sparkline, sparkline
from app.web.moments import format_date
from app.web.page import page
from app.web.stacks import Along, Part, Stack
from app.web.usage_costs import money_text


@dataclass(frozen=True)
class MetricUsage:
    """What was used of one metric, and the shape of its days."""

    metric: Metric
    quantity: str
    events: int
    shape: Sparkline


def usage_of(session: Session, customer: Customer) -> dict[str, Any]:
    """Return what the customer used since the month began: by metric, and the events by day."""
    days = _month()
    month = ReportQuery(
        first_day=days[0], end_day=days[-1] + timedelta(1), customer_ids=frozenset([customer.id])
    )
    zone = ZoneInfo(g.merchant.time_zone)
    totals = reports.usage_report(session, replace(month, granularity=Granularity.TOTAL), zone=zone)
    by_day = reports.usage_report(session, month, zone=zone)
    metrics = catalogue.metrics_by_id(session, {row.metric_id for row in totals})
    return {
        "usage": [
            MetricUsage(
                metric=metrics[row.metric_id],
                quantity=decimal(row.quantity or Decimal(0)),
                events=row.events,
                shape=_shape([day for day in by_day if day.metric_id == row.metric_id], days),
            )
            for row in totals
        ],
        "usage_chart": _events_chart(metrics, by_day, days) if totals else None,
    }


def customer_costs(customer_id: str) -> Response:
    """Draw what each day of the customer's open periods added: a part of the customer's page."""
    with transaction(g.merchant_id) as session:
        customer = queries.get_customer(session, read(Prefix.CUSTOMER, customer_id))
        found = _costs_by_currency(session, customer)
    return page(
        "customers/costs.html",
        fragment="costs",
        nav="customers",
        customer=customer,
        public_id=customer_id,
        charts=[_costs_chart(currency, days) for currency, days in found.items()],
    )


def _month() -> list[date]:
    today = local_date(now(), ZoneInfo(g.merchant.time_zone))
    return [today.replace(day=number) for number in range(1, today.day + 1)]


def _shape(rows: Sequence[ReportRow], days: Sequence[date]) -> Sparkline:
    used = {row.start: row.quantity or Decimal(0) for row in rows}
    return sparkline([float(used.get(day, 0)) for day in days])


def _events_chart(
    metrics: Mapping[int, Metric], by_day: Sequence[ReportRow], days: Sequence[date]
) -> Stack:
    events: dict[int, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in by_day:
        events[row.metric_id][row.start] += row.events
    parts = [
        Part(metrics[id_].code, metrics[id_].code, [found[day] for day in days], _sum(found))
        for id_, found in events.items()
    ]
    return stacks.stack(
        "events", _("Events per day"), stacks.largest(parts), along=_along(days), write=decimal
    )


def _costs_by_currency(session: Session, customer: Customer) -> dict[Currency, list[DayCost]]:
    """Return the days of all active contracts: no two of them price the same metric."""
    found: dict[Currency, list[DayCost]] = defaultdict(list)
    for contract in queries.contracts_of(session, [customer.id]):
        if _is_running(contract):
            found[Currency(contract.currency)] += costs.daily_costs(session, contract, now=now())
    return dict(found)


def _is_running(contract: Contract) -> bool:
    return contract.status is ContractStatus.ACTIVE and contract.open_period is not None


def _costs_chart(currency: Currency, found: Sequence[DayCost]) -> dict[str, Any]:
    days = sorted({cost.day for cost in found})
    amounts: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for cost in found:
        for code, amount in cost.amounts.items():
            amounts[code][cost.day] += amount.major
    parts = [
        Part(code, code, [by_day[day] for day in days], _sum(by_day))
        for code, by_day in amounts.items()
    ]
    minor = sum(amount.minor for cost in found for amount in cost.amounts.values())
    return {
        "total": Money(minor, currency),
        "chart": stacks.stack(
            f"costs-{currency.lower()}",
            _("Cost per day"),
            stacks.largest(parts),
            along=_along(days),
            write=partial(money_text, currency=currency),
        ),
    }


def _along(days: Sequence[date]) -> Along:
    return Along(_("Day"), [format_date(day, _("MMM d")) for day in days], axes.axis_days(days))


def _sum(values: Mapping[date, Decimal]) -> Decimal:
    return sum(values.values(), Decimal(0))
