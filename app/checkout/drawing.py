"""What the template gets: the view in its words, and the QR code as a drawing."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

import segno
from flask_babel import format_date
from markupsafe import Markup

from app.channels.base import ChannelName
from app.checkout.state import Bill, View
from app.core import clock
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
        "collect": bill.collect,
        "lines": bill.lines,
        "priced": bill.priced,
        "rate": bill.rate,
        "due_at": bill.due_at,
    }


def _seconds_left(expires_at: datetime) -> int:
    return max(0, int((expires_at - clock.now()).total_seconds()))


def _payer_url(code: str) -> str:
    """Return where the sandbox's payer scans this code without a phone."""
    return f"{runtime().payer_url}?qr={quote(code, safe='')}"
