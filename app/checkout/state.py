"""What a payer sees: read from the books, decided in one place, never told by the browser."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from app.billing import collection, fapiao, fapiao_queries, printing
from app.billing import queries as invoices
from app.billing.fapiao_models import (
    FAPIAO,
    LIVE,
    FapiaoEvent,
    FapiaoPart,
    FapiaoRequest,
    FapiaoStatus,
)
from app.billing.models import WAS_PAID, Invoice, InvoiceStatus, LineKind
from app.channels.base import ChannelName
from app.core import ids
from app.core.ids import Prefix
from app.core.money import Currency, Money
from app.documents.invoice_print import PrintDiscount, PrintTax
from app.identity import branding, clocks
from app.identity.models import Mode
from app.payments import queries
from app.payments.models import PaymentOrder, PaymentStatus


class State(StrEnum):
    OPEN = "open"  # a code to scan, or none yet
    PAID = "paid"
    FREE = "free"  # nothing is due
    EXPIRED = "expired"  # the code has run out
    CLOSED = "closed"  # the invoice can no longer be paid
    DOWN = "down"  # the chosen channel gave no answer


@dataclass(frozen=True, slots=True)
class Payee:
    """Who is paid. `logo` is the hash of its logo and `color` #rrggbb; either may be empty."""

    merchant_id: int
    name: str
    mode: Mode
    logo: str = ""
    color: str = ""

    @property
    def public_id(self) -> str:
        return ids.show_merchant(self.merchant_id)


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line as its payer sees it; `late_of` are the days of an earlier period it is about."""

    description: str
    amount: Money
    is_commitment: bool
    late_of: tuple[date, date] | None


@dataclass(frozen=True, slots=True)
class Bill:
    """The invoice as its payer sees it, from its lines to what is due.

    Lines, discounts, taxes and `total` are in the currency that it is priced in; what follows is
    in CNY: `collect` is the total, `due` what balance and credit notes leave of it to be paid.
    """

    number: str
    first_day: date
    last_day: date
    lines: tuple[BillLine, ...]
    discounts: tuple[PrintDiscount, ...]
    taxes: tuple[PrintTax, ...]
    total: Money
    collect: Money
    balance_used: Money
    credited: Money
    due: Money
    rate: str | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class FapiaoCard:
    """Where the invoice's fapiao stands: `status` is None when nobody asked for one."""

    status: FapiaoStatus | None
    is_possible: bool
    title: str = ""
    number: str = ""
    reason: str = ""

    @property
    def parts(self) -> tuple[FapiaoPart, ...]:
        """What there is to download."""
        if self.status in {FapiaoStatus.ISSUED, FapiaoStatus.RED_LETTER_REQUESTED}:
            return (FapiaoPart.FAPIAO,)
        return tuple(FapiaoPart) if self.status is FapiaoStatus.RED_LETTERED else ()

    @property
    def can_ask(self) -> bool:
        """Tell whether there is a form to send: a first one, or another."""
        return self.is_possible and (self.status is None or self.status not in LIVE)

    @property
    def can_change(self) -> bool:
        return self.status is not None and FAPIAO.allows(self.status, FapiaoEvent.CHANGE)


@dataclass(frozen=True, slots=True)
class View:
    """One look at an invoice. `order` is the attempt that is shown: the one that paid, if any."""

    state: State
    merchant: Payee
    invoice: Bill
    order: PaymentOrder | None
    fapiao: FapiaoCard

    @property
    def code(self) -> str | None:
        """What there is to scan, as the text of its QR code."""
        if self.order is None or self.state is not State.OPEN:
            return None
        return self.order.payload if self.order.status is PaymentStatus.PENDING else None

    @property
    def seen(self) -> str:
        """Name what is shown, so that a page can be told only what it does not show yet."""
        if self.order is None:
            return self.state.value
        order = ids.show(Prefix.PAYMENT_ORDER, self.order.id)
        return f"{self.state}.{order}.{self.order.status}"


def look(session: Session, invoice_id: int, channel: ChannelName | None, *, now: datetime) -> View:
    """Return what the payer sees; without a channel, the code that still waits if there is one.

    `now` is real: codes run out in real time. Raises NotFound.
    """
    invoice = invoices.get_invoice(session, invoice_id)
    if invoice.status in WAS_PAID:
        order = queries.find_paying(session, invoice.id)
    else:
        order = queries.find_newest(session, invoice.id, channel)
        if channel is None and not _is_waiting(order, now=now):
            order = None  # an attempt that ended is shown to him who made it
    state = state_of(invoice, order, now=now)
    merchant_now = now + clocks.get_merchant(session).clock_offset
    if state in _TO_PAY and collection.is_outdated(invoice, now=merchant_now):
        state = State.CLOSED  # its rates have expired: the merchant issues it anew
    return View(
        state=state,
        merchant=payee(session),
        invoice=_bill(session, invoice),
        order=order,
        fapiao=card(fapiao_queries.find_newest(session, invoice.id), invoice),
    )


def payee(session: Session) -> Payee:
    """Return the session's merchant as payers see it."""
    merchant = clocks.get_merchant(session)
    brand = branding.get_branding(session)
    return Payee(
        merchant.merchant_id,
        merchant.name,
        merchant.mode,
        logo=brand.logo_sha256 or "",
        color=brand.color,
    )


def card(found: FapiaoRequest | None, invoice: Invoice) -> FapiaoCard:
    """Return what the buyer sees of the newest request for the invoice, if there is one."""
    is_possible = fapiao.is_possible(invoice)
    if found is None:
        return FapiaoCard(None, is_possible)
    return FapiaoCard(
        found.status,
        is_possible,
        title=found.title,
        number=found.number or "",
        reason=found.reject_reason or "",
    )


_TO_PAY = frozenset({State.OPEN, State.EXPIRED, State.DOWN})
"""The states that ask the payer to pay."""


def state_of(invoice: Invoice, order: PaymentOrder | None, *, now: datetime) -> State:
    """Decide what an invoice and the last attempt to pay it come to."""
    if invoice.status is InvoiceStatus.VOID:
        return State.CLOSED
    if not invoice.due:
        return State.FREE
    if invoice.status in WAS_PAID:
        return State.PAID
    if order is None or order.status is PaymentStatus.CAPTURED:
        return State.OPEN  # what was captured paid nothing: another amount came
    if order.status is PaymentStatus.CREATED:
        return State.DOWN
    return State.OPEN if _is_waiting(order, now=now) else State.EXPIRED


def _is_waiting(order: PaymentOrder | None, *, now: datetime) -> bool:
    """Say whether the order has a code that can be scanned."""
    return order is not None and order.status is PaymentStatus.PENDING and now < order.expires_at


def _bill(session: Session, invoice: Invoice) -> Bill:
    is_converted = invoice.currency is not Currency.CNY
    rate = invoice.fx_pricing_rate
    lines = invoices.lines_of(session, invoice)
    return Bill(
        number=invoice.number or "",
        first_day=invoice.period_from,
        last_day=invoice.period_to - timedelta(days=1),
        lines=tuple(
            BillLine(
                line.description,
                Money(line.amount_minor, invoice.currency),
                line.kind is LineKind.COMMITMENT,
                invoice.earlier_period(line),
            )
            for line in lines
        ),
        discounts=printing.discounts_of(session, invoice),
        taxes=printing.taxes_of(lines, invoice.currency),
        total=invoice.total,
        collect=invoice.collection,
        balance_used=invoice.balance_used,
        credited=invoice.collection - invoice.balance_used - invoice.due,
        due=invoice.due,
        rate=f"{rate.normalize():f}" if is_converted and rate is not None else None,
        due_at=invoice.due_at,
    )
