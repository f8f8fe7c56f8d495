"""The curves of a price: what all of a quantity costs, and what one unit of it comes to.

Floats on purpose: these are pixels. The figures beside them are in `price_calculator`, exact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil, floor, log10

from app.core.money import Currency
from app.pricing import rating
from app.pricing.charges import ZERO, Package, Percentage
from app.pricing.rating import Price
from app.web.charts import HEIGHT, WIDTH, LineChart, nice_ticks
from app.web.price_calculator import bounds_of

_STEPS = 40
_WIDE = 50  # bounds that lie further apart than this are drawn on a logarithmic axis
_JUST_ABOVE = 1e-6
_NO_BOUNDS = 1_000_000.0
_ROOM = 20  # a quantity this far behind the last bound would press the tiers into a corner
_MILLION, _TINY = 1_000_000, 0.01

Function = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Axis:
    """The quantities from left to right; `ticks` lie equally far apart on the page."""

    ticks: tuple[float, ...]
    is_log: bool

    def x(self, quantity: float) -> float:
        """Return where a quantity stands, from 0 on the left to 1 on the right."""
        low, high = self.ticks[0], self.ticks[-1]
        if self.is_log:
            return float(log10(max(quantity, low) / low) / log10(high / low))
        return quantity / high

    def quantity(self, x: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return low * (high / low) ** x if self.is_log else high * x


@dataclass(frozen=True, slots=True)
class Curve(LineChart):
    """A line chart over quantities: `marks` are the bounds, `here` the quantity tried."""

    marks: tuple[float, ...]
    here: float | None
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """Both drawings over one axis; `quantities` are those of the table's rows.

    `unit` is what one unit comes to, or `bulk` of them where one costs next to nothing.
    """

    axis: Axis
    quantities: tuple[float, ...]
    total: Curve
    unit: Curve
    bulk: int


def draw(price: Price, published: Price | None, currency: Currency, *, quantity: Decimal) -> Curves:
    """Draw a price and the one in force over quantities around the bounds of both.

    Of a price with terms per event it draws one event that pays, by its amount.
    """
    prices = [_that_pays(each) for each in (price, published) if each is not None]
    bounds = sorted({float(bound) for each in prices for bound in bounds_of(each)})
    axis = _axis(bounds, prices, float(quantity))
    places = [step / _STEPS for step in range(_STEPS + 1)]
    totals = [_total_of(each, currency) for each in prices]
    bulk = _MILLION if totals[0](axis.ticks[-1]) / axis.ticks[-1] < _TINY else 1
    units = [_unit_of(total, bulk) for total in totals]
    marks = tuple(round(axis.x(bound) * WIDTH, 1) for bound in bounds)
    here = round(axis.x(float(quantity)) * WIDTH, 1) if quantity else None
    return Curves(
        axis=axis,
        quantities=tuple(axis.quantity(x) for x in places),
        total=_curve(totals, axis, bounds, marks=marks, here=here),
        unit=_curve(units, axis, bounds, marks=marks, here=here),
        bulk=bulk,
    )


def _that_pays(price: Price) -> Price:
    if not rating.needs_events(price) or not isinstance(price.charge, Percentage):
        return price
    return replace(price, charge=replace(price.charge, free_events=0, free_amount=ZERO))


def _axis(bounds: Sequence[float], prices: Sequence[Price], quantity: float) -> Axis:
    """Return an axis with room behind the last bound and around the quantity that is tried."""
    free = max(float(price.free_units) for price in prices)
    package = max(
        (float(p.charge.size) * 8 for p in prices if isinstance(p.charge, Package)), default=0.0
    )
    top = max(bounds[-1] * 1.4 if bounds else 0.0, free * 3, package)
    top = max(top, min(quantity * 1.25, top * _ROOM)) if top else quantity * 1.25 or _NO_BOUNDS
    if bounds and bounds[-1] / bounds[0] > _WIDE:
        low, high = floor(log10(bounds[0])) - 1, ceil(log10(top))
        return Axis(tuple(10.0**power for power in range(low, high + 1)), is_log=True)
    return Axis(nice_ticks(top), is_log=False)


def _total_of(price: Price, currency: Currency) -> Function:
    def total(quantity: float) -> float:
        amount = rating.rate_events(price, [Decimal(f"{quantity:.9f}")]).amount
        return float(amount.scaleb(-currency.exponent))

    return total


def _unit_of(total: Function, bulk: int) -> Function:
    def unit(quantity: float) -> float:
        return total(quantity) / quantity * bulk

    return unit


def _curve(
    functions: Sequence[Function],
    axis: Axis,
    bounds: Sequence[float],
    *,
    marks: tuple[float, ...],
    here: float | None,
) -> Curve:
    places = [step / _STEPS for step in range(_STEPS + 1)]
    first = 1 / _STEPS / 8  # nothing divided by nothing is no unit price
    rows = [[f(axis.quantity(x or first)) for x in places] for f in functions]
    ticks = nice_ticks(max(value for row in rows for value in row))
    scale = HEIGHT / ticks[-1]
    paths = []
    for function in functions:
        stops = sorted({*(x or first for x in places), *_around(bounds, axis)})
        points = [(x * WIDTH, HEIGHT - function(axis.quantity(x)) * scale) for x in stops]
        paths.append("M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points))
    return Curve(
        width=WIDTH,
        height=HEIGHT,
        ticks=ticks,
        grid=tuple(round(HEIGHT - tick * scale, 2) for tick in ticks),
        lines=tuple(paths),
        area=f"{paths[0]}L{WIDTH},{HEIGHT}L0,{HEIGHT}Z",
        tops=tuple(round(100 - value / ticks[-1] * 100, 2) for value in rows[0]),
        marks=marks,
        here=here,
        values=tuple(zip(*rows, strict=True)),
    )


def _around(bounds: Sequence[float], axis: Axis) -> list[float]:
    """Return the places at and just above the bounds, where a curve bends or jumps."""
    at = [axis.x(bound) for bound in bounds]
    return [place for x in at for place in (x, x + _JUST_ABOVE) if place <= 1]
