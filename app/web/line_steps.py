"""How a line came about, step by step, as pages show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask_babel import gettext as _

from app.billing.models import InvoiceLine
from app.billing.working import Step
from app.core.decimals import EXACT, plain
from app.core.money import Currency
from app.documents.formats import decimal


@dataclass(frozen=True)
class StepRow:
    """One step of a line's working: how much of it, at which price, and what that came to."""

    label: str
    quantity: str
    unit_price: str
    amount: str


def steps_of(line: InvoiceLine, currency: Currency) -> list[StepRow]:
    """Return the working of a line, in the words and formats of pages."""
    return [_step(row, line.unit, currency) for row in line.tiers]


def _step(row: Mapping[str, Any], unit: str, currency: Currency) -> StepRow:
    amount = price(row["amount"], currency)
    quantity = decimal(Decimal(row["quantity"]))
    match step := Step(row.get("basis", Step.UNITS)):
        case Step.UNITS:
            return StepRow(_bounds(row), quantity, _unit_price(row, unit, currency), amount)
        case Step.PACKAGES:
            label = _("packages of %(size)s", size=decimal(Decimal(row["package_size"])))
            return StepRow(label, quantity, price(row["unit_price"], currency), amount)
        case Step.AMOUNT:
            return StepRow(_bounds(row), f"{quantity} {currency}", _share(row, currency), amount)
        case Step.EVENTS:
            return StepRow(_("events"), quantity, price(row["unit_price"], currency), amount)
        case _:
            return StepRow(_change(step), "", "", amount)


def _change(step: Step) -> str:
    """Say what changed the amount by itself, without quantity and price."""
    words = {
        Step.EVENT_LIMITS: _("held to the limits of an event"),
        Step.DISCOUNT: _("discount"),
        Step.MAXIMUM: _("held to the maximum"),
        Step.MINIMUM: _("raised to the minimum"),
        Step.COMMITTED: _("committed for the period"),
        Step.USED: _("used"),
        Step.BILLED: _("billed before"),
    }
    return str(words[step])


def _bounds(row: Mapping[str, Any]) -> str:
    above = decimal(Decimal(row["above"]))
    if row["up_to"] is not None:
        return f"{above} – {decimal(Decimal(row['up_to']))}"
    return str(_("above %(above)s", above=above) if above != "0" else _("every unit"))


def _unit_price(row: Mapping[str, Any], unit: str, currency: Currency) -> str:
    if row["unit_price"] == "0":
        return _with_flat_fee(_("free"), row, currency)
    shown = price(row["unit_price"], currency)
    return _with_flat_fee(f"{shown} / {unit}" if unit else shown, row, currency)


def _share(row: Mapping[str, Any], currency: Currency) -> str:
    """Write minor units for each major one as the percentage they are."""
    rate = EXACT.scaleb(Decimal(row["unit_price"]), 2 - currency.exponent)
    return _with_flat_fee(f"{decimal(rate)}%", row, currency)


def _with_flat_fee(shown: str, row: Mapping[str, Any], currency: Currency) -> str:
    flat_fee = row["flat_fee"]
    return shown if flat_fee == "0" else f"{shown} + {price(flat_fee, currency)}"


def price(minor: str, currency: Currency) -> str:
    """Write exact minor units as major units, with no fewer decimals than the currency has."""
    sign, digits, exponent = Decimal(minor).as_tuple()
    major = Decimal((0, digits, int(exponent) - currency.exponent))
    whole, _point, fraction = plain(major).partition(".")
    fraction = fraction.ljust(currency.exponent, "0")
    shown = f"{int(whole):,}.{fraction}" if fraction else f"{int(whole):,}"
    return f"{'−' if sign else ''}{shown} {currency}"
