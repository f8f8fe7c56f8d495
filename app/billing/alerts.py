"""Alerts: usage that is metered and billed at nothing, because no price takes it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, distinct, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.core.periods import local_date
from app.customers.models import Contract, ContractStatus
from app.identity import clocks
from app.metering.models import UsageDay, UsageRollup, UsageSeries
from app.pricing import queries as catalogue
from app.pricing.models import Metric, RateCardVersion
from app.pricing.parts import part_of
from app.pricing.price_sets import Terms, read_terms

RECENT = timedelta(days=30)
"""How far back usage is looked at: what was used before is on an invoice by now."""


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Recent usage of a metric that a version in use has no price for."""

    metric: Metric
    version: RateCardVersion
    customers: int
    events: int


@dataclass(frozen=True, slots=True)
class _Series:
    """One combination of dimensions that somebody used lately."""

    metric: Metric
    id: int
    names: frozenset[str]
    dimensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Edition:
    """A version that contracts are on, in their currency."""

    version: RateCardVersion
    terms: Terms

    def prices(self, series: _Series) -> bool:
        """Tell whether usage of the series has a price, or can not be told to have none."""
        price = self.terms.prices.get(series.metric.code)
        if price is None:
            return False
        if not series.names >= price.needed_dimensions:
            return True
        return part_of(price, series.dimensions, series.metric.dimensions) is not None


@dataclass(frozen=True, slots=True)
class _Gap:
    """Series of a metric that an edition has no price for, whoever used them."""

    edition: _Edition
    metric: Metric
    series_ids: Sequence[int]


def unpriced(session: Session, *, now: datetime) -> list[Unpriced]:
    """Return what customers with active contracts used lately that none of those prices.

    What was used at all is read from the merchant's days, a few seconds behind. Only where a
    version does not price some of it, its contracts' customers are asked about.
    """
    zone = ZoneInfo(clocks.get_merchant(session).time_zone)
    since = local_date(now - RECENT, zone)
    used, editions = _used(session, since), _editions(session)
    found = [
        _count(session, gap, editions, since=since)
        for edition in editions
        for gap in _gaps(edition, used)
    ]
    return [each for each in found if each.customers]


def _used(session: Session, since: date) -> list[_Series]:
    days = (
        select(UsageDay.metric_id, UsageDay.series_id)
        .where(UsageDay.day >= since)
        .distinct()
        .subquery()
    )
    statement = (
        select(Metric, days.c.series_id, UsageSeries.names, UsageSeries.dimensions)
        .join(days, days.c.metric_id == Metric.id)
        .outerjoin(UsageSeries, UsageSeries.id == days.c.series_id)
        .order_by(Metric.code, days.c.series_id)
    )
    return [
        _Series(metric, series_id, frozenset(names or ()), dimensions or {})
        for metric, series_id, names, dimensions in session.execute(statement)
    ]


def _editions(session: Session) -> list[_Edition]:
    in_use = select(Contract.rate_card_version_id, Contract.currency).distinct()
    rows = session.execute(in_use.where(Contract.status == ContractStatus.ACTIVE)).all()
    versions = catalogue.versions_by_id(session, {version_id for version_id, _ in rows})
    return [
        _Edition(versions[version_id], read_terms(versions[version_id].content, currency))
        for version_id, currency in sorted(rows)
    ]


def _gaps(edition: _Edition, used: Iterable[_Series]) -> Iterator[_Gap]:
    left: dict[int, list[_Series]] = defaultdict(list)
    for series in used:
        if not edition.prices(series):
            left[series.metric.id].append(series)
    for found in left.values():
        yield _Gap(edition, found[0].metric, [series.id for series in found])


def _count(session: Session, gap: _Gap, editions: Iterable[_Edition], *, since: date) -> Unpriced:
    """Count the customers of a gap, without those that another contract prices the metric for."""
    pricing = [each.version.id for each in editions if gap.metric.code in each.terms.prices]
    other = aliased(Contract)
    is_priced = exists().where(
        other.merchant_id == UsageRollup.merchant_id,
        other.customer_id == UsageRollup.customer_id,
        other.id != Contract.id,
        other.rate_card_version_id.in_(pricing),
        _covers(other),
    )
    statement = (
        select(func.count(distinct(UsageRollup.customer_id)), func.sum(UsageRollup.events))
        .join(
            Contract,
            (Contract.merchant_id == UsageRollup.merchant_id)
            & (Contract.customer_id == UsageRollup.customer_id),
        )
        .where(
            UsageRollup.day >= since,
            UsageRollup.metric_id == gap.metric.id,
            UsageRollup.series_id.in_(gap.series_ids),
            Contract.status == ContractStatus.ACTIVE,
            Contract.rate_card_version_id == gap.edition.version.id,
            Contract.currency == gap.edition.terms.currency,
            _covers(Contract),
            ~is_priced,
        )
    )
    customers, events = session.execute(statement).one()
    return Unpriced(gap.metric, gap.edition.version, customers, int(events or 0))


def _covers(contract: type[Contract]) -> ColumnElement[bool]:
    """Tell whether the contract covers the day of a roll-up."""
    ends_later = or_(contract.ends_on.is_(None), UsageRollup.day < contract.ends_on)
    return and_(contract.starts_on <= UsageRollup.day, ends_later)
