"""What the template gets: the view in its words, and the QR code as a drawing."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import segno
from flask import request, url_for
from flask_babel import format_date, format_datetime
from flask_babel import gettext as _
from markupsafe import Markup

from app.channels.base import RETURNING, ChannelName, Method
from app.checkout.asking import Answer, Said
from app.checkout.device import OFFERS, Device, Offer, device_of
from app.checkout.state import CODES, Bill, View, Way
from app.core import clock
from app.core.money import Money
from app.documents.formats import decimal
from app.documents.invoice_print import PrintTax
from app.documents.models import DocumentKind
from app.extensions import runtime
from app.identity.models import Mode


@dataclass(frozen=True, slots=True)
class Tab:
    """A channel to choose: by a form, or by a link where the payer's app has to name him first."""

    channel: str
    way: str
    is_current: bool
    why_not: str
    by_link: bool


def page_context(
    view: View, token: str, way: Way | None, *, said: Said | None = None, is_fresh: bool = False
) -> dict[str, Any]:
    """Return the template's context, in the language that is being spoken.

    `is_fresh` says that the way was chosen just now: then the page may go on by itself.
    """
    device = device_of(request.user_agent.string)
    order, offer = view.order, _offer_on(device, view.merchant.mode)
    if order is not None:
        way = Way(order.channel, order.method)
    channel = way.channel if way else None
    method = way.method if way else None
    others = [other for other in offer.get(channel, ()) if other != method] if channel else []
    payload = view.payload
    return {
        "token": token,
        "state": view.state.value,
        "seen": view.seen,
        "merchant": view.merchant,
        "invoice": _bill(view.invoice),
        "tabs": _tabs(view, offer, channel),
        "channel": channel.value if channel else "",
        "way": str(way) if way else "",
        "method": method.value if method else "",
        "others": [_offer(Way(channel, other)) for other in others] if channel else [],
        "hint": _hint(channel, device),
        "qr_svg": draw_code(view.code) if view.code else None,
        "leave_url": payload if payload and method in RETURNING else None,
        "is_fresh": is_fresh,
        **_invocation(view, token, way),
        "expires_in": _seconds_left(order.expires_at) if order and payload else None,
        "payer_url": _payer_url(view),
        "desk_url": _desk_url(view),
        "can_rotate": view.can_rotate,
        "paid_with": order,
        "refunds": view.refunds,
        "refunded": view.refunded,
        "aside": view.aside,
        "receipt_url": _document_url(view, token, DocumentKind.RECEIPT_PDF),
        "invoice_url": _document_url(view, token, DocumentKind.INVOICE_PDF),
        "said": _words(said) if said and said.answer is not Answer.PAID else None,
        "fapiao": view.fapiao,
        "back_url": view.return_url,
    }


def _tabs(view: View, offer: Offer, current: ChannelName | None) -> list[Tab]:
    return [
        Tab(
            name.value,
            str(Way(name, methods[0])),
            name is current,
            _reason(view.limits[name]) if name in view.limits else "",
            by_link=methods[0] is Method.JSAPI,
        )
        for name, methods in offer.items()
    ]


def _offer(way: Way) -> dict[str, Any]:
    words = {
        Method.NATIVE: _("Show a QR code to scan"),
        Method.PRECREATE: _("Show a QR code to scan"),
        Method.JSAPI: _("Pay here in WeChat"),
        Method.H5: _("Open WeChat to pay"),
        Method.PAGE: _("Pay on Alipay’s page"),
        Method.WAP: _("Open Alipay to pay"),
    }
    return {
        "way": str(way),
        "words": words[way.method],
        "is_code": way.method in CODES,
        "by_link": way.method is Method.JSAPI,
    }


def _offer_on(device: Device, mode: Mode) -> Offer:
    """Return what is offered: inside WeChat no payment there, where it does not say who pays."""
    offer = OFFERS[device]
    if device is not Device.WECHAT or runtime().has_wechat_login(mode):
        return offer
    return offer | {ChannelName.WECHAT: (Method.NATIVE,)}


def _hint(channel: ChannelName | None, device: Device) -> str:
    """Say what to do where one app does not open the other."""
    if channel is ChannelName.ALIPAY and device is Device.WECHAT:
        return str(_("WeChat does not open Alipay. Open this page in your browser, or scan here."))
    if channel is ChannelName.WECHAT and device is Device.ALIPAY:
        return str(_("Alipay does not open WeChat. Open this page in your browser, or scan here."))
    return ""


def _reason(code: str) -> str:
    """Say why a channel does not take the payment, and blame nobody."""
    words = {
        "channel_limit": _("The amount is above what it takes at once."),
        "daily_limit_reached": _("The limit of the day is reached. Please come back tomorrow."),
        "too_many_payments": _("Too many attempts in a short time. Please wait a few minutes."),
    }
    return str(words.get(code, _("It does not take payments right now.")))


def _words(said: Said) -> str:
    """Answer honestly who says that he has paid."""
    at = format_datetime(said.at, "HH:mm:ss")
    words = {
        Answer.UNPAID: _(
            "Asked at %(at)s: no payment has arrived there yet. We keep asking.", at=at
        ),
        Answer.SILENT: _(
            "Asked at %(at)s, but there was no answer. Please do not pay twice: we keep asking.",
            at=at,
        ),
        Answer.JUST_ASKED: _("We asked a moment ago. Please wait a few seconds."),
        Answer.TOO_OFTEN: _("That was often. We keep asking by ourselves; this page updates."),
        Answer.NOTHING: _("No payment of this invoice was begun within the last day."),
    }
    return str(words[said.answer])


def _invocation(view: View, token: str, way: Way | None) -> dict[str, Any]:
    """Return what WeChat's browser is invoked with, signed for this view."""
    if view.payload is None or way is None or way.method is not Method.JSAPI:
        return {"invocation": None, "invocation_url": None}
    gateway = runtime().wechat(view.merchant.mode)
    found = gateway.invocation(view.payload, now=clock.now())
    url = None
    if runtime().is_simulated(way.channel, view.merchant.mode):  # where no app can be invoked
        back = runtime().settings.base_url + url_for("checkout.show", token=token, way=way)
        url = urljoin(runtime().payer_url, "/wechat/jsapi")
        url += "?" + urlencode(found | {"redirect_url": back})
    return {"invocation": json.dumps(found), "invocation_url": url}


def _document_url(view: View, token: str, kind: DocumentKind) -> str | None:
    if kind not in view.documents:
        return None
    return url_for("checkout.document", token=token, name=kind.removesuffix("_pdf"))


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


def _payer_url(view: View) -> str | None:
    """Return where the sandbox's payer scans the code without a phone."""
    order = view.order
    if view.code is None or order is None:
        return None
    if not runtime().is_simulated(order.channel, view.merchant.mode):
        return None
    return f"{runtime().payer_url}?qr={quote(view.code, safe='')}"


def _desk_url(view: View) -> str | None:
    """Return where it is decided what goes wrong at the sandbox's channels."""
    if not any(runtime().is_simulated(name, view.merchant.mode) for name in ChannelName):
        return None
    return urljoin(runtime().payer_url, "/sim/")
