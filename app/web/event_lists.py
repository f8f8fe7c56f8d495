"""Lists of usage events: the filter that stands in the address, and rows with their names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import request
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.ids import Prefix, show
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.core.text import is_clean
from app.customers import queries as customers
from app.customers.queries import CustomerName
from app.documents.formats import decimal
from app.extensions import transaction
from app.metering import queries
from app.metering.models import UsageEvent
from app.metering.queries import EventFilter, EventOutcome, EventPage, EventRow, ListedEvent
from app.pricing import queries as catalogue
from app.pricing.queries import MetricName
from app.web import csv, listing
from app.web.addresses import url_of_each
from app.web.ranges import chosen_range, range_options
from app.web.usage_names import (
    NOBODY,
    chosen_customer,
    chosen_metric,
    metric_options,
)

_MOST_DIMENSIONS = 100
"""More than a line of an invoice can be about."""

HEADER = (
    "received_at",
    "occurred_at",
    "idempotency_key",
    "customer_external_id",
    "metric",
    "quantity",
    "dimensions",
    "outcome",
    "corrects",
    "id",
)
"""The columns of the file, as `csv_rows` fills them."""


@dataclass(frozen=True)
class Row:
    """One event, with the names of its customer and metric; `is_new` has just arrived."""

    listed: ListedEvent
    customer: CustomerName
    metric: MetricName
    public_id: str
    href: str
    is_new: bool

    @property
    def event(self) -> EventRow:
        return self.listed.event

    @property
    def quantity(self) -> str:
        return decimal(self.event.quantity)


def chosen_filter(session: Session) -> EventFilter:
    """Return which events the address asks for. Raises Invalid and NotFound."""
    metric, chosen = chosen_metric(session), chosen_range()
    return EventFilter(
        customer_id=chosen_customer(session) or _searched_customer(session),
        metric_id=metric.id if metric else None,
        from_at=chosen.start_at,
        to_at=chosen.end_at,
        dimensions=_dimensions(),
        outcome=listing.chosen(EventOutcome, "outcome"),
    )


def find_page(
    session: Session, wanted: EventFilter, cursor: str | None, *, limit: int = DEFAULT_LIMIT
) -> EventPage:
    """Return one page of events; an event key finds its event, whatever else is chosen."""
    key = _searched_name()
    if key and cursor is None:
        event_id = session.scalar(select(UsageEvent.id).where(UsageEvent.idempotency_key == key))
        if event_id:
            return EventPage([queries.get_event(session, event_id)], None)
    return queries.list_events(session, wanted, cursor=cursor, limit=limit)


def rows_of(
    session: Session,
    found: Sequence[ListedEvent],
    metrics: Mapping[int, MetricName],
    *,
    new_after: int | None = None,
) -> list[Row]:
    """Name what the events are about; those that arrived after the id `new_after` are new."""
    named = customers.customer_names(session, {listed.event.customer_id for listed in found})
    url_of = url_of_each("web.usage_event", "event_id")
    rows = []
    for listed in found:
        event = listed.event
        public_id = show(Prefix.USAGE_EVENT, event.id)
        is_new = new_after is not None and event.id > new_after
        customer, metric = named[event.customer_id], metrics[event.metric_id]
        rows.append(Row(listed, customer, metric, public_id, url_of(public_id), is_new))
    return rows


def filter_fields(metrics: Iterable[MetricName]) -> dict[str, Any]:
    """Return what the filter bar is drawn from."""
    return {
        "q": request.args.get("q", ""),
        "customer": request.args.get("customer", ""),
        "metric": request.args.get("metric", ""),
        "metrics": metric_options(metrics),
        "dimensions": _named_dimensions(),
        "outcome": request.args.get("outcome", ""),
        "outcomes": [
            ("", _("Every outcome")),
            (EventOutcome.ACCEPTED.value, _("Accepted")),
            (EventOutcome.LATE.value, _("Late")),
            (EventOutcome.VOIDED.value, _("Voided")),
        ],
        "range": chosen_range().key,
        "ranges": range_options(),
    }


def csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    """Yield every event that the address asks for, page by page."""
    with transaction(merchant_id) as session:
        wanted = chosen_filter(session)
        metrics = catalogue.metric_names(session)

    def read_page(cursor: str | None) -> Page[Row]:
        with transaction(merchant_id) as session:
            found = find_page(session, wanted, cursor, limit=MAX_LIMIT)
            return Page(rows_of(session, found.rows, metrics), found.next_cursor)

    for row in csv.all_rows(read_page):
        yield _cells(row)


def _dimensions() -> dict[str, list[str]]:
    """Return the dimensions that are asked for, each written as `model=gpt-5`.

    One may be searched for, and any number stand in the address: of one name, any value will do.
    """
    found: dict[str, list[str]] = {}
    for text in (request.args.get("q", ""), *_named_dimensions()):
        name, separator, value = text.partition("=")
        if separator:
            found.setdefault(name.strip(), []).append(value.strip())
    return found


def _named_dimensions() -> list[str]:
    return request.args.getlist("dimension")[:_MOST_DIMENSIONS]


def _searched_name() -> str:
    """Return what is searched for, when it is no dimension: an event key, or a customer."""
    text = request.args.get("q", "").strip()
    return text if is_clean(text) and "=" not in text else ""


def _searched_customer(session: Session) -> int | None:
    """Return the customer of this external id; one there is not has used nothing."""
    name = _searched_name()
    if not name:
        return None
    customer = customers.customers_by_external_id(session, [name]).get(name)
    return customer.id if customer else NOBODY


def _cells(row: Row) -> tuple[object, ...]:
    event = row.event
    return (
        event.received_at.isoformat(timespec="milliseconds"),
        event.occurred_at.isoformat(timespec="milliseconds"),
        event.idempotency_key,
        row.customer.external_id,
        row.metric.code,
        f"{event.quantity.normalize():f}",
        " ".join(f"{name}={value}" for name, value in event.dimensions.items()),
        row.listed.outcome.value,
        event.corrects or "",
        row.public_id,
    )
