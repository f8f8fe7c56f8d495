"""The curves of the price editor with their words: axes, table, and which version is which."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from babel.numbers import format_compact_decimal
from flask_babel import get_locale
from flask_babel import gettext as _

from app.core.money import Currency
from app.pricing import rating
from app.web import price_calculator, price_curves
from app.web.price_calculator import Calculation
from app.web.price_curves import Curve, Curves
from app.web.price_forms import PriceForm

_DIGITS = 6
_LONG = 100_000


@dataclass(frozen=True)
class Chart:
    """One drawing as `ui.chart` takes it; `names` are what its lines are."""

    id: str
    title: str
    drawing: Curve
    names: list[str]
    columns: list[str]
    rows: list[list[str]]
    y_labels: list[str]
    x_labels: list[str]


def charts(
    prices: PriceForm, result: Calculation, current: Mapping[str, Any] | None
) -> list[Chart]:
    """Return what all of a quantity costs and what one unit comes to, beside what is in force."""
    price = price_calculator.price_at(prices, result.taken)
    if price is None:
        return []
    before = price_calculator.published_price(prices, result.taken, current)
    currency = Currency(prices.row.currency)
    curves = price_curves.draw(price, before, currency, quantity=result.quantity)
    per_unit = _("Per unit, %(currency)s", currency=currency)
    per_million = _("Per million units, %(currency)s", currency=currency)
    total = _("Total, %(currency)s", currency=currency)
    if rating.needs_events(price):
        total = _("One event that pays, by its amount, %(currency)s", currency=currency)
    return [
        _chart("total", total, curves),
        _chart("unit", per_million if curves.bulk > 1 else per_unit, curves),
    ]


def compact(value: float) -> str:
    """Write a number short, as the reader's language does: 1.5M, 150万."""
    text: str = format_compact_decimal(value, locale=get_locale() or "en", fraction_digits=2)
    return text


def _chart(which: Literal["total", "unit"], title: str, curves: Curves) -> Chart:
    curve: Curve = getattr(curves, which)
    names = [_("Draft"), _("Current")][: len(curve.lines)]
    return Chart(
        id=f"curve-{which}",
        title=title,
        drawing=curve,
        names=names,
        columns=[_("Quantity"), *names],
        rows=[
            [compact(quantity), *(_figure(value) for value in values)]
            for quantity, values in zip(curves.quantities, curve.values, strict=True)
        ],
        y_labels=[_figure(tick) for tick in curve.ticks],
        x_labels=[compact(tick) for tick in curves.axis.ticks],
    )


def _figure(value: float) -> str:
    return compact(value) if value >= _LONG else f"{value:,.{_DIGITS}g}"
