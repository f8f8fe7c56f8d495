"""What the price editor shows beside its fields: calculator, curves, changes, what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from flask import request
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.core.errors import Refusal
from app.core.money import Currency
from app.core.paging import MAX_LIMIT
from app.pricing import queries, rate_cards, rating
from app.pricing.charges import Model
from app.pricing.filters import Declared
from app.pricing.models import CatalogStatus
from app.web import price_calculator, price_charts, price_differences, price_words
from app.web.price_calculator import Calculation, Unfinished, read_trial
from app.web.price_differences import PriceChange
from app.web.price_forms import PriceForm, Spot
from app.web.price_rows import match_document

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """The first thing that keeps the prices from being published; `at` is the charge it is in.

    `field` is empty where it is about the whole. While nothing is typed in the field, the problem
    is only that the page is not finished.
    """

    at: Spot
    field: str
    text: str
    is_typed: bool


@dataclass(frozen=True)
class Entry:
    """One charge in the list of prices."""

    at: Spot
    metric: str
    part: str
    model: str
    is_open: bool
    is_wrong: bool


def context(session: Session, prices: PriceForm, *, current: Document | None) -> dict[str, Any]:
    """Return what the blocks `editor` and `preview` show; `current` is the content in force."""
    active = queries.list_metrics(session, status=CatalogStatus.ACTIVE, limit=MAX_LIMIT).rows
    metric = queries.metrics_by_code(session, [prices.row.metric]).get(prices.row.metric)
    declared: Declared = dict(sorted(metric.dimensions.items())) if metric else {}
    problem, changes = _judge(session, prices, current)
    if problem and problem.is_typed and problem.at == prices.at and not prices.has_errors:
        prices.errors[problem.field] = problem.text
    price = price_calculator.price_at(prices, prices.at)
    trial = read_trial(request.form, price)
    result = price_calculator.calculate(prices, trial, declared, published=current)
    currency = Currency(prices.row.currency)
    taken = prices.taken
    return {
        "prices": prices,
        "entries": _entries(prices, problem),
        "model_names": price_words.models(),
        # With the one that is priced, were it archived or one of many.
        "metrics": [
            (code, code) for code in sorted({each.code for each in [*active, metric] if each})
        ],
        "unit": metric.unit if metric else _("unit"),
        "declared": declared,
        "match_names": list(dict.fromkeys([*declared, *(taken.match if taken else ())])),
        "currencies": [(each.value, each.value) for each in Currency],
        "minor_unit": f"{price_words.major(Decimal(1), currency)} {currency}",
        "trial": trial,
        "result": result,
        "is_calculated": isinstance(result, Calculation),
        "taken_part": _part_at(prices, result),
        "is_share_open": prices.charge.model in {Model.PERCENTAGE, Model.GRADUATED_PERCENTAGE},
        "needs_events": price is not None and rating.needs_events(price),
        "suggestions": [
            (quantity, price_charts.compact(float(quantity)))
            for quantity in price_calculator.suggestions(price)
        ],
        "charts": price_charts.charts(prices, result, current)
        if isinstance(result, Calculation)
        else [],
        "problem": problem,
        "changes": changes,
    }


def _entries(prices: PriceForm, problem: Problem | None) -> dict[str, list[Entry]]:
    """Return all charges by currency, the filters of a metric before its default."""
    entries: dict[str, list[Entry]] = {name: [] for name in prices.currencies}
    names = price_words.models()
    for number, row in enumerate(prices.rows):
        charges = [
            (Spot(number, position), price_words.part_label(match_document(each)), each.charge)
            for position, each in enumerate(row.filters)
        ]
        rest = _("any other") if row.filters else _("all usage")
        entries[row.currency] += [
            Entry(
                at,
                row.metric or _("no metric yet"),
                part or _("no values yet"),
                names.get(charge.model, charge.model),
                at == prices.at,
                bool(problem and problem.is_typed and problem.field and problem.at == at),
            )
            for at, part, charge in [*charges, (Spot(number), rest, row.charge)]
        ]
    return entries


def _judge(
    session: Session, prices: PriceForm, current: Document | None
) -> tuple[Problem | None, list[PriceChange] | None]:
    """Read the prices as publishing would: what is wrong first, or what changes, if it can."""
    try:
        content = rate_cards.read_content(session, prices.content())
    except Refusal as refusal:
        judged = replace(prices, errors={}, error="").refuse(refusal)
        name = next(iter(judged.errors), "")
        text = judged.errors.get(name) or judged.error
        return Problem(judged.at, name, text, bool(judged.typed(name))), None
    return None, price_differences.changes(current, content) if current else None


def _part_at(prices: PriceForm, result: Calculation | Unfinished) -> str:
    """Return the words for the charge that the tried dimensions lead to."""
    taken = replace(prices, at=result.taken).taken if isinstance(result, Calculation) else None
    return price_words.part_label(match_document(taken)) if taken else _("any other")
