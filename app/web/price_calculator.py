"""The calculator of the price editor: what a quantity costs at the prices as they are typed.

Nothing is stored. Where something is not finished yet it says what, and nobody shouts.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from app.core.decimals import EXACT, parse_decimal, plain
from app.core.errors import Refusal
from app.core.money import Currency, Money, round_half_up
from app.documents.formats import decimal
from app.pricing import rating
from app.pricing.charges import Basis, RatedTier
from app.pricing.filters import Declared
from app.pricing.metric_prices import MetricPrice, parse_metric_price
from app.pricing.parts import part_of
from app.pricing.price_documents import parse_price
from app.pricing.rating import Operation, Price, Rated
from app.web.price_forms import PriceForm, Spot
from app.web.price_rows import charge_document, price_document
from app.web.price_words import major

_QUANTITIES = ["1000", "100000", "1000000", "100000000"]
_MAX_EVENTS = 100
_MILLION = 1_000_000
_DIGITS = 6


@dataclass(frozen=True)
class Trial:
    """What is tried, as typed: a quantity, or where events matter their amounts; dimensions."""

    quantity: str
    amounts: str = "20 50 200"
    dimensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """What one tier costs: `working` as a formula.

    In a bar of all tiers it goes from `start` on, `share` percent wide.
    """

    label: str
    working: str
    amount: str
    start: int
    share: int


@dataclass(frozen=True)
class Calculation:
    """What a trial costs at the charge `taken`. `notes` say what happened besides the tiers.

    `unit_price` is what one unit comes to, `unit_bulk` a million where that is tiny. `published`
    is the total at the prices in force, where they have such a price.
    """

    total: Money
    lines: list[Line]
    notes: list[str]
    quantity: Decimal
    unit_price: str
    unit_bulk: str
    taken: Spot
    published: Money | None

    @property
    def difference(self) -> Money | None:
        """What it costs more than at the prices in force."""
        return None if self.published is None else self.total - self.published


@dataclass(frozen=True)
class Unfinished:
    """Why nothing can be calculated yet."""

    hint: str


def read_trial(form: MultiDict[str, str], price: Price | None) -> Trial:
    """Read what the calculator's fields hold; a new page tries what enters every tier."""
    prefix, wish = "try-dim-", form.get("do", "")
    names = [name for name in form if name.startswith(prefix)]
    typed = {name.removeprefix(prefix): form[name].strip() for name in names}
    first = suggestions(price)[-1] if price and bounds_of(price) else _QUANTITIES[2]
    quantity = form.get("try-quantity", first).strip()
    return Trial(
        wish.removeprefix("try:") if wish.startswith("try:") else quantity,
        form.get("try-amounts", Trial.amounts).strip(),
        {name: value for name, value in typed.items() if value},
    )


def calculate(
    form: PriceForm, trial: Trial, declared: Declared, *, published: Mapping[str, Any] | None
) -> Calculation | Unfinished:
    """Price the trial at the charge its dimensions lead to; without any, at the one open."""
    at = _spot(form, trial, declared)
    if at is None:
        return Unfinished(
            _("No filter takes this, and there is no default price: it costs nothing.")
        )
    price = price_at(form, at)
    if price is None:
        return Unfinished(_("Complete the prices first; then this shows what they cost."))
    try:
        quantities = _quantities(price, trial)
    except Refusal:
        return Unfinished(_("Type a number, such as 12500."))
    currency = Currency(form.row.currency)
    rated = rating.rate_events(price, quantities)
    before = published_price(form, at, published)
    with localcontext(EXACT):
        quantity = sum(quantities, Decimal(0))
    unit_price, unit_bulk = _effective(rated.amount, quantity, currency)
    return Calculation(
        total=Money.rounded(rated.amount, currency),
        lines=_lines(rated, currency),
        notes=list(_notes(rated, price, currency)),
        quantity=quantity,
        unit_price=unit_price,
        unit_bulk=unit_bulk,
        taken=at,
        published=None if before is None else _total(before, quantities, currency),
    )


def price_at(form: PriceForm, at: Spot) -> Price | None:
    """Return a charge of the form as a price, or None while it is not finished."""
    charge = replace(form, at=at).charge
    try:
        return parse_price(charge_document(charge), Currency(form.row.currency))
    except (Refusal, ValueError):
        return None


def published_price(form: PriceForm, at: Spot, published: Mapping[str, Any] | None) -> Price | None:
    """Return what the version in force has for the same metric and the same filter, if anything."""
    row = form.rows[at.price]
    documents = published["currencies"].get(row.currency, ()) if published else ()
    for document in documents:
        if document["metric"] == row.metric:
            match = None if at.filter is None else _match(row_document=price_document(row), at=at)
            return _same(_metric_price(document, Currency(row.currency)), match)
    return None


def suggestions(price: Price | None) -> list[str]:
    """Return quantities worth a look: within, at and beyond the bounds of the tiers."""
    bounds = bounds_of(price) if price else []
    if not bounds:
        return _QUANTITIES
    return [plain(value) for value in (bounds[0] / 2, *bounds[:3], bounds[-1] * 2)]


def bounds_of(price: Price) -> list[Decimal]:
    """Return the bounds of the tiers as metered quantities, for pictures and suggestions.

    The allowance comes before the tiers, and a transform before both.
    """
    tiers = getattr(price.charge, "tiers", ())
    bounds = [tier.up_to + price.free_units for tier in tiers if tier.up_to is not None]
    if price.transform is None:
        return bounds
    if price.transform.operation is Operation.MULTIPLY:
        return [bound / price.transform.factor for bound in bounds]
    return [bound * price.transform.factor for bound in bounds]


def _spot(form: PriceForm, trial: Trial, declared: Declared) -> Spot | None:
    """Return where the tried dimensions lead; while a filter is not finished, the open charge."""
    if not trial.dimensions or not form.row.filters:
        return form.at
    try:
        price = _metric_price(price_document(form.row), Currency(form.row.currency))
    except (Refusal, ValueError):
        return form.at
    part = part_of(price, trial.dimensions, declared)
    return None if part is None else Spot(form.at.price, part.filter)


def _metric_price(document: Mapping[str, Any], currency: Currency) -> MetricPrice:
    fields = {name: value for name, value in document.items() if name != "metric"}
    return parse_metric_price(fields, currency, path="price")


def _match(*, row_document: Mapping[str, Any], at: Spot) -> Mapping[str, Any]:
    match: Mapping[str, Any] = row_document["filters"][at.filter]["match"]
    return match


def _same(price: MetricPrice, match: Mapping[str, Any] | None) -> Price | None:
    if match is None:
        return price.default
    wanted = {
        name: {values} if isinstance(values, str) else set(values) for name, values in match.items()
    }
    for each in price.filters:
        if {name: set(values) for name, values in each.match.items()} == wanted:
            return each.price
    return None


def _quantities(price: Price, trial: Trial) -> list[Decimal]:
    """Return the amounts of the events where they matter, else the one quantity."""
    if not rating.needs_events(price):
        return [_number(trial.quantity)]
    return [_number(text) for text in re.split(r"[\s;]+", trial.amounts)[:_MAX_EVENTS]]


def _number(text: str) -> Decimal:
    """Read a number as people type it, with commas between thousands. Raises InvalidDecimal."""
    return parse_decimal(text.replace(",", "").replace(" ", ""))


def _total(price: Price, quantities: Sequence[Decimal], currency: Currency) -> Money:
    return Money.rounded(rating.rate_events(price, quantities).amount, currency)


def _lines(rated: Rated, currency: Currency) -> list[Line]:
    """Return what each tier pays; the ends of the bar's parts are rounded, so that it is full."""
    sums = list(accumulate((Fraction(tier.amount) for tier in rated.tiers), initial=Fraction(0)))
    ends = [int(each / sums[-1] * 100) if sums[-1] > 0 else 0 for each in sums]
    return [
        Line(
            _label(tier), _working(tier, currency), major(tier.amount, currency), start, end - start
        )
        for tier, (start, end) in zip(rated.tiers, pairwise(ends), strict=True)
    ]


def _label(tier: RatedTier) -> str:
    words = {
        Basis.EVENTS: _("Fee per event"),
        Basis.EVENT_LIMITS: _("Limits per event"),
        Basis.PACKAGES: _("Packages of %(size)s", size=decimal(tier.package_size or Decimal(1))),
    }
    if tier.basis in words:
        return str(words[tier.basis])
    if tier.up_to is None:
        alone = _("Every unit") if tier.basis is Basis.UNITS else _("The amount")
        return str(_("Above %(low)s", low=decimal(tier.above)) if tier.above else alone)
    if not tier.above:
        return str(_("Up to %(high)s", high=decimal(tier.up_to)))
    return str(_("%(low)s to %(high)s", low=decimal(tier.above), high=decimal(tier.up_to)))


def _working(tier: RatedTier, currency: Currency) -> str:
    if tier.basis is Basis.EVENT_LIMITS:
        return ""
    if tier.basis is Basis.AMOUNT:
        rate = EXACT.scaleb(tier.unit_price, 2 - currency.exponent)
        formula = f"{decimal(tier.quantity)} × {decimal(rate)} %"
    else:
        formula = f"{decimal(tier.quantity)} × {major(tier.unit_price, currency)}"
    return f"{formula} + {major(tier.flat_fee, currency)}" if tier.flat_fee else formula


def _notes(rated: Rated, price: Price, currency: Currency) -> Iterator[str]:
    """Yield what happened besides the tiers."""
    if rated.free_units:
        yield _("%(count)s free units taken off first", count=decimal(rated.free_units))
    if rated.discount:
        yield _("less %(amount)s discount", amount=major(rated.discount, currency))
    if rated.capped:
        yield _(
            "%(amount)s taken off: the maximum is reached", amount=major(rated.capped, currency)
        )
    if rated.topped_up:
        yield _(
            "%(amount)s added: the minimum is not reached",
            amount=major(rated.topped_up, currency),
        )
    if price.transform:
        yield _("The quantity is transformed first.")


def _effective(amount: Decimal, quantity: Decimal, currency: Currency) -> tuple[str, str]:
    """Return what one unit comes to, and a million where one costs less than a cent."""
    if not quantity:
        return "", ""
    unit = Fraction(amount) / Fraction(quantity) / 10**currency.exponent
    is_tiny = 0 < unit < Fraction(1, 100)
    return _short(unit), _short(unit * _MILLION) if is_tiny else ""


def _short(value: Fraction) -> str:
    """Write a quotient with six digits that count."""
    places = _DIGITS
    while value and abs(value) * 10**places < 10 ** (_DIGITS - 1) and places < 3 * _DIGITS:
        places += 1
    return decimal(round_half_up(value, places))
