"""Usage as it is read: single events, and reports by time, customer and dimension."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec

from app.api.operations import Call
from app.api.v1.base import (
    API,
    In,
    Listing,
    Moment,
    Out,
    PageQuery,
    check_zone,
    utc,
    utc_or_none,
)
from app.api.v1.usage import QuantityText
from app.core.decimals import plain
from app.core.ids import Prefix, show
from app.customers import queries as customers
from app.identity.models import Scope
from app.metering import queries, reports, voiding
from app.metering.queries import EventFilter, EventOutcome, ListedEvent
from app.metering.report_sources import Granularity, ReportQuery
from app.metering.reports import ReportRow
from app.metering.voiding import MAX_BATCH, VoidOutcome
from app.pricing import queries as catalogue

TAG = "Usage"

_BY_CUSTOMER, _BY_METRIC, _BY_DIMENSION = "customer", "metric", "dimension:"
_EXAMPLE = {"idempotencyKeys": ["evt_abc_1234"], "reason": "Sent twice, under two keys"}

TotalText = Annotated[
    str,
    msgspec.Meta(
        description="An exact decimal, as text. Corrections may bring it below zero.",
        extra_json_schema={"pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"},
    ),
]
DimensionText = Annotated[
    str,
    msgspec.Meta(
        description="A dimension and the value it must have, such as `model:gpt-5`.",
        pattern="^[^:]+:",
    ),
]


class UsageEventQuery(PageQuery, kw_only=True):
    """Which events: those that happened from `from` on and before `to`, and meet the rest."""

    customer_external_id: str | None = None
    metric: str | None = None
    dimension: DimensionText | None = None
    outcome: EventOutcome | None = None
    from_at: Moment | None = msgspec.field(default=None, name="from")
    to_at: Moment | None = msgspec.field(default=None, name="to")

    def __post_init__(self) -> None:
        check_zone(self.from_at, "from")
        check_zone(self.to_at, "to")


class UsageEventOut(Out):
    """One stored event. A voided one is kept and counts nowhere."""

    id: str
    customer_external_id: str
    idempotency_key: str
    metric: str
    quantity: QuantityText
    occurred_at: Moment
    received_at: Moment
    dimensions: dict[str, str | int | bool]
    corrects: str | None
    outcome: EventOutcome
    voided_at: Moment | None
    void_reason: str | None


class UsageEventList(Listing[UsageEventOut]):
    """A page of events, the last to happen first.

    A page looks at 10,000 events at most for those that meet the filter. One that found fewer
    than `limit` among them says in `lookedBackTo` how far it came; the next goes on from there.
    """

    looked_back_to: Moment | None = None


class UsageQuery(In, kw_only=True):
    """What a report is about: the local days from `from` on, without `to`."""

    from_day: date = msgspec.field(name="from")
    to_day: date = msgspec.field(name="to")
    granularity: Granularity = Granularity.DAY
    group_by: Annotated[
        str,
        msgspec.Meta(
            description="What to tell apart besides metrics: `customer`, `dimension:model`, or "
            "several of them (at most two dimensions) with commas between."
        ),
    ] = ""
    customer_external_id: str | None = None
    metric: Annotated[
        str | None, msgspec.Meta(description="One metric's code, or several with commas between.")
    ] = None
    dimension: DimensionText | None = None

    def __post_init__(self) -> None:
        for group in self.groups:
            if group not in {_BY_CUSTOMER, _BY_METRIC} and not group.startswith(_BY_DIMENSION):
                raise ValueError(f"`groupBy` knows no `{group}`")

    @property
    def groups(self) -> list[str]:
        return list(filter(None, self.group_by.split(",")))

    @property
    def dimension_groups(self) -> list[str]:
        found = (group for group in self.groups if group.startswith(_BY_DIMENSION))
        return [group.removeprefix(_BY_DIMENSION) for group in found]


class UsageRow(Out, kw_only=True, omit_defaults=True):
    """What was used of a metric in one hour, day or month, or in total.

    `quantity` is null where it would have to be counted from the events of more than 31 days.
    `isOther` adds up the groups that came after the first thousand.
    """

    hour: Moment | None = None
    day: date | None = None
    month: str | None = None
    metric: str
    customer_external_id: str | None = None
    dimensions: dict[str, str] | None = None
    is_other: bool = False
    quantity: TotalText | None
    events: int


class UsageRowList(Listing[UsageRow]):
    """The rows of a report, oldest first. What was not used has none."""


class VoidUsageIn(In):
    """Up to 500 events to take back, and why."""

    idempotency_keys: Annotated[
        list[str],
        msgspec.Meta(extra_json_schema={"minItems": 1, "maxItems": MAX_BATCH}),
    ]
    reason: str


class VoidedItem(Out):
    """What became of one key."""

    index: int
    idempotency_key: str
    status: VoidOutcome


class VoidUsageOut(Out):
    """How many events were taken back; `results` answers for each key, in the order they came."""

    voided: int
    results: list[VoidedItem]


@API.route(
    "GET",
    "/usage-events",
    scope=Scope.USAGE_READ,
    tag=TAG,
    query=UsageEventQuery,
    returns=UsageEventList,
)
def list_usage_events(call: Call, query: UsageEventQuery) -> Listing[UsageEventOut]:
    """List events, the last to happen first."""
    found = _find_names(call, query.customer_external_id, query.metric)
    if found is None:
        return UsageEventList([])
    customer_id, metric_ids = found
    wanted = EventFilter(
        customer_id=customer_id,
        metric_id=None if metric_ids is None else min(metric_ids),
        from_at=query.from_at,
        to_at=query.to_at,
        dimensions=_dimensions(query.dimension),
        outcome=query.outcome,
    )
    page = queries.list_events(call.session, wanted, **query.page)
    return UsageEventList(
        _shown(call, page.rows), page.next_cursor, utc_or_none(page.looked_back_to)
    )


@API.route(
    "GET",
    "/usage-events/<usage_event_id>",
    scope=Scope.USAGE_READ,
    tag=TAG,
    returns=UsageEventOut,
)
def get_usage_event(call: Call, usage_event_id: int) -> UsageEventOut:
    """Return one event as it was stored."""
    (shown,) = _shown(call, [queries.get_event(call.session, usage_event_id)])
    return shown


@API.route(
    "POST",
    "/usage-voids",
    scope=Scope.USAGE_WRITE,
    tag=TAG,
    body=VoidUsageIn,
    returns=VoidUsageOut,
    example=_EXAMPLE,
)
def void_usage_events(call: Call, body: VoidUsageIn) -> VoidUsageOut:
    """Take back up to 500 events that no invoice has billed yet, by their idempotency keys.

    Every key is answered for by itself: `voided`, `repeated` (it was voided before), `unknown`,
    `invoiced` (send an event that `corrects` it instead) or `corrected` (void the events that
    correct it first, or with it). Events and keys stay; the same event is not taken again.
    """
    outcomes = voiding.void_events(
        call.session,
        body.idempotency_keys,
        reason=body.reason,
        actor=call.actor,
        zone=ZoneInfo(call.merchant.time_zone),
        now=call.now,
    )
    answered = zip(body.idempotency_keys, outcomes, strict=True)
    return VoidUsageOut(
        voided=outcomes.count(VoidOutcome.VOIDED),
        results=[VoidedItem(index, *answer) for index, answer in enumerate(answered)],
    )


@API.route(
    "GET",
    "/usage",
    scope=Scope.USAGE_READ,
    tag=TAG,
    query=UsageQuery,
    returns=UsageRowList,
)
def get_usage(call: Call, query: UsageQuery) -> Listing[UsageRow]:
    """Return what was used by the hour, the day, the month or in total, on the merchant's clock.

    Every row is of one metric. Over customers a quantity adds up what each of them came to, by
    the metric's aggregation. Days and months are a few seconds behind the events.
    """
    found = _find_names(call, query.customer_external_id, query.metric)
    if found is None:
        return UsageRowList([])
    customer_id, metric_ids = found
    wanted = ReportQuery(
        first_day=query.from_day,
        end_day=query.to_day,
        granularity=query.granularity,
        metric_ids=metric_ids,
        customer_ids=None if customer_id is None else frozenset({customer_id}),
        dimensions=_dimensions(query.dimension),
        by_customer=_BY_CUSTOMER in query.groups,
        by_dimensions=tuple(dict.fromkeys(query.dimension_groups)),
    )
    rows = reports.usage_report(call.session, wanted, zone=ZoneInfo(call.merchant.time_zone))
    return UsageRowList(_shown_rows(call, rows, query.granularity))


def _find_names(
    call: Call, customer: str | None, metrics: str | None
) -> tuple[int | None, frozenset[int] | None] | None:
    """Return the ids of the customer and the metrics asked for; None when one is not there."""
    customer_id = metric_ids = None
    if customer is not None:
        found = customers.customers_by_external_id(call.session, [customer])
        if not found:
            return None
        customer_id = found[customer].id
    if metrics is not None:
        codes = set(metrics.split(","))
        known = catalogue.metrics_by_code(call.session, codes)
        if codes != known.keys():
            return None
        metric_ids = frozenset(metric.id for metric in known.values())
    return customer_id, metric_ids


def _dimensions(text: str | None) -> dict[str, frozenset[str]]:
    if text is None:
        return {}
    name, _, value = text.partition(":")
    return {name: frozenset({value})}


def _shown(call: Call, rows: Sequence[ListedEvent]) -> list[UsageEventOut]:
    metrics = catalogue.metrics_by_id(call.session, {row.event.metric_id for row in rows})
    who = customers.customers_by_id(call.session, {row.event.customer_id for row in rows})

    def show_event(listed: ListedEvent) -> UsageEventOut:
        event, void = listed.event, listed.void
        return UsageEventOut(
            id=show(Prefix.USAGE_EVENT, event.id),
            customer_external_id=who[event.customer_id].external_id,
            idempotency_key=event.idempotency_key,
            metric=metrics[event.metric_id].code,
            quantity=plain(event.quantity),
            occurred_at=utc(event.occurred_at),
            received_at=utc(event.received_at),
            dimensions=event.dimensions,
            corrects=event.corrects,
            outcome=listed.outcome,
            voided_at=utc(void.voided_at) if void else None,
            void_reason=void.reason if void else None,
        )

    return [show_event(row) for row in rows]


def _shown_rows(call: Call, rows: Sequence[ReportRow], granularity: Granularity) -> list[UsageRow]:
    metrics = catalogue.metrics_by_id(call.session, {row.metric_id for row in rows})
    who = customers.customers_by_id(
        call.session, {row.customer_id for row in rows if row.customer_id}
    )

    def show_row(row: ReportRow) -> UsageRow:
        return UsageRow(
            **_start(row.start, granularity),
            metric=metrics[row.metric_id].code,
            customer_external_id=who[row.customer_id].external_id if row.customer_id else None,
            dimensions=dict(row.dimensions) or None,
            is_other=row.is_other,
            quantity=None if row.quantity is None else plain(row.quantity),
            events=row.events,
        )

    return [show_row(row) for row in rows]


def _start(start: date, granularity: Granularity) -> dict[str, Any]:
    """Name the time of a row by the field that fits it: `start` is an instant only of an hour."""
    match granularity:
        case Granularity.HOUR:
            return {"hour": utc(start)} if isinstance(start, datetime) else {}
        case Granularity.DAY:
            return {"day": start}
        case Granularity.MONTH:
            return {"month": f"{start:%Y-%m}"}
        case Granularity.TOTAL:
            return {}
