"""Usage: what customers used day by day, and the events it is made of."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from flask import g, request
from flask_babel import format_date
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core.errors import Invalid, NotFound
from app.core.ids import Prefix, read, show
from app.core.paging import MAX_LIMIT, Page
from app.core.periods import local_date, local_midnight
from app.customers import queries as customers
from app.customers.models import Customer
from app.documents.formats import decimal
from app.extensions import transaction
from app.metering import queries
from app.metering.models import UsageEvent
from app.metering.queries import DayUsage, EventFilter
from app.pricing import queries as catalogue
from app.pricing.models import Metric
from app.web import charts, csv, listing, snippets
from app.web.access import now
from app.web.page import page

RANGES = ("7", "30", "90")
"""How many days a page looks back, today included."""

_NOBODY = 0  # the id of no row
_HEADER = (
    "received_at",
    "occurred_at",
    "idempotency_key",
    "customer_external_id",
    "metric",
    "quantity",
    "dimensions",
    "id",
)


@dataclass(frozen=True)
class Wanted:
    """What the address asks for: which days, whose usage, of which metric."""

    first_day: date
    end_day: date
    zone: ZoneInfo
    metric: Metric | None
    customer_id: int | None

    @property
    def days(self) -> list[date]:
        return [self.first_day + timedelta(n) for n in range((self.end_day - self.first_day).days)]

    @property
    def events(self) -> EventFilter:
        """Return the filter of the list: the events of the days, by when they happened."""
        return EventFilter(
            customer_id=self.customer_id,
            metric_id=self.metric.id if self.metric else None,
            from_at=local_midnight(self.first_day, self.zone),
            to_at=local_midnight(self.end_day, self.zone),
        )


@dataclass(frozen=True)
class Row:
    """One event, with the names of its customer and metric."""

    event: UsageEvent
    customer: Customer
    metric: Metric

    @property
    def quantity(self) -> str:
        return decimal(self.event.quantity)


def usage() -> Response:
    """Show the days and one page of their events, or all of them as a file."""
    if listing.wants_csv():
        return csv.answer("usage-events", _HEADER, _csv_rows(g.merchant_id))
    with transaction(g.merchant_id) as session:
        wanted = _wanted(session)
        found = _find(session, wanted, listing.cursor())
        days = _daily(session, wanted)
        metrics = catalogue.list_metrics(session, limit=MAX_LIMIT).rows
        is_new = not queries.list_events(session, EventFilter(), limit=1).rows
        snippet = snippets.first_event(session, now=now()) if is_new else ""
    return page(
        "usage/index.html",
        fragment="rows",
        nav="usage",
        rows=found.rows,
        pager=listing.pager(found.next_cursor),
        csv_url=listing.csv_url(),
        is_new=is_new,
        snippet=snippet,
        wanted=wanted,
        **_filters(wanted, metrics),
        **_chart(wanted, days),
    )


def _wanted(session: Session) -> Wanted:
    zone = ZoneInfo(g.merchant.time_zone)
    days = request.args.get("range", "30")
    if days not in RANGES:
        raise Invalid(f"range must be one of {', '.join(RANGES)}", path="range")
    end_day = local_date(now(), zone) + timedelta(1)
    code, customer = request.args.get("metric", ""), request.args.get("customer", "")
    return Wanted(
        first_day=end_day - timedelta(int(days)),
        end_day=end_day,
        zone=zone,
        metric=_find_metric(session, code) if code else None,
        customer_id=_customer_id(session, customer) if customer else None,
    )


def _find_metric(session: Session, code: str) -> Metric:
    metric = catalogue.metrics_by_code(session, [code]).get(code)
    if metric is None:
        raise NotFound("there is no metric of this code", path="metric")
    return metric


def _customer_id(session: Session, text: str) -> int:
    """Return the customer of an external id as people type it, or of our own id. Raises NotFound.

    Nobody of this external id is a list of nothing, not an error: it is typed letter by letter.
    """
    if text.startswith(f"{Prefix.CUSTOMER}_"):
        return customers.get_customer(session, read(Prefix.CUSTOMER, text)).id
    customer = customers.customers_by_external_id(session, [text]).get(text)
    return customer.id if customer else _NOBODY


def _find(session: Session, wanted: Wanted, cursor: str | None, *, limit: int = 50) -> Page[Row]:
    found = queries.list_events(session, wanted.events, cursor=cursor, limit=limit)
    events = [row.event for row in found.rows]
    named = customers.customers_by_id(session, {event.customer_id for event in events})
    metrics = {
        metric_id: catalogue.get_metric(session, metric_id)
        for metric_id in {event.metric_id for event in events}
    }
    rows = [Row(event, named[event.customer_id], metrics[event.metric_id]) for event in events]
    return Page(rows, found.next_cursor)


def _daily(session: Session, wanted: Wanted) -> Sequence[DayUsage]:
    return queries.daily_usage(
        session,
        first_day=wanted.first_day,
        end_day=wanted.end_day,
        metric_id=wanted.metric.id if wanted.metric else None,
        customer_id=wanted.customer_id,
    )


def _filters(wanted: Wanted, metrics: Sequence[Metric]) -> dict[str, Any]:
    days = request.args.get("range", "30")
    names = {"7": _("7 days"), "30": _("30 days"), "90": _("90 days")}
    return {
        "metrics": [("", _("Every metric")), *((row.code, row.code) for row in metrics)],
        "metric": wanted.metric.code if wanted.metric else "",
        "customer": request.args.get("customer", ""),
        "range": days,
        "ranges": [(key, names[key]) for key in RANGES],
        "is_filtered": bool(request.args.get("metric") or request.args.get("customer")),
    }


def _chart(wanted: Wanted, usage_by_day: Sequence[DayUsage]) -> dict[str, Any]:
    """Return the drawing: the quantity of one metric, or the events of all, which can be added."""
    totals: dict[date, Decimal] = defaultdict(Decimal)
    for day in usage_by_day:
        totals[day.day] += day.quantity if wanted.metric else day.events
    values = [max(totals[day], Decimal(0)) for day in wanted.days]
    drawing = charts.bar_chart([[float(value) for value in values]])
    what = wanted.metric.unit if wanted.metric else _("Events")
    return {
        "drawing": drawing,
        "total": decimal(sum(totals.values(), Decimal(0))),
        "what": what,
        "columns": [_("Day"), what],
        "table": [(format_date(day, _("MMM d")), decimal(totals[day])) for day in wanted.days],
        "y_labels": [short(tick) for tick in drawing.ticks],
        "x_labels": axis_days(wanted.days),
    }


def short(value: float) -> str:
    """Write the number of a tick with few characters: 2,500,000 as 2.5M."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def axis_days(days: Sequence[date], *, labels: int = 6) -> list[str]:
    """Return the labels under a chart: a handful of its days, the first and the last among them."""
    last = len(days) - 1
    picked = sorted({round(index * last / (labels - 1)) for index in range(labels)})
    return [format_date(days[index], _("MMM d")) for index in picked]


def _csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    with transaction(merchant_id) as session:
        wanted = _wanted(session)

    def read_page(cursor: str | None) -> Page[Row]:
        with transaction(merchant_id) as session:
            return _find(session, wanted, cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        event = row.event
        yield (
            event.received_at.isoformat(timespec="milliseconds"),
            event.occurred_at.isoformat(timespec="milliseconds"),
            event.idempotency_key,
            row.customer.external_id,
            row.metric.code,
            f"{event.quantity.normalize():f}",
            " ".join(f"{name}={value}" for name, value in event.dimensions.items()),
            show(Prefix.USAGE_EVENT, event.id),
        )
