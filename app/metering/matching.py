"""Matching: which customer, metric and contract an event is for, or why it finds no place."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from app.metering.events import (
    Dimensions,
    ItemResult,
    Outcome,
    ReceivedEvent,
    is_negative,
    text_of,
)

TOO_OLD = ItemResult(
    Outcome.INVALID, "event_too_old", "happened before the late window", "occurred_at"
)
IN_FUTURE = ItemResult(
    Outcome.INVALID, "event_in_future", "happens more than 5 minutes from now", "occurred_at"
)
UNKNOWN_CUSTOMER = ItemResult(
    Outcome.UNMATCHED, "unknown_customer", "there is no such customer", "customer_external_id"
)
UNKNOWN_METRIC = ItemResult(
    Outcome.UNMATCHED, "unknown_metric", "there is no such metric", "metric"
)
NO_CONTRACT = ItemResult(
    Outcome.UNMATCHED,
    "no_contract",
    "the customer has no contract for that time",
    "occurred_at",
)
NEGATIVE = ItemResult(
    Outcome.INVALID,
    "negative_quantity",
    "may be negative only of a metric that adds up",
    "quantity",
)


NO_CONTRACTS: tuple[int, ...] = ()

_NEVER = datetime.max.replace(tzinfo=UTC)

Combination = tuple[int, tuple[str, ...], tuple[str | None, ...]]
"""A metric's id, its declared names, and an event's values for them, as texts; None for none."""


class KnownContract(NamedTuple):
    """When a contract is in force, end exclusive, and from where on it is not invoiced yet.

    `open_from` is None when nothing is left to invoice.
    """

    id: int
    start_at: datetime
    end_at: datetime | None
    open_from: datetime | None


class KnownCustomer(NamedTuple):
    id: int
    is_active: bool
    contracts: tuple[KnownContract, ...] = ()


class KnownMetric(NamedTuple):
    """A metric, with the names its dimensions are declared by, sorted."""

    id: int
    is_active: bool
    adds_up: bool
    names: tuple[str, ...]


class Names(NamedTuple):
    """The customers and metrics of a batch by the merchant's own names, also archived ones."""

    customers: Mapping[str, KnownCustomer]
    metrics: Mapping[str, KnownMetric]


class Target(NamedTuple):
    """What the events of one source are for: a customer, a metric, a combination of dimensions.

    What happens from `open_from` up to `open_to` is covered by the customer's only contract and
    not invoiced yet, as most is; `covering` tells for the rest.
    """

    customer: KnownCustomer
    metric: KnownMetric
    combination: Combination | None
    open_from: datetime
    open_to: datetime

    @property
    def owner(self) -> tuple[int, int]:
        """The ids of the customer and the metric."""
        return self.customer.id, self.metric.id

    def covering(self, happened: datetime) -> list[KnownContract]:
        """Return the customer's contracts that were in force when it happened."""
        return [
            contract
            for contract in self.customer.contracts
            if contract.start_at <= happened
            and (contract.end_at is None or happened < contract.end_at)
        ]


class Window(NamedTuple):
    """The instants at which an event may have happened, both inclusive."""

    oldest: datetime
    newest: datetime


def fit_all(times: Collection[datetime], targets: Iterable[Target], window: Window) -> bool:
    """Tell whether events of `targets` that happened at `times` all fit, as nearly all do.

    Not all may fit after False; and none corrects another.
    """
    first, last = min(times), max(times)
    return (
        window.oldest <= first
        and last <= window.newest
        and all(target.open_from <= first and last < target.open_to for target in targets)
    )


def match(event: ReceivedEvent, names: Names) -> Target | ItemResult:
    """Return what the events of this one's source are for, or why they find no place."""
    customer = names.customers.get(event.customer_external_id)
    if customer is None or not customer.is_active:
        return UNKNOWN_CUSTOMER
    metric = names.metrics.get(event.metric)
    if metric is None or not metric.is_active:
        return UNKNOWN_METRIC
    open_from, open_to = _open_span(customer)
    return Target(customer, metric, combination(metric, event.dimensions), open_from, open_to)


def fit(event: ReceivedEvent, target: Target) -> ItemResult | tuple[int, ...]:
    """Return the contracts that drafted or invoiced the event's period, or why it has no place."""
    if event.corrects is not None and not target.metric.adds_up and is_negative(event.quantity):
        return NEGATIVE
    happened = event.occurred_at
    if target.open_from <= happened < target.open_to:
        return NO_CONTRACTS
    covering = target.covering(happened)
    if not covering:
        return NO_CONTRACT
    return tuple(
        [
            contract.id
            for contract in covering
            if contract.open_from is None or happened < contract.open_from
        ]
    )


def combination(metric: KnownMetric, dimensions: Dimensions | None) -> Combination | None:
    """Return what an event counts for, or None when its metric tells no dimensions apart."""
    if not metric.names:
        return None
    given = dimensions or {}
    values = [given.get(name) for name in metric.names]
    return metric.id, metric.names, tuple([v if v is None else text_of(v) for v in values])


def _open_span(customer: KnownCustomer) -> tuple[datetime, datetime]:
    if len(customer.contracts) != 1:
        return _NEVER, _NEVER
    (contract,) = customer.contracts
    open_from = contract.open_from or _NEVER
    return max(contract.start_at, open_from), contract.end_at or _NEVER


def unfounded_corrections(
    events: Mapping[int, ReceivedEvent],
    targets: Mapping[int, Target],
    owners: Mapping[str, tuple[int, int]],
) -> set[int]:
    """Return which of the placed events correct something that is not there.

    `owners` are the customer and metric of the keys that are stored; keys that come in the same
    batch are there too, in whatever order, unless they hang on a correction that is unfounded.
    """
    known = dict(owners)
    waiting: dict[int, ReceivedEvent] = {}
    for index, target in targets.items():
        event = events[index]
        if event.corrects is None:
            known.setdefault(event.idempotency_key, target.owner)
        else:
            waiting[index] = event
    while True:
        founded = [
            index
            for index, event in waiting.items()
            if known.get(event.corrects or "") == targets[index].owner
        ]
        if not founded:
            return set(waiting)
        for index in founded:
            known.setdefault(waiting.pop(index).idempotency_key, targets[index].owner)
