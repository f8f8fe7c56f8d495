"""What usage came to, month by month, out of the invoices."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from flask import g, request
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import costs
from app.billing.costs import CostGroup, MonthCost
from app.core.ids import Prefix, read
from app.core.money import Currency, Money
from app.core.periods import local_date
from app.customers import queries as customers
from app.extensions import transaction
from app.web import listing, stacks
from app.web.access import now
from app.web.moments import format_date
from app.web.page import page
from app.web.stacks import Along, Part

MONTHS = 12


def usage_costs() -> Response:
    """Draw the costs of the last twelve months by metric, by customer, or by part of a price."""
    months = _months()
    group = _group()
    with transaction(g.merchant_id) as session:
        found = costs.monthly_costs(
            session,
            first_month=months[0],
            end_month=_next_month(months[-1]),
            group_by=group,
        )
        currency = _currency(found)
        mine = [cost for cost in found if cost.amount.currency is currency]
        labels = _labels(session, mine, group)
    write = partial(money_text, currency=currency)
    parts = stacks.largest(_parts(mine, months, labels))
    labelled = [format_date(month, _("MMM y")) for month in months]
    along = Along(_("Month"), labelled, [labelled[0], labelled[len(months) // 2], labelled[-1]])
    return page(
        "usage/costs.html",
        fragment="costs",
        nav="usage",
        chart=stacks.stack("costs", _("Cost per month"), parts, along=along, write=write),
        total=Money(sum(cost.amount.minor for cost in mine), currency),
        currencies=_currency_links(found, currency),
        has_any=bool(mine),
    )


def money_text(major: Decimal, *, currency: Currency) -> str:
    """Write an amount of major units with the decimals of its currency, without its name."""
    return f"{major:,.{currency.exponent}f}"


def _months() -> list[date]:
    this = local_date(now(), ZoneInfo(g.merchant.time_zone)).replace(day=1)
    months = [this]
    while len(months) < MONTHS:
        months.insert(0, (months[0] - timedelta(days=1)).replace(day=1))
    return months


def _next_month(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _group() -> CostGroup:
    """Return how costs are told apart: usage by a dimension is priced by parts."""
    by = request.args.get("by", "metric")
    return CostGroup(by) if by in set(CostGroup) else CostGroup.PART


def _currency(found: Sequence[MonthCost]) -> Currency:
    """Return the currency the address asks for, or the one of the most lines."""
    asked = listing.chosen(Currency, "currency")
    if asked:
        return asked
    counts: dict[Currency, int] = defaultdict(int)
    for cost in found:
        counts[cost.amount.currency] += 1
    return max(counts, key=lambda currency: (counts[currency], currency), default=Currency.USD)


def _currency_links(found: Sequence[MonthCost], current: Currency) -> list[tuple[str, str, bool]]:
    currencies = sorted({cost.amount.currency for cost in found})
    return [
        (currency.value, listing.address(currency=currency.value), currency is current)
        for currency in currencies
    ]


def _parts(
    found: Sequence[MonthCost], months: Sequence[date], labels: dict[str, str]
) -> list[Part]:
    amounts: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for cost in found:
        amounts[cost.key][cost.month] += cost.amount.major
    return [
        Part(
            key or "commitment",
            labels.get(key, key),
            [by_month[month] for month in months],
            sum(by_month.values(), Decimal(0)),
        )
        for key, by_month in amounts.items()
    ]


def _labels(session: Session, found: Sequence[MonthCost], group: CostGroup) -> dict[str, str]:
    """Name what is told apart; a commitment has no metric."""
    labels: dict[str, Any] = {"": _("Commitment")}
    if group is CostGroup.CUSTOMER:
        ids = {read(Prefix.CUSTOMER, cost.key): cost.key for cost in found}
        named = customers.customers_by_id(session, ids.keys())
        labels |= {key: named[number].name for number, key in ids.items()}
    return labels
