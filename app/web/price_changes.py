"""What the buttons of the price editor do to its form: prices, filters and tiers come and go.

A wish is a button's value, such as `tier-add:1` or `filter-up:0`; it is about the open price or
charge unless it says which. One that names nothing there is changes nothing.
"""

from collections.abc import Callable
from dataclasses import replace

from app.core.money import Currency
from app.pricing.charges import Model
from app.pricing.price_documents import MAX_TIERS
from app.web.price_forms import PriceForm, Spot
from app.web.price_rows import NO_PRICE, ChargeRow, FilterRow, PriceRow, TierRow

_TIERED = {Model.GRADUATED, Model.VOLUME, Model.GRADUATED_PERCENTAGE}


def change(form: PriceForm, wish: str) -> PriceForm:
    """Return the form as the pressed button wants it."""
    action, _, rest = wish.partition(":")
    act = _CHANGES.get(action)
    return act(form, rest) if act else form


def _open(form: PriceForm, where: str) -> PriceForm:
    price, _, position = where.partition(":")
    at = _position(price, len(form.rows))
    if at is None:
        return form
    spot = Spot(at, _position(position, len(form.rows[at].filters)))
    return PriceForm(form.rows, form.commitments, spot)


def _add(form: PriceForm, _rest: str) -> PriceForm:
    rows = (*form.rows, PriceRow(currency=form.row.currency))
    return PriceForm(rows, form.commitments, Spot(len(form.rows)), focus="metric")


def _copy(form: PriceForm, currency: str) -> PriceForm:
    """Add all prices of the open one's currency in another, to be changed there."""
    if currency in form.currencies or currency not in set(Currency):
        return form
    same = (row for row in form.rows if row.currency == form.row.currency)
    rows = (*form.rows, *(replace(row, currency=currency) for row in same))
    return PriceForm(rows, form.commitments, Spot(len(form.rows)))


def _remove(form: PriceForm, _rest: str) -> PriceForm:
    position = form.at.price
    rows = (*form.rows[:position], *form.rows[position + 1 :]) or (PriceRow(),)
    return PriceForm(rows, form.commitments, Spot(min(position, len(rows) - 1)))


def _set_model(form: PriceForm, model: str) -> PriceForm:
    may_be_missing = form.at.filter is None and bool(form.row.filters)
    if model not in set(Model) and not (model == NO_PRICE and may_be_missing):
        return form
    charge = replace(form.charge, model=model)
    if model in _TIERED and len(charge.tiers) == 1:
        typed = charge.rate if model == Model.GRADUATED_PERCENTAGE else charge.unit_price
        first = charge.tiers[0].price or typed
        charge = replace(charge, tiers=(replace(charge.tiers[0], price=first), TierRow()))
    return form.with_charge(charge)


def _add_tier(form: PriceForm, after: str) -> PriceForm:
    """Add a tier behind another; behind the last one it takes that one's place as the endless."""
    tiers = form.charge.tiers
    position = _position(after, len(tiers))
    if position is None or len(tiers) >= MAX_TIERS:
        return form
    unfinished = min(position + 1, len(tiers) - 1)  # the endless tier moved on: it needs a bound
    tiers = (*tiers[: position + 1], TierRow(), *tiers[position + 1 :])
    changed = replace(form.charge, tiers=tiers)
    return form.with_charge(changed, focus=f"tiers-{unfinished}-up_to")


def _remove_tier(form: PriceForm, which: str) -> PriceForm:
    tiers = form.charge.tiers
    position = _position(which, len(tiers))
    if position is None or len(tiers) == 1:
        return form
    kept = (*tiers[:position], *tiers[position + 1 :])
    focus = f"tiers-{min(position, len(kept) - 1)}-price"
    return form.with_charge(replace(form.charge, tiers=kept), focus=focus)


def _add_filter(form: PriceForm, _rest: str) -> PriceForm:
    """Add a filter behind the others, and open it. It begins with the default's charge."""
    row = form.row
    charge = row.charge if row.charge.model != NO_PRICE else ChargeRow()
    added = form.with_row(replace(row, filters=(*row.filters, FilterRow({}, charge))))
    at = Spot(form.at.price, len(row.filters))
    return PriceForm(added.rows, form.commitments, at, focus="match")


def _remove_filter(form: PriceForm, _rest: str) -> PriceForm:
    row, position = form.row, form.at.filter
    if position is None:
        return form
    filters = (*row.filters[:position], *row.filters[position + 1 :])
    charge = row.charge
    if not filters and charge.model == NO_PRICE:
        charge = row.filters[position].charge  # a price without filters has a default
    removed = form.with_row(replace(row, filters=filters, charge=charge))
    return PriceForm(removed.rows, form.commitments, Spot(form.at.price))


def _move_filter(form: PriceForm, by: int) -> PriceForm:
    row, position = form.row, form.at.filter
    if position is None or not 0 <= position + by < len(row.filters):
        return form
    filters = list(row.filters)
    filters.insert(position + by, filters.pop(position))
    moved = form.with_row(replace(row, filters=tuple(filters)))
    return PriceForm(moved.rows, form.commitments, Spot(form.at.price, position + by))


def _position(text: str, count: int) -> int | None:
    if not (text.isascii() and text.isdecimal()) or int(text) >= count:
        return None
    return int(text)


_CHANGES: dict[str, Callable[[PriceForm, str], PriceForm]] = {
    "open": _open,
    "add": _add,
    "copy": _copy,
    "remove": _remove,
    "model": _set_model,
    "tier-add": _add_tier,
    "tier-remove": _remove_tier,
    "filter-add": _add_filter,
    "filter-remove": _remove_filter,
    "filter-up": lambda form, _rest: _move_filter(form, -1),
    "filter-down": lambda form, _rest: _move_filter(form, 1),
}
