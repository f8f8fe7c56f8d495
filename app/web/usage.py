"""Usage in charts: by metric, by customer, by a dimension, day by day or hour by hour."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from flask import g, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core.ids import Prefix, show
from app.customers import queries as customers
from app.documents.formats import decimal
from app.extensions import transaction
from app.metering import queries, reports
from app.metering.queries import EventFilter
from app.metering.report_sources import ADDING, Granularity, ReportQuery
from app.metering.reports import ReportRow
from app.pricing import queries as catalogue
from app.pricing.models import Metric
from app.pricing.queries import MetricName
from app.web import axes, csv, event_rates, listing, snippets, stacks
from app.web.access import now
from app.web.moments import format_date, format_datetime
from app.web.page import page
from app.web.ranges import Range, chosen_range, range_options
from app.web.stacks import Along, Part
from app.web.usage_names import chosen_customer, chosen_metric, metric_options
from app.web.usage_tabs import CHARTS, usage_tabs

BY_METRIC, BY_CUSTOMER, BY_DIMENSION = "metric", "customer", "dimension:"

_HOUR = timedelta(hours=1)
_HEADER = ("start", "metric", "customer_external_id", "dimension", "quantity", "events")


@dataclass(frozen=True)
class Wanted:
    """What the address asks for: which days, of what, told apart by what."""

    range: Range
    metric: Metric | None
    customer_id: int | None
    by: str

    @cached_property
    def dimension(self) -> str:
        """The name of the dimension that parts are told apart by, or nothing."""
        return self.by.removeprefix(BY_DIMENSION) if self.by.startswith(BY_DIMENSION) else ""

    @property
    def granularity(self) -> Granularity:
        return Granularity.HOUR if self.range.is_hourly else Granularity.DAY

    @property
    def adds_up(self) -> bool:
        """Whether what is drawn of the days adds up to the whole, and needs no second report."""
        return self.metric is None or self.metric.aggregation in ADDING

    def query(self, granularity: Granularity) -> ReportQuery:
        return ReportQuery(
            first_day=self.range.first_day,
            end_day=self.range.end_day,
            granularity=granularity,
            metric_ids=frozenset([self.metric.id]) if self.metric else None,
            customer_ids=None if self.customer_id is None else frozenset([self.customer_id]),
            by_customer=self.by == BY_CUSTOMER,
            by_dimensions=(self.dimension,) if self.dimension else (),
        )


@dataclass(frozen=True)
class Counted:
    """What was used: at each time, and over all of them."""

    rows: Sequence[ReportRow]
    totals: Sequence[ReportRow]


def usage() -> Response:
    """Show the days in a chart and a table, or all that is in them as a file."""
    if listing.wants_csv():
        return csv.answer("usage", _HEADER, _csv_rows(g.merchant_id))
    with transaction(g.merchant_id) as session:
        wanted = _wanted(session)
        counted = _count(session, wanted)
        metrics = catalogue.metric_names(session)
        is_new = not counted.rows and not queries.list_events(session, EventFilter(), limit=1).rows
        return page(
            "usage/index.html",
            fragment="rows",
            nav="usage",
            tabs=usage_tabs(session, CHARTS),
            is_new=is_new,
            snippet=snippets.first_event(session, now=now()) if is_new else "",
            as_of=event_rates.as_of(session),
            csv_url=listing.csv_url(),
            metrics=metric_options(metrics.values()),
            **_filters(wanted),
            **_drawn(wanted, counted, _labels(session, wanted, counted.totals, metrics=metrics)),
        )


def _wanted(session: Session) -> Wanted:
    metric = chosen_metric(session)
    by = request.args.get("by", BY_METRIC)
    known = {BY_METRIC, BY_CUSTOMER, *(f"{BY_DIMENSION}{name}" for name in _dimensions(metric))}
    return Wanted(
        range=chosen_range(),
        metric=metric,
        customer_id=chosen_customer(session),
        by=by if by in known else BY_METRIC,  # the dimension of another metric
    )


def _dimensions(metric: Metric | None) -> list[str]:
    return sorted(metric.dimensions) if metric else []


def _count(session: Session, wanted: Wanted) -> Counted:
    rows = _report(session, wanted, wanted.granularity)
    return Counted(rows, rows if wanted.adds_up else _report(session, wanted, Granularity.TOTAL))


def _report(session: Session, wanted: Wanted, granularity: Granularity) -> list[ReportRow]:
    return reports.usage_report(session, wanted.query(granularity), zone=wanted.range.zone)


def _filters(wanted: Wanted) -> dict[str, Any]:
    names = [(BY_METRIC, _("Metric")), (BY_CUSTOMER, _("Customer"))]
    names += [(f"{BY_DIMENSION}{name}", name) for name in _dimensions(wanted.metric)]
    return {
        "metric": wanted.metric.code if wanted.metric else "",
        "customer": request.args.get("customer", ""),
        "range": wanted.range.key,
        "ranges": range_options(),
        "by": wanted.by,
        "ways": [(label, listing.address(by=key), key == wanted.by) for key, label in names],
        "costs_url": url_for("web.usage_costs", by=wanted.by),
    }


def _drawn(wanted: Wanted, counted: Counted, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the chart, and the table of its parts.

    Quantities of one metric are added up; of several only their events can be.
    """
    parts = stacks.largest(_parts(wanted, counted, labels))
    what = wanted.metric.unit if wanted.metric else _("Events")
    per_day, per_hour = _("%(what)s per day", what=what), _("%(what)s per hour", what=what)
    title = per_hour if wanted.range.is_hourly else per_day
    drawing = stacks.stack("usage", title, parts, along=_along(wanted.range), write=decimal)
    whole = sum((part.total for part in parts), Decimal(0))
    return {
        "what": what,
        "title": wanted.metric.name if wanted.metric else what,
        "total": decimal(whole),
        "chart": drawing,
        "parts": [_shown(wanted, part, whole) for part in parts],
        "is_untold": any(row.quantity is None for row in counted.totals)
        and wanted.metric is not None,
    }


def _parts(wanted: Wanted, counted: Counted, labels: Mapping[str, str]) -> list[Part]:
    starts = _starts(wanted.range)
    values: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in counted.rows:
        values[_key(wanted, row)][row.start] += _value(wanted, row)
    whole: dict[str, Decimal] = defaultdict(Decimal)
    for row in counted.totals:
        whole[_key(wanted, row)] += _value(wanted, row)
    return [
        Part(key, labels.get(key, key), [values[key][start] for start in starts], total)
        for key, total in whole.items()
    ]


def _key(wanted: Wanted, row: ReportRow) -> str:
    """Name the part a row belongs to; nothing for the others."""
    if row.is_other:
        return ""
    if wanted.by == BY_CUSTOMER:
        return str(row.customer_id)
    if wanted.dimension:
        return f"={row.dimensions.get(wanted.dimension, '')}"
    return str(row.metric_id)


def _value(wanted: Wanted, row: ReportRow) -> Decimal:
    return (row.quantity or Decimal(0)) if wanted.metric else Decimal(row.events)


def _labels(
    session: Session,
    wanted: Wanted,
    rows: Sequence[ReportRow],
    *,
    metrics: Mapping[int, MetricName],
) -> dict[str, str]:
    """Name each part for people."""
    keys = {_key(wanted, row) for row in rows} - {""}
    if wanted.dimension:
        nothing = _("Without %(name)s", name=wanted.dimension)
        return {key: key.removeprefix("=") or nothing for key in keys}
    if wanted.by == BY_CUSTOMER:
        named = customers.customer_names(session, [int(key) for key in keys])
        return {str(row.id): row.name for row in named.values()}
    return {str(row.id): row.code for row in metrics.values()}


def _shown(wanted: Wanted, part: Part, whole: Decimal) -> dict[str, Any]:
    return {
        "label": part.label,
        "total": decimal(part.total),
        "share": f"{100 * part.total / whole:.1f}%" if whole > 0 else "—",
        "href": _events_url(wanted, part.key) if part.key else "",
    }


def _events_url(wanted: Wanted, key: str) -> str:
    """Return where the events of a part are listed."""
    asked = {
        "metric": wanted.metric.code if wanted.metric else "",
        "customer": request.args.get("customer", ""),
        "range": wanted.range.key,
    }
    if wanted.by == BY_CUSTOMER:
        asked["customer"] = show(Prefix.CUSTOMER, int(key))
    elif wanted.dimension and key != "=":
        asked["q"] = f"{wanted.dimension}{key}"
    given: dict[str, Any] = {name: text for name, text in asked.items() if text}
    return url_for("web.usage_events", **given)


def _starts(chosen: Range) -> Sequence[date]:
    """Return the days, or the instants of the hours, that have a bar each."""
    if not chosen.is_hourly:
        return chosen.days
    hours = int((chosen.end_at - chosen.start_at) / _HOUR)
    return [chosen.start_at + n * _HOUR for n in range(hours)]


def _along(chosen: Range) -> Along:
    starts = _starts(chosen)
    if chosen.is_hourly:
        hours = [start for start in starts if isinstance(start, datetime)]
        pattern = _("MMM d, HH:mm")
        names = [format_datetime(hour, pattern) for hour in hours]
        return Along(_("Hour"), names, axes.axis_hours(hours))
    pattern = _("MMM d")
    return Along(_("Day"), [format_date(day, pattern) for day in starts], axes.axis_days(starts))


def _csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    with transaction(merchant_id) as session:
        wanted = _wanted(session)
        rows = _report(session, wanted, wanted.granularity)
        codes = catalogue.metrics_by_id(session, {row.metric_id for row in rows})
        people = {row.customer_id for row in rows if row.customer_id is not None}
        named = customers.customers_by_id(session, people)
    for row in rows:
        customer = named.get(row.customer_id) if row.customer_id is not None else None
        yield (
            row.start.isoformat(),
            codes[row.metric_id].code,
            customer.external_id if customer else "",
            row.dimensions.get(wanted.dimension, "") if wanted.dimension else "",
            "" if row.quantity is None else f"{row.quantity.normalize():f}",
            row.events,
        )
