"""Rate cards by form: rows of prices and tiers, as typed, to and from a version's content.

Nothing typed is ever lost: rows are text until they are published. A row says its currency, so
that one list holds the price sets of all currencies.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.core.errors import Refusal
from app.pricing.rating import MAX_TIERS, Model, Price, parse_price
from app.web.refusals import say

_PATH = re.compile(r"currencies\.(?P<currency>\w+)\[(?P<index>\d+)\]\.(?P<field>.+)", re.ASCII)
_FIELDS_OF_PRICE, _FIELDS_OF_TIER = 6, 3
_MAX_FIELDS = 900
_TIER = re.compile(r"tiers\[(?P<tier>\d+)\]\.(?P<field>\w+)", re.ASCII)


@dataclass(frozen=True)
class TierRow:
    """One tier as typed; the last one's `up_to` is not asked for."""

    up_to: str = ""
    unit_price: str = ""
    flat_fee: str = ""


@dataclass(frozen=True)
class PriceRow:
    """One price as typed: a standard price is its first tier's unit price."""

    currency: str = "USD"
    metric: str = ""
    model: str = Model.STANDARD.value
    free_units: str = ""
    minimum_amount: str = ""
    maximum_amount: str = ""
    tiers: tuple[TierRow, ...] = (TierRow(),)


@dataclass
class PriceForm:
    """The rows, and what is wrong with them by the name of the field."""

    rows: list[PriceRow]
    errors: dict[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def is_too_long(self) -> bool:
        """Whether there are more fields than a browser may send us at once."""
        fields = sum(_FIELDS_OF_PRICE + _FIELDS_OF_TIER * len(row.tiers) for row in self.rows)
        return fields > _MAX_FIELDS

    def content(self) -> dict[str, Any]:
        """Return what the rows say, in the shape `parse_content` reads and judges."""
        currencies: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows:
            currencies.setdefault(row.currency, []).append(_price(row))
        return {"currencies": currencies}

    def refuse(self, refusal: Refusal) -> "PriceForm":
        """Put the refusal at the field it names, or above the rows."""
        name = self._field_name(refusal.path)
        if name:
            self.errors[name] = say(refusal)
        else:
            self.error = say(refusal)
        return self

    def change(self, wish: str) -> "PriceForm":
        """Return the form with rows added or removed, as the pressed button says.

        A wish is `add:0`, `remove:0`, `model:0:graduated`, `add-tier:0` or
        `remove-tier:0:1`; one that names no row changes nothing.
        """
        action, _, rest = wish.partition(":")
        parts = rest.split(":")
        change = _CHANGES.get(action)
        if change is None or not parts[0].isdecimal() or int(parts[0]) >= len(self.rows):
            return self
        return PriceForm(change(list(self.rows), int(parts[0]), parts[1] if parts[1:] else ""))

    def _field_name(self, path: str) -> str:
        found = _PATH.fullmatch(path)
        if found is None:
            return ""
        positions = [
            position for position, row in enumerate(self.rows) if row.currency == found["currency"]
        ]
        name = found["field"]
        tier = _TIER.fullmatch(name)
        if tier:
            name = f"tiers-{tier['tier']}-{tier['field']}"
        elif name == "unit_price":
            name = "tiers-0-unit_price"
        return f"prices-{positions[int(found['index'])]}-{name}"


def read_form(form: Mapping[str, str]) -> PriceForm:
    """Read the rows of a request, in the order of the page."""
    rows: list[PriceRow] = []
    while f"prices-{len(rows)}-metric" in form:
        rows.append(_read_row(form, f"prices-{len(rows)}-"))
    return PriceForm(rows or [PriceRow()])


def to_price(row: PriceRow) -> Price:
    """Return what one row says. Raises Invalid while it is not finished."""
    fields = _price(row)
    del fields["metric"]
    return parse_price(fields)


def from_content(content: Mapping[str, Any]) -> PriceForm:
    """Return the rows that say what a published version says."""
    return PriceForm(
        [
            _row(currency, price)
            for currency, prices in content["currencies"].items()
            for price in prices
        ]
    )


def _read_row(form: Mapping[str, str], prefix: str) -> PriceRow:
    def text(name: str) -> str:
        return form.get(prefix + name, "").strip()

    tiers: list[TierRow] = []
    while len(tiers) < MAX_TIERS and f"{prefix}tiers-{len(tiers)}-unit_price" in form:
        tier = f"tiers-{len(tiers)}-"
        tiers.append(
            TierRow(text(f"{tier}up_to"), text(f"{tier}unit_price"), text(f"{tier}flat_fee"))
        )
    return PriceRow(
        currency=text("currency"),
        metric=text("metric"),
        model=text("model") or Model.STANDARD.value,
        free_units=text("free_units"),
        minimum_amount=text("minimum_amount"),
        maximum_amount=text("maximum_amount"),
        tiers=tuple(tiers) or (TierRow(),),
    )


def _row(currency: str, price: Mapping[str, Any]) -> PriceRow:
    tiers = price.get("tiers") or [{"unit_price": price["unit_price"]}]
    return PriceRow(
        currency=currency,
        metric=price["metric"],
        model=price["model"],
        free_units=price.get("free_units", ""),
        minimum_amount=price.get("minimum_amount", ""),
        maximum_amount=price.get("maximum_amount", ""),
        tiers=tuple(
            TierRow(
                up_to=tier.get("up_to") or "",
                unit_price=tier["unit_price"],
                flat_fee="" if tier.get("flat_fee", "0") == "0" else tier["flat_fee"],
            )
            for tier in tiers
        ),
    )


def _price(row: PriceRow) -> dict[str, Any]:
    price: dict[str, Any] = {"metric": row.metric, "model": row.model}
    if row.model == Model.STANDARD:
        price["unit_price"] = row.tiers[0].unit_price
    else:
        last = len(row.tiers) - 1
        price["tiers"] = [
            {
                "up_to": None if index == last else tier.up_to,
                "unit_price": tier.unit_price,
                "flat_fee": tier.flat_fee or "0",
            }
            for index, tier in enumerate(row.tiers)
        ]
    for name in ("free_units", "minimum_amount", "maximum_amount"):
        if getattr(row, name):
            price[name] = getattr(row, name)
    return price


Rows = list[PriceRow]


def _add(rows: Rows, _index: int, _extra: str) -> Rows:
    return [*rows, PriceRow(currency=rows[-1].currency)]


def _remove(rows: Rows, index: int, _extra: str) -> Rows:
    return [row for position, row in enumerate(rows) if position != index] or [PriceRow()]


def _set_model(rows: Rows, index: int, model: str) -> Rows:
    if model not in {member.value for member in Model}:
        return rows
    row = replace(rows[index], model=model)
    if model == Model.GRADUATED and len(row.tiers) == 1:
        row = replace(row, tiers=(*row.tiers, TierRow()))
    return [*rows[:index], row, *rows[index + 1 :]]


def _add_tier(rows: Rows, index: int, _extra: str) -> Rows:
    row = rows[index]
    tiers = (*row.tiers, TierRow())[:MAX_TIERS]
    return [*rows[:index], replace(row, tiers=tiers), *rows[index + 1 :]]


def _remove_tier(rows: Rows, index: int, tier: str) -> Rows:
    row = rows[index]
    kept = tuple(each for number, each in enumerate(row.tiers) if str(number) != tier)
    return [*rows[:index], replace(row, tiers=kept or (TierRow(),)), *rows[index + 1 :]]


_CHANGES: dict[str, Callable[[Rows, int, str], Rows]] = {
    "add": _add,
    "remove": _remove,
    "model": _set_model,
    "add-tier": _add_tier,
    "remove-tier": _remove_tier,
}
