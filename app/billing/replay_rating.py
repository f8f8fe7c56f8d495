"""Rating contracts for a replay: at the prices they have, and at those of the draft."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.billing.amounts import sum_lines
from app.billing.lines import Line, LineTooLarge, commitment, rate_usage
from app.billing.replay_models import PriceReplay, PriceReplayRow
from app.billing.scopes import Scope
from app.core.money import Money
from app.core.periods import Period, local_date, local_midnight
from app.customers.models import Contract
from app.identity import clocks
from app.metering.usage import SeriesUsage, series_usage
from app.pricing import queries as catalogue
from app.pricing.models import Metric
from app.pricing.price_sets import Terms, read_terms

NOT_PRICED = "currency_not_priced"
"""The problem of a contract whose currency the draft has no prices in."""


@dataclass(frozen=True, slots=True)
class Case:
    """One contract of a replay: what it used, and the two scopes it is rated in."""

    contract: Contract
    current: Scope
    draft: Scope
    usage: Mapping[int, Sequence[SeriesUsage]]


def rate(
    session: Session, replay: PriceReplay, contracts: Sequence[Contract]
) -> list[PriceReplayRow]:
    """Return a row for each of the contracts, rated on the days of the replay that it covers.

    Usage is read once for all that cover the same days. Nothing is written.
    """
    metrics = catalogue.all_metrics(session)
    return [
        _row(session, replay, case, metrics=metrics) for case in _cases(session, replay, contracts)
    ]


def _cases(session: Session, replay: PriceReplay, contracts: Sequence[Contract]) -> Iterator[Case]:
    zone = ZoneInfo(clocks.get_merchant(session).time_zone)
    terms = _terms_of(session, contracts)
    drafts = {each.currency: read_terms(replay.content, each.currency) for each in contracts}
    by_period: dict[Period, list[Contract]] = defaultdict(list)
    for contract in contracts:
        by_period[_covered(replay, contract, zone=zone)].append(contract)
    for period, covering in by_period.items():
        usage = _usage_of(session, {each.customer_id for each in covering}, period, zone=zone)
        for contract in covering:
            current = Scope(
                contract_id=contract.id,
                customer_id=contract.customer_id,
                terms=terms[contract.id],
                period=period,
                zone=zone,
                whole_days=(replay.period_to - replay.period_from).days,
            )
            draft = replace(current, terms=drafts[contract.currency])
            yield Case(contract, current, draft, usage[contract.customer_id])


def _terms_of(session: Session, contracts: Collection[Contract]) -> dict[int, Terms]:
    """Return the terms of each contract, those of one version and currency read once."""
    wanted = {contract.rate_card_version_id for contract in contracts}
    versions = catalogue.versions_by_id(session, wanted)
    keys = {(each.rate_card_version_id, each.currency) for each in contracts}
    terms = {
        (version_id, currency): read_terms(versions[version_id].content, currency)
        for version_id, currency in keys
    }
    return {each.id: terms[each.rate_card_version_id, each.currency] for each in contracts}


def _covered(replay: PriceReplay, contract: Contract, *, zone: ZoneInfo) -> Period:
    """Return the part of the replayed days that the contract covers."""
    first = max(replay.period_from, contract.starts_on)
    end = min(replay.period_to, contract.ends_on or replay.period_to)
    return Period(local_midnight(first, zone), local_midnight(end, zone))


def _usage_of(
    session: Session, customer_ids: Collection[int], period: Period, *, zone: ZoneInfo
) -> dict[int, dict[int, list[SeriesUsage]]]:
    """Return usage by customer and metric: in one statement, empty for who used nothing."""
    usage: dict[int, dict[int, list[SeriesUsage]]] = {each: {} for each in customer_ids}
    found = series_usage(
        session,
        customer_ids,
        first_day=local_date(period.start_at, zone),
        end_day=local_date(period.end_at, zone),
    )
    for (customer_id, metric_id), series in found.items():
        usage[customer_id][metric_id] = series
    return usage


def _row(
    session: Session, replay: PriceReplay, case: Case, *, metrics: Mapping[str, Metric]
) -> PriceReplayRow:
    row = PriceReplayRow(
        merchant_id=replay.merchant_id,
        replay_id=replay.id,
        contract_id=case.contract.id,
        customer_id=case.contract.customer_id,
        currency=case.contract.currency,
        current_minor=0,
        draft_minor=0,
        events=0,
        crossings=[],
        problem=None if case.draft.terms.prices else NOT_PRICED,
    )
    if row.problem:
        return row
    try:
        current = _lines(session, case.current, case, metrics=metrics)
        draft = _lines(session, case.draft, case, metrics=metrics)
    except LineTooLarge as refusal:
        row.problem = refusal.code
        return row
    row.current_minor = _sum(current, case).minor
    row.draft_minor = _sum(draft, case).minor
    row.events = sum(each.events for series in case.usage.values() for each in series)
    row.crossings = list(_crossings(current, draft))
    return row


def _lines(
    session: Session, scope: Scope, case: Case, *, metrics: Mapping[str, Metric]
) -> list[Line]:
    lines = rate_usage(session, scope, metrics, usage=case.usage)
    return [*lines, *commitment(scope, lines)]


def _sum(lines: Sequence[Line], case: Case) -> Money:
    return sum_lines((line.amount for line in lines), case.contract.currency)


def _crossings(current: Sequence[Line], draft: Sequence[Line]) -> Iterator[dict[str, Any]]:
    """Yield the parts whose quantity ends in another tier; they are told by their words.

    Their positions mean nothing across versions: a filter may have moved.
    """
    before = {line.description: line for line in current if line.metric}
    for line in draft:
        earlier = before.get(line.description)
        if line.metric and earlier and earlier.tier != line.tier:
            yield {
                "metric": line.metric.code,
                "part": line.description,
                "before": earlier.tier,
                "after": line.tier,
            }
