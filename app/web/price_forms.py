"""Rate cards by form: prices as typed, to and from a version's content.

One charge is open at a time: its texts are the fields of the page, everything else travels in one
hidden field. Nothing typed is ever lost: all of it is text until it is saved or published.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from flask_babel import get_locale
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from app.core.errors import Invalid, Refusal
from app.core.money import Currency
from app.pricing.charges import Model
from app.pricing.price_documents import MAX_TIERS
from app.web.price_rows import (
    NO_PRICE,
    ChargeRow,
    FilterRow,
    PriceRow,
    TierRow,
    from_document,
    lean,
    price_document,
)
from app.web.refusals import say

_FIELD_NAMES = {
    "transform.rounding": "transform_rounding",
    "transform.operation": "operation",
    "transform.factor": "factor",
}
_PRICE_PATH = re.compile(
    r"currencies\.(?P<currency>\w+)\[(?P<index>\d+)\]"
    r"(\.filters\[(?P<filter>\d+)\])?(\.(?P<field>.+))?",
    re.ASCII,
)
_LONGEST_STATE = 400_000
_COMMITMENT_PATH = re.compile(r"commitments\.(?P<currency>\w+)", re.ASCII)


@dataclass(frozen=True)
class Spot:
    """Which charge: the price by its position, and the filter, or None for the default."""

    price: int = 0
    filter: int | None = None

    @property
    def text(self) -> str:
        """The spot as buttons and the hidden field name it: `0:1`, or `0:` for a default."""
        return f"{self.price}:{'' if self.filter is None else self.filter}"


@dataclass
class PriceForm:
    """The prices, which charge is open, and what is wrong with its fields, by their names.

    `focus` names the field to go on in, after a change that makes one.
    """

    rows: tuple[PriceRow, ...] = (PriceRow(),)
    commitments: dict[str, str] = field(default_factory=dict)
    at: Spot = Spot()
    focus: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def row(self) -> PriceRow:
        """The price that is open."""
        return self.rows[self.at.price]

    @property
    def charge(self) -> ChargeRow:
        """The charge that is open."""
        return (
            self.row.charge if self.at.filter is None else self.row.filters[self.at.filter].charge
        )

    @property
    def taken(self) -> FilterRow | None:
        """The filter that is open, None when it is the default."""
        return None if self.at.filter is None else self.row.filters[self.at.filter]

    @property
    def currencies(self) -> list[str]:
        """The currencies that are priced, in the order they came."""
        return list(dict.fromkeys(row.currency for row in self.rows))

    @property
    def state(self) -> str:
        """Everything as the page's hidden field carries it."""
        return msgspec.json.encode(lean(self.rows)).decode()

    @property
    def is_too_long(self) -> bool:
        """Whether a browser could not send us all of it in one field."""
        return len(self.state) > _LONGEST_STATE

    def typed(self, name: str) -> str:
        """Return what is typed in a field of the open charge, "" where there is no such field."""
        if name.startswith("commitment-"):
            return self.commitments.get(name.partition("-")[2], "")
        if name.startswith("match-") and self.taken:
            return self.taken.match.get(name.partition("-")[2], "")
        tier = re.fullmatch(r"tiers-(\d+)-(\w+)", name)
        if tier:
            return str(getattr(self.charge.tiers[int(tier[1])], tier[2]))
        return str(getattr(self.row if name == "metric" else self.charge, name, ""))

    @property
    def has_errors(self) -> bool:
        return bool(self.error or self.errors)

    def with_row(self, row: PriceRow) -> "PriceForm":
        """Return the form with the open price replaced."""
        position = self.at.price
        rows = (*self.rows[:position], row, *self.rows[position + 1 :])
        return PriceForm(rows, self.commitments, self.at)

    def with_charge(self, charge: ChargeRow, *, focus: str = "") -> "PriceForm":
        """Return the form with the open charge replaced."""
        row, position = self.row, self.at.filter
        if position is None:
            changed = replace(row, charge=charge)
        else:
            taken = replace(row.filters[position], charge=charge)
            filters = (*row.filters[:position], taken, *row.filters[position + 1 :])
            changed = replace(row, filters=filters)
        return replace(self.with_row(changed), focus=focus)

    def content(self) -> dict[str, Any]:
        """Return what the rows say, in the shape `price_sets.parse_content` reads and judges."""
        currencies: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows:
            currencies.setdefault(row.currency, []).append(price_document(row))
        content: dict[str, Any] = {"currencies": currencies}
        commitments = {name: text for name, text in self.commitments.items() if text}
        return content | ({"commitments": commitments} if commitments else {})

    def refuse(self, refusal: Refusal) -> "PriceForm":
        """Open the charge that the refusal names and put it at its field, else above the rows."""
        found = _PRICE_PATH.fullmatch(refusal.path)
        commitment = _COMMITMENT_PATH.fullmatch(refusal.path)
        if found and found["field"]:
            self._open(found)
            name = _field_name(found["field"])
            self.errors[name] = _sentence(refusal, name)
        elif commitment:
            self.errors[f"commitment-{commitment['currency']}"] = say(refusal)
        else:
            self.error = say(refusal)
        return self

    def _open(self, found: re.Match[str]) -> None:
        same = [at for at, row in enumerate(self.rows) if row.currency == found["currency"]]
        position = None if found["filter"] is None else int(found["filter"])
        self.at = Spot(same[int(found["index"])], position)


def read_form(form: MultiDict[str, str]) -> PriceForm:
    """Read the prices of a request: what the hidden field carries, and the open charge's fields.

    Raises Invalid when the hidden field is not one that we wrote.
    """
    rows = _read_rows(form.get("state", ""))
    at = _read_spot(form.get("at", ""), rows)
    names = [name for name in form if name.startswith("commitment-")]
    commitments = {name.partition("-")[2]: form[name].strip() for name in names}
    opened = PriceForm(rows, commitments, at)
    row = opened.row
    row = replace(
        row,
        currency=form.get("currency", row.currency),
        metric=form.get("metric", row.metric),
        group_by=tuple(form.getlist("group_by")),
        share_tiers="share_tiers" in form,
    )
    if at.filter is not None:
        match = {name[6:]: form[name].strip() for name in form if name.startswith("match-")}
        changed = replace(row.filters[at.filter], match=match)
        filters = (*row.filters[: at.filter], changed, *row.filters[at.filter + 1 :])
        row = replace(row, filters=filters)
    read = opened.with_row(row).with_charge(_read_charge(form, opened.charge))
    _refuse_unknown(read.rows)
    return read


def from_content(content: Mapping[str, Any]) -> PriceForm:
    """Return the form that says what a version or a draft says."""
    rows = [
        from_document(currency, price)
        for currency, prices in content["currencies"].items()
        for price in prices
    ]
    return PriceForm(tuple(rows), dict(content.get("commitments", {})))


def _read_rows(state: str) -> tuple[PriceRow, ...]:
    if not state:
        return (PriceRow(),)
    try:
        rows = msgspec.json.decode(state, type=tuple[PriceRow, ...])
    except msgspec.MsgspecError:
        raise Invalid("the form is not one of ours; open the page again") from None
    return rows or (PriceRow(),)


def _refuse_unknown(rows: tuple[PriceRow, ...]) -> None:
    """Raise Invalid on what no select and no button of the page offers."""
    models = {*Model, NO_PRICE}
    charges = [charge for row in rows for charge in (row.charge, *(f.charge for f in row.filters))]
    if {row.currency for row in rows} - {*Currency} or {each.model for each in charges} - models:
        raise Invalid("the form is not one of ours; open the page again")


def _read_spot(text: str, rows: tuple[PriceRow, ...]) -> Spot:
    price, _, position = text.partition(":")
    if not price.isdecimal() or int(price) >= len(rows):
        return Spot()
    if position.isdecimal() and int(position) < len(rows[int(price)].filters):
        return Spot(int(price), int(position))
    return Spot(int(price))


def _read_charge(form: MultiDict[str, str], before: ChargeRow) -> ChargeRow:
    """Read the open charge: the fields of its model from the page, the others as they were."""
    texts: dict[str, Any] = {
        name: form[name].strip()
        for name in ChargeRow.__dataclass_fields__
        if name != "tiers" and name in form
    }
    charge = replace(before, **texts)
    tiers: list[TierRow] = []
    while len(tiers) < MAX_TIERS and f"tiers-{len(tiers)}-price" in form:
        texts_of_tier = (
            form.get(f"tiers-{len(tiers)}-{name}", "").strip()
            for name in ("up_to", "price", "flat_fee")
        )
        tiers.append(TierRow(*texts_of_tier))
    return replace(charge, tiers=tuple(tiers)) if tiers else charge


def _field_name(path: str) -> str:
    """Return the name of the page's field for a path inside a charge: `tiers[1].rate`."""
    tier = re.fullmatch(r"tiers\[(\d+)\]\.(\w+)", path)
    if tier:
        name = "price" if tier[2] in {"unit_price", "rate"} else tier[2]
        return f"tiers-{tier[1]}-{name}"
    name = re.sub(r"\[\d+\]$", "", path)
    return _FIELD_NAMES.get(name, name.replace("match.", "match-"))


def _sentence(refusal: Refusal, name: str) -> str:
    """Return what is wrong with a field. Other languages than English get the field's own rule."""
    if str(get_locale()) == "en" or refusal.code not in {"invalid_price", "invalid_rate_card"}:
        return say(refusal)
    rules = {
        "metric": _("Choose a metric that is active and has no other price in this currency."),
        "model": _("This model does not fit how the metric is counted."),
        "up_to": _("A tier must reach further than the one above it."),
        "package_size": _("This must be above 0."),
        "factor": _("This must be above 0."),
        "maximum_amount": _("The maximum must not be below the minimum."),
        "per_event_maximum": _("The maximum must not be below the minimum."),
        "free_units": _("Beside terms per event there are no free units; use a free amount."),
        "match": _("Name a value; no other filter of the metric may say the same."),
        "group_by": _("Choose at most three dimensions of the metric."),
    }
    key = "match" if name.startswith("match") else re.sub(r"^tiers-\d+-", "", name)
    return str(rules.get(key, say(refusal)))
