"""Matching: which customer, metric and contract an event is for, or why it finds no place."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from app.metering.events import ItemResult, Outcome, ReceivedEvent

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


class KnownContract(NamedTuple):
    """When a contract is in force, end exclusive, and from where on it is not invoiced yet.

    `open_from` is None when nothing is left to invoice.
    """

    id: int
    start_at: datetime
    end_at: datetime | None
    open_from: datetime | None

    def covers(self, moment: datetime) -> bool:
        return self.start_at <= moment and (self.end_at is None or moment < self.end_at)

    def is_past(self, moment: datetime) -> bool:
        """Tell whether the period of a moment that it covers has been drafted or invoiced."""
        return self.open_from is None or moment < self.open_from


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

    def place(self, event: ReceivedEvent) -> tuple[int, int]:
        """Return the ids of an event's customer and metric, which are there."""
        return self.customers[event.customer_external_id].id, self.metrics[event.metric].id


class Window(NamedTuple):
    """The instants at which an event may have happened, both inclusive."""

    oldest: datetime
    newest: datetime


def refuse(event: ReceivedEvent, names: Names, window: Window) -> ItemResult | None:
    """Return why the event finds no place, or None when it finds one."""
    happened = event.occurred_at
    if not window.oldest <= happened <= window.newest:
        return TOO_OLD if happened < window.oldest else IN_FUTURE
    customer = names.customers.get(event.customer_external_id)
    if customer is None or not customer.is_active:
        return UNKNOWN_CUSTOMER
    metric = names.metrics.get(event.metric)
    if metric is None or not metric.is_active:
        return UNKNOWN_METRIC
    if not any(contract.covers(happened) for contract in customer.contracts):
        return NO_CONTRACT
    if not metric.adds_up and str(event.quantity).startswith("-"):
        return NEGATIVE
    return None


def past_contracts(event: ReceivedEvent, names: Names) -> list[int]:
    """Return the contracts that cover the event and have drafted or invoiced its period."""
    happened = event.occurred_at
    return [
        contract.id
        for contract in names.customers[event.customer_external_id].contracts
        if contract.covers(happened) and contract.is_past(happened)
    ]


def unfounded_corrections(
    events: Mapping[int, ReceivedEvent],
    names: Names,
    owners: Mapping[str, tuple[int, int]],
) -> set[int]:
    """Return which of the events correct something that is not there.

    `owners` are the customer and metric of the keys that are stored; keys that come in the same
    batch are there too, in whatever order, unless they hang on a correction that is unfounded.
    """
    known = dict(owners)
    waiting: dict[int, tuple[str, str, tuple[int, int]]] = {}
    for index, event in events.items():
        if event.corrects is None:
            known.setdefault(event.idempotency_key, names.place(event))
        else:
            waiting[index] = event.idempotency_key, event.corrects, names.place(event)
    while True:
        founded = [i for i, (_, target, place) in waiting.items() if known.get(target) == place]
        if not founded:
            return set(waiting)
        for index in founded:
            key, _, place = waiting.pop(index)
            known.setdefault(key, place)
