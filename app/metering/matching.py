"""Matching: which customer, metric and contract an event is for, or why it finds no place."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from app.metering.events import ItemResult, Outcome, ReceivedEvent, is_negative

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


class Place(NamedTuple):
    """What an event is for. `past` are the contracts that have drafted or invoiced its period."""

    customer_id: int
    metric: KnownMetric
    past: tuple[int, ...]

    @property
    def owner(self) -> tuple[int, int]:
        """The ids of the customer and the metric."""
        return self.customer_id, self.metric.id


class Window(NamedTuple):
    """The instants at which an event may have happened, both inclusive."""

    oldest: datetime
    newest: datetime


def match(event: ReceivedEvent, names: Names, window: Window) -> Place | ItemResult:
    """Return what the event is for, or why it finds no place."""
    happened = event.occurred_at
    if not window.oldest <= happened <= window.newest:
        return TOO_OLD if happened < window.oldest else IN_FUTURE
    customer = names.customers.get(event.customer_external_id)
    if customer is None or not customer.is_active:
        return UNKNOWN_CUSTOMER
    metric = names.metrics.get(event.metric)
    if metric is None or not metric.is_active:
        return UNKNOWN_METRIC
    is_covered, past = False, NO_CONTRACTS
    for contract_id, start_at, end_at, open_from in customer.contracts:
        if start_at <= happened and (end_at is None or happened < end_at):
            is_covered = True
            if open_from is None or happened < open_from:
                past = (*past, contract_id)
    if not is_covered:
        return NO_CONTRACT
    if not metric.adds_up and is_negative(event.quantity):
        return NEGATIVE
    return Place(customer.id, metric, past)


def unfounded_corrections(
    events: Mapping[int, ReceivedEvent],
    places: Mapping[int, Place],
    owners: Mapping[str, tuple[int, int]],
) -> set[int]:
    """Return which of the placed events correct something that is not there.

    `owners` are the customer and metric of the keys that are stored; keys that come in the same
    batch are there too, in whatever order, unless they hang on a correction that is unfounded.
    """
    known = dict(owners)
    waiting: dict[int, ReceivedEvent] = {}
    for index, place in places.items():
        event = events[index]
        if event.corrects is None:
            known.setdefault(event.idempotency_key, place.owner)
        else:
            waiting[index] = event
    while True:
        founded = [
            index
            for index, event in waiting.items()
            if known.get(event.corrects or "") == places[index].owner
        ]
        if not founded:
            return set(waiting)
        for index in founded:
            known.setdefault(waiting.pop(index).idempotency_key, places[index].owner)
