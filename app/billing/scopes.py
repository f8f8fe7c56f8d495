"""What a bill is about: whose usage, in which period, at which prices."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from app.billing.models import Invoice
from app.core.money import Currency
from app.core.periods import Cycle, Period, local_date, period_containing
from app.customers.models import Contract
from app.pricing.price_sets import Terms, read_terms

_LONG_AGO = date(1970, 1, 5)
"""A Monday before every contract: counted from it, a calendar cycle has no stub."""


@dataclass(frozen=True)
class Scope:
    """The usage of a contract's customer in one period, and the terms it is rated at.

    Days are those of `zone`; `end_day` is exclusive. `whole_days` is how long the period would be
    had the contract begun before it and not ended in it.
    """

    contract_id: int
    customer_id: int
    terms: Terms
    period: Period
    zone: ZoneInfo
    whole_days: int

    @property
    def currency(self) -> Currency:
        return self.terms.currency

    @cached_property
    def first_day(self) -> date:
        return local_date(self.period.start_at, self.zone)

    @cached_property
    def end_day(self) -> date:
        return local_date(self.period.end_at, self.zone)

    @property
    def days(self) -> int:
        return (self.end_day - self.first_day).days


def scope_of(contract: Contract, period: Period, terms: Terms, *, zone: ZoneInfo) -> Scope:
    """Return the scope of one of the contract's periods at these terms."""
    whole = _whole_period(contract.cycle, period, anchor=contract.anchor_on, zone=zone)
    return Scope(
        contract_id=contract.id,
        customer_id=contract.customer_id,
        terms=terms,
        period=period,
        zone=zone,
        whole_days=whole.days(zone),
    )


def scope_of_invoice(contract: Contract, invoice: Invoice, terms: Terms | None = None) -> Scope:
    """Return what an invoice of usage is about: at its own copy of the prices, in its own zone.

    `terms` are those that its copy says, if they have been read already.
    """
    period = Period(invoice.period_start_at, invoice.period_end_at)
    terms = terms or read_terms(invoice.rate_card or {}, invoice.currency)
    return scope_of(contract, period, terms, zone=ZoneInfo(invoice.time_zone))


@lru_cache(maxsize=256)  # contracts of one cycle mostly ask for the same period
def _whole_period(cycle: Cycle, period: Period, *, anchor: date, zone: ZoneInfo) -> Period:
    origin = _LONG_AGO if cycle.is_calendar else anchor
    return period_containing(cycle, period.start_at, anchor=origin, zone=zone)
