"""Which invoices an address asks for, and in which order: the same for page, file and bulk."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask import request
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.billing import invoice_lists
from app.billing.invoice_lists import OVERDUE, InvoiceFilter, InvoiceSort
from app.billing.models import InvoiceKind, InvoiceStatus
from app.core.decimals import InvalidDecimal
from app.core.money import Currency
from app.web import listing
from app.web.access import now
from app.web.day_filters import chosen_day
from app.web.usage_names import chosen_customer

NAMES = ("q", "status", "kind", "customer", "currency", "from", "to", "least", "most")
"""The filters as the address has them."""

_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?", re.ASCII)


@dataclass(frozen=True)
class Wanted:
    """The filter and the order that an address asks for."""

    filter: InvoiceFilter
    sort: InvoiceSort


def chosen(session: Session) -> Wanted:
    """Read them from the address. Raises Invalid and NotFound."""
    is_overdue = request.args.get("status") == OVERDUE
    wanted = InvoiceFilter(
        status=None if is_overdue else listing.chosen(InvoiceStatus, "status"),
        overdue_at=now() if is_overdue else None,
        kind=listing.chosen(InvoiceKind, "kind"),
        customer_id=chosen_customer(session),
        currency=listing.chosen(Currency, "currency"),
        from_day=chosen_day("from"),
        to_day=chosen_day("to"),
        least=_fen("least"),
        most=_fen("most"),
        q=request.args.get("q", "").strip(),
    )
    return Wanted(wanted, listing.chosen(InvoiceSort, "sort") or InvoiceSort.NEWEST)


def is_filtered() -> bool:
    return any(request.args.get(name) for name in NAMES)


def tabs(counted: Mapping[str, int]) -> list[tuple[str, str, str | None, bool]]:
    """Return the statuses with how many stand in each, if that is known.

    What hardly anybody has is left out until somebody does.
    """
    names: dict[str, str] = {
        InvoiceStatus.DRAFT: _("Draft"),
        InvoiceStatus.OPEN: _("Open"),
        OVERDUE: _("Overdue"),
        InvoiceStatus.PAID: _("Paid"),
        InvoiceStatus.UNCOLLECTIBLE: _("Uncollectible"),
        InvoiceStatus.VOID: _("Void"),
    }
    rare: dict[str, str] = {
        InvoiceStatus.PARTIALLY_REFUNDED: _("Partly refunded"),
        InvoiceStatus.REFUNDED: _("Refunded"),
    }
    names |= {value: name for value, name in rare.items() if counted.get(value)}
    everything = shown(sum(counted[status] for status in InvoiceStatus)) if counted else None
    each = [
        (value, name, shown(counted[value]) if counted else None) for value, name in names.items()
    ]
    return listing.tabs("status", [("", _("All"), everything), *each])


def has_uncounted(count: int) -> bool:
    """Tell whether there are more than anybody counted: only the file has every one then."""
    return count > invoice_lists.MOST_COUNTED


def shown(count: int) -> str:
    """Write a count, of many only that they are many."""
    most = invoice_lists.MOST_COUNTED
    return f"{most:,}+" if has_uncounted(count) else f"{count:,}"


def fields() -> dict[str, Any]:
    """Return what the filter bar is drawn from."""
    return {
        "values": {name: request.args.get(name, "") for name in (*NAMES, "sort")},
        "kinds": [
            ("", _("Every kind")),
            (InvoiceKind.USAGE.value, _("Usage")),
            (InvoiceKind.LATE.value, _("Late usage")),
            (InvoiceKind.ONE_OFF.value, _("By hand")),
        ],
        "currencies": [("", _("Every currency")), *((code.value, code.value) for code in Currency)],
        "sorts": [
            (InvoiceSort.NEWEST.value, _("Newest first")),
            (InvoiceSort.DUE.value, _("Due first")),
            (InvoiceSort.AMOUNT.value, _("Largest first")),
        ],
        "has_more": any(request.args.get(name) for name in NAMES[3:]),
    }


def _fen(name: str) -> int | None:
    """Return an amount in CNY as minor units: written as 1,200 or 1200.50."""
    text = request.args.get(name, "").replace(",", "").strip()
    if not text:
        return None
    if not _AMOUNT.fullmatch(text):
        raise InvalidDecimal("must be an amount such as 1200.50", path=name)
    return int(Decimal(text).scaleb(Currency.CNY.exponent))
