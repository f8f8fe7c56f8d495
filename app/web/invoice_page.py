"""One invoice in full: its amounts on their way, the arithmetic, attempts, entries, timeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import segno
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy.orm import Session

from app.billing import collection, queries
from app.billing.models import (
    INVOICE,
    FxSnapshot,
    Invoice,
    InvoiceEvent,
    InvoiceKind,
    InvoiceLine,
    LineKind,
)
from app.core.decimals import plain
from app.core.ids import Prefix, show
from app.core.money import Currency, Money, round_half_up
from app.customers import queries as customers
from app.documents.formats import decimal, digits, percent
from app.extensions import runtime
from app.fx import conversion
from app.ledger import queries as ledger
from app.payments import queries as payments
from app.payments.models import CaseReason, CaseStatus, PaymentOrder
from app.pricing import queries as catalogue
from app.web import fapiao, line_steps, reminders
from app.web.ledger import groups_of
from app.web.line_steps import StepRow

_EXACT_DECIMALS = 6


@dataclass(frozen=True)
class Line:
    """One line of the invoice as the page shows it; `late_of` is the earlier period it is about."""

    metric: str
    description: str
    late_of: tuple[date, date] | None
    unit: str
    quantity: str
    events: int
    amount: Money
    is_priced: bool
    tiers: Sequence[StepRow]


@dataclass(frozen=True)
class Working:
    """One line of the arithmetic: what it is, the formula, and the result."""

    label: str
    note: str
    formula: str
    result: str


@dataclass(frozen=True)
class Happening:
    """One entry of the timeline."""

    tone: str
    icon: str
    title: str
    at: datetime
    text: str = ""


def context_of(session: Session, invoice: Invoice) -> dict[str, Any]:
    """Return everything that the page of `invoice` shows."""
    orders = payments.list_of_invoice(session, invoice.id)
    found = ledger.list_transactions(session, invoice_id=invoice.id, limit=100)
    link = hosted_link(invoice) if invoice.number else ""
    return {
        "invoice": invoice,
        "public_id": show(Prefix.INVOICE, invoice.id),
        "last_day": invoice.period_to - timedelta(1),
        "customer": customers.get_customer(session, invoice.customer_id),
        "customer_id": show(Prefix.CUSTOMER, invoice.customer_id),
        **_agreed(session, invoice),
        "lines": [_line(line, invoice) for line in queries.lines_of(session, invoice)],
        "is_late": invoice.kind is InvoiceKind.LATE,
        "workings": workings(invoice, invoice.fx) if invoice.fx else [],
        "fee_percent": percent(invoice.fee_bps),
        "orders": list(reversed(orders)),
        "asides": _asides(session, orders),
        "groups": list(reversed(groups_of(found.rows))),
        "timeline": _timeline(invoice, orders),
        "link": link,
        "qr": draw_code(link) if link else None,
        "can_void": INVOICE.allows(invoice.status, InvoiceEvent.VOID),
        "paid_by": payments.find_paying(session, invoice.id),
        "reminders": reminders.card(session, invoice),
        "fapiao": fapiao.card(session, invoice),
    }


def _agreed(session: Session, invoice: Invoice) -> dict[str, Any]:
    """Return the contract and its prices; an invoice made by hand has neither."""
    if invoice.contract_id is None or invoice.rate_card_version_id is None:
        return {"contract_id": None, "rate_card": None, "rate_card_version": None}
    version = catalogue.get_version(session, invoice.rate_card_version_id)
    return {
        "contract_id": show(Prefix.CONTRACT, invoice.contract_id),
        "rate_card": catalogue.get_rate_card(session, version.rate_card_id),
        "rate_card_version": version.number,
    }


def hosted_link(invoice: Invoice) -> str:
    """Return the address where the customer sees and pays the invoice."""
    return f"{runtime().settings.base_url}/pay/{collection.link_token(invoice)}"


def draw_code(text: str) -> Markup:
    """Draw `text` as a QR code: an inline SVG of attributes only, for styles are forbidden."""
    code = segno.make(text, error="m", micro=False)
    drawing = code.svg_inline(omitsize=True, border=0, svgclass=None, lineclass=None)
    return Markup(drawing)  # noqa: S704  # drawn by us: the text is in it as squares only


def workings(invoice: Invoice, fx: FxSnapshot) -> list[Working]:
    """Return the arithmetic from the subtotal to the settlement, as it was locked."""
    pricing, settlement = invoice.currency, invoice.settlement_currency
    steps = []
    if pricing is not Currency.CNY:
        steps += _rate_steps(
            pricing, fx.pricing_midpoint, fx.pricing_rate, spread_bps=fx.spread_bps
        )
    steps += [_collected(invoice, fx), _fee(invoice), _net(invoice)]
    if settlement not in {pricing, Currency.CNY}:
        steps += _rate_steps(
            settlement, fx.settlement_midpoint, fx.settlement_rate, spread_bps=fx.spread_bps
        )
    return [*steps, _settled(invoice, fx)]


def _rate_steps(
    currency: Currency, midpoint: Decimal, rate: Decimal, *, spread_bps: int
) -> list[Working]:
    shown, factor = digits(midpoint), digits(1 + Decimal(spread_bps).scaleb(-4))
    return [
        Working(
            _("Midpoint"),
            _("as published"),
            _("CNY per 100 %(currency)s", currency=currency),
            shown,
        ),
        Working(
            _("Locked rate"),
            _("spread %(bps)s bps", bps=spread_bps),
            f"{shown} ÷ 100 × {factor}",
            _rate(rate),
        ),
    ]


def _collected(invoice: Invoice, fx: FxSnapshot) -> Working:
    source = invoice.subtotal
    if source.currency is Currency.CNY:
        return Working(
            _("Collected"), _("priced in CNY"), _amount(source), _amount(invoice.collection)
        )
    decimals = (source.currency.exponent, Currency.CNY.exponent)
    exact = conversion.multiplied(source.minor, fx.pricing_rate, decimals=decimals)
    return Working(
        _("Collected"),
        _("multiplied into CNY, rounded once"),
        f"{_amount(source)} × {_rate(fx.pricing_rate)} = {_major(exact, Currency.CNY)}",
        _amount(invoice.collection),
    )


def _fee(invoice: Invoice) -> Working:
    exact = invoice.collection_minor * Fraction(invoice.fee_bps, 10_000)
    formula = f"{digits(invoice.collection.major)} × {percent(invoice.fee_bps)}"
    formula = f"{formula} = {_major(exact, Currency.CNY)}"
    if invoice.fee_fixed_minor:
        fixed = Money(invoice.fee_fixed_minor, Currency.CNY)
        formula = f"{formula} + {digits(fixed.major)}"
    return Working(
        _("Platform fee"), _("rounded once"), formula, f"−{_amount(invoice.platform_fee)}"
    )


def _net(invoice: Invoice) -> Working:
    formula = f"{digits(invoice.collection.major)} − {digits(invoice.platform_fee.major)}"
    return Working(_("Net in CNY"), "", formula, _amount(invoice.net))


def _settled(invoice: Invoice, fx: FxSnapshot) -> Working:
    target = invoice.settlement_currency
    if target is Currency.CNY:
        return Working(_("Net settlement"), "", _amount(invoice.net), _amount(invoice.settlement))
    decimals = (Currency.CNY.exponent, target.exponent)
    exact = conversion.divided(invoice.net_minor, fx.settlement_rate, decimals=decimals)
    return Working(
        _("Net settlement"),
        _("divided out of CNY, rounded once"),
        f"{digits(invoice.net.major)} ÷ {_rate(fx.settlement_rate)} = {_major(exact, target)}",
        _amount(invoice.settlement),
    )


def _amount(money: Money) -> str:
    return f"{digits(money.major)} {money.currency}"


def _rate(rate: Decimal) -> str:
    return digits(round_half_up(rate, conversion.RATE_DECIMALS))


def _major(minor: Fraction, currency: Currency) -> str:
    """Write an amount not below zero, cut after a few digits more than it is rounded to."""
    exact = minor / 10**currency.exponent
    shown = Decimal(f"{int(exact * 10**_EXACT_DECIMALS)}E-{_EXACT_DECIMALS}")
    cut = "" if Fraction(shown) == exact else "…"
    return f"{digits(Decimal(plain(shown)))}{cut}"


def _line(line: InvoiceLine, invoice: Invoice) -> Line:
    is_commitment = line.kind is LineKind.COMMITMENT
    return Line(
        metric=line.metric_code,
        description=_("Minimum commitment") if is_commitment else line.description,
        late_of=invoice.earlier_period(line),
        unit=line.unit,
        quantity="" if is_commitment else decimal(line.quantity),
        events=line.events,
        amount=Money(line.amount_minor, invoice.currency),
        is_priced=line.is_priced,
        tiers=line_steps.steps_of(line, invoice.currency),
    )


def _asides(session: Session, orders: Sequence[PaymentOrder]) -> list[tuple[Money, str]]:
    """Return the money that came by these orders and pays nothing, each with the reason."""
    reasons = {
        CaseReason.AMOUNT_MISMATCH: _("another amount than we asked for"),
        CaseReason.INVOICE_NOT_PAYABLE: _("the invoice was not open"),
        CaseReason.SECOND_TRANSACTION: _("the order was paid twice"),
    }
    ids = {order.id for order in orders}
    return [
        (case.amount, reasons[case.reason])
        for case in payments.list_unallocated(session)
        if case.payment_order_id in ids and case.status is CaseStatus.OPEN
    ]


def _timeline(invoice: Invoice, orders: Sequence[PaymentOrder]) -> list[Happening]:
    """Return what happened, the last thing first."""
    story = [Happening("", "plus", _("Draft created"), invoice.created_at, _("The period ended"))]
    if invoice.finalized_at:
        text = _("Number, rate card, terms and rates were locked")
        story.append(Happening("", "lock", _("Finalized"), invoice.finalized_at, text))
    for order in orders:
        story += _attempt(order)
    if invoice.paid_at:
        story.append(Happening("ok", "circle-check", _("Paid"), invoice.paid_at))
    if invoice.voided_at:
        reason = invoice.void_reason or ""
        story.append(Happening("bad", "ban", _("Voided"), invoice.voided_at, reason))
    return story[::-1]


def _attempt(order: PaymentOrder) -> list[Happening]:
    channel = _("WeChat Pay") if order.channel == "wechat" else _("Alipay")
    opened = _("Payment by %(channel)s opened", channel=channel)
    story = [Happening("", "qr-code", opened, order.created_at, order.out_trade_no)]
    if order.captured_at:
        captured = _("%(channel)s received the money", channel=channel)
        text = order.channel_txn_id or ""
        story.append(Happening("ok", "banknote", captured, order.captured_at, text))
    return story
