"""Usage as it is read: single events, and what was used day by day."""

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec

from app.api.operations import Call
from app.api.v1.base import (
    API,
    DecimalText,
    In,
    Listing,
    Moment,
    Out,
    PageQuery,
    check_zone,
    utc,
)
from app.core.decimals import plain
from app.core.errors import Invalid
from app.core.ids import Prefix, show
from app.core.paging import Page
from app.customers import queries as customers
from app.identity.models import Scope
from app.metering import queries
from app.metering.queries import ListedEvent
from app.pricing import queries as catalogue

TAG = "Usage"
LONGEST_SPAN = timedelta(days=400)
"""How many days of totals one answer holds at most."""


class SpanTooLong(Invalid):
    code = "span_too_long"


class UsageEventQuery(PageQuery, kw_only=True):
    customer_external_id: str | None = None
    metric: str | None = None
    from_at: Moment | None = msgspec.field(default=None, name="from")
    to_at: Moment | None = msgspec.field(default=None, name="to")

    def __post_init__(self) -> None:
        check_zone(self.from_at, "from")
        check_zone(self.to_at, "to")


class UsageEventOut(Out):
    """One stored event."""

    id: str
    customer_external_id: str
    idempotency_key: str
    metric: str
    quantity: DecimalText
    occurred_at: Moment
    received_at: Moment
    dimensions: dict[str, str | int | bool]


class UsageEventList(Listing[UsageEventOut]):
    """A page of events, the last stored first."""


class UsageQuery(In, kw_only=True):
    """Which days: `from` is the first, `to` the first that is left out."""

    from_day: date = msgspec.field(name="from")
    to_day: date = msgspec.field(name="to")
    customer_external_id: str | None = None
    metric: str | None = None


class UsageDay(Out):
    """A metric on one day of the merchant."""

    day: date
    metric: str
    quantity: DecimalText
    events: int


class UsageDayList(Listing[UsageDay]):
    """Each day and metric with usage, the first day first."""


@API.route(
    "GET",
    "/usage-events",
    scope=Scope.USAGE_READ,
    tag=TAG,
    query=UsageEventQuery,
    returns=UsageEventList,
)
def list_usage_events(call: Call, query: UsageEventQuery) -> Listing[UsageEventOut]:
    """List events that happened from `from` on and before `to`."""
    wanted = _find_names(call, query)
    if wanted is None:
        return UsageEventList([])
    customer_id, metric_id = wanted
    events = queries.EventFilter(customer_id, metric_id, query.from_at, query.to_at)
    return _shown(call, queries.list_events(call.session, events, **query.page))


@API.route(
    "GET",
    "/usage",
    scope=Scope.USAGE_READ,
    tag=TAG,
    query=UsageQuery,
    returns=UsageDayList,
)
def get_daily_usage(call: Call, query: UsageQuery) -> Listing[UsageDay]:
    """Return what was used on each day, from `from` on and before `to`."""
    if query.to_day - query.from_day > LONGEST_SPAN:
        raise SpanTooLong(f"must be at most {LONGEST_SPAN.days} days after `from`", path="to")
    wanted = _find_names(call, query)
    if wanted is None:
        return UsageDayList([])
    customer_id, metric_id = wanted
    days = queries.daily_usage(
        call.session,
        first_day=query.from_day,
        end_day=query.to_day,
        customer_id=customer_id,
        metric_id=metric_id,
    )
    codes = {id_: catalogue.get_metric(call.session, id_).code for id_ in _ids(days)}
    return UsageDayList(
        [UsageDay(day.day, codes[day.metric_id], plain(day.quantity), day.events) for day in days]
    )


def _find_names(
    call: Call, query: UsageEventQuery | UsageQuery
) -> tuple[int | None, int | None] | None:
    """Return the ids of the customer and the metric asked for; None when one is not there."""
    customer_id = metric_id = None
    if query.customer_external_id is not None:
        name = query.customer_external_id
        customer = customers.customers_by_external_id(call.session, [name]).get(name)
        if customer is None:
            return None
        customer_id = customer.id
    if query.metric is not None:
        metric = catalogue.metrics_by_code(call.session, [query.metric]).get(query.metric)
        if metric is None:
            return None
        metric_id = metric.id
    return customer_id, metric_id


def _ids(days: Sequence[queries.DayUsage]) -> set[int]:
    return {day.metric_id for day in days}


def _shown(call: Call, page: Page[ListedEvent]) -> Listing[UsageEventOut]:
    metrics = {row.event.metric_id for row in page.rows}
    codes = {id_: catalogue.get_metric(call.session, id_).code for id_ in metrics}
    who = customers.customers_by_id(call.session, {row.event.customer_id for row in page.rows})

    def show_event(listed: ListedEvent) -> UsageEventOut:
        event = listed.event
        return UsageEventOut(
            id=show(Prefix.USAGE_EVENT, event.id),
            customer_external_id=who[event.customer_id].external_id,
            idempotency_key=event.idempotency_key,
            metric=codes[event.metric_id],
            quantity=plain(event.quantity),
            occurred_at=utc(event.occurred_at),
            received_at=utc(event.received_at),
            dimensions=event.dimensions,
        )

    return UsageEventList.of(page, show_event)
