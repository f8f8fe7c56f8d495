"""What the template gets: the view in its words, and the QR code as a drawing."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

import segno
from flask_babel import format_date
from flask_babel import gettext as _
from markupsafe import Markup

from app.channels.base import ChannelName
from app.checkout.state import Bill, View
from app.core import clock
from app.core.money import Money
from app.documents.formats import decimal
from app.documents.invoice_print import PrintTax
from app.extensions import runtime
from app.identity.models import Mode

CHANNELS = tuple(name.value for name in ChannelName)


def page_context(view: View, token: str, channel: ChannelName | None) -> dict[str, Any]:
    """Return the template's context, in the language that is being spoken."""
    order, code = view.order, view.code
    shown = order.channel if order else channel
    return {
        "token": token,
        "state": view.state.value,
        "seen": view.seen,
        "merchant": view.merchant,
        "invoice": _bill(view.invoice),
        "channels": CHANNELS,
        "channel": shown.value if shown else "",
        "qr_svg": draw_code(code) if code else None,
        "expires_in": _seconds_left(order.expires_at) if order and code else None,
        "payer_url": _payer_url(code) if code and view.merchant.mode is Mode.SANDBOX else None,
        "paid_at": order.captured_at if order else None,
        "transaction_id": order.channel_txn_id if order else None,
        "return_url": None,
        "receipt_url": None,
        "fapiao": view.fapiao,
    }


def draw_code(text: str) -> Markup:
    """Draw `text` as a QR code: an inline SVG of attributes only, for styles are forbidden."""
    code = segno.make(text, error="m", micro=False)
    drawing = code.svg_inline(omitsize=True, border=0, svgclass=None, lineclass=None)
    return Markup(drawing)  # noqa: S704  # drawn by us: the text is in it as squares only


def _bill(bill: Bill) -> dict[str, Any]:
    days = (format_date(day, "medium") for day in (bill.first_day, bill.last_day))
    return {
        "number": bill.number,
        "description": " – ".join(days),
        "due": bill.due,
        "lines": bill.lines,
        "sums": _sums(bill),
        "priced": bill.total if bill.rate and bill.due == bill.collect else None,
        "rate": bill.rate,
        "due_at": bill.due_at,
    }


def _sums(bill: Bill) -> list[tuple[str, Money]]:
    """Return what leads from the lines to what is due, each with its label."""
    sums = [(_("Coupon %(name)s", name=coupon.label), -coupon.amount) for coupon in bill.discounts]
    sums += [(_tax_name(tax), tax.amount) for tax in bill.taxes]
    if bill.rate:
        sums += [(_("Total"), bill.total), (_("Total in CNY"), bill.collect)]
    elif bill.due != bill.collect:
        sums.append((_("Total"), bill.collect))
    if bill.balance_used:
        sums.append((_("Balance used"), -bill.balance_used))
    if bill.credited:
        sums.append((_("Credited"), -bill.credited))
    return sums


def _tax_name(tax: PrintTax) -> str:
    rate = f"{decimal(tax.percent)}%"
    if tax.is_inclusive:
        return str(_("Tax %(rate)s, included", rate=rate))
    return str(_("Tax %(rate)s", rate=rate))


def _seconds_left(expires_at: datetime) -> int:
    return max(0, int((expires_at - clock.now()).total_seconds()))


def _payer_url(code: str) -> str:
    """Return where the sandbox's payer scans this code without a phone."""
    return f"{runtime().payer_url}?qr={quote(code, safe='')}"
