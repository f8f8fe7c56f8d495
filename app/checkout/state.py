"""What a payer sees: read from the books, decided in one place, never told by the browser."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256

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
from app.channels.base import ChannelName, Method
from app.core import ids
from app.core.ids import Prefix
from app.core.language import Language
from app.core.money import Currency, Money
from app.documents import store
from app.documents.invoice_print import PrintDiscount, PrintTax
from app.documents.models import DocumentKind
from app.identity import branding, clocks
from app.identity.models import Mode
from app.payments import opening, queries, refund_queries
from app.payments.models import PaymentOrder, PaymentStatus
from app.payments.opening import METHODS
from app.payments.refund_models import UNDER_WAY, RefundPurpose, RefundStatus
from app.risk.refusals import MerchantFrozen


class State(StrEnum):
    OPEN = "open"  # a code to scan, or none yet
    PAID = "paid"
    FREE = "free"  # nothing is due
    EXPIRED = "expired"  # the code has run out
    CLOSED = "closed"  # the invoice is void
    OUTDATED = "outdated"  # its rates have expired: the merchant issues it anew
    DOWN = "down"  # the chosen channel gave no answer
    AMOUNT = "amount"  # another amount came than was asked for
    FROZEN = "frozen"  # the merchant takes no payments for now


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
class Way:
    """A channel and a method there, written `wechat.native`."""

    channel: ChannelName
    method: Method

    @classmethod
    def read(cls, text: str) -> "Way | None":
        """Return the way that is written here; None for none that exists."""
        channel, _, method = text.partition(".")
        if channel not in set(ChannelName) or method not in set(Method):
            return None
        way = cls(ChannelName(channel), Method(method))
        return way if way.method in METHODS[way.channel] else None

    def __str__(self) -> str:
        return f"{self.channel}.{self.method}"


@dataclass(frozen=True, slots=True)
class MoneyBack:
    """What of the payment goes back; `at` is when it arrived, None while it is on its way."""

    amount: Money
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Aside:
    """Money that came and paid nothing. `returns` says that it goes back by itself, or did."""

    amount: Money
    channel: ChannelName
    at: datetime
    returns: bool
    returned_at: datetime | None


@dataclass(frozen=True, slots=True)
class View:
    """One look at an invoice. `order` is the attempt that is shown: the one that paid, if any.

    `limits` are the channels that do not take it, each with the code of why; `can_rotate` says
    that a code has run out and nobody is paying in another way. `documents` can be downloaded.
    `return_url` is the merchant's page that the payer goes back to, or empty.
    """

    state: State
    merchant: Payee
    invoice: Bill
    order: PaymentOrder | None
    fapiao: FapiaoCard
    limits: Mapping[ChannelName, str]
    can_rotate: bool
    refunds: tuple[MoneyBack, ...]
    aside: tuple[Aside, ...]
    documents: tuple[DocumentKind, ...]
    return_url: str

    @property
    def payload(self) -> str | None:
        """What the channel handed out for the payer, while it can be used."""
        if self.order is None or self.state is not State.OPEN:
            return None
        return self.order.payload if self.order.status is PaymentStatus.PENDING else None

    @property
    def code(self) -> str | None:
        """What there is to scan, as the text of its QR code."""
        return self.payload if self.order and self.order.method in CODES else None

    @property
    def refunded(self) -> Money:
        """What has arrived at the payer again."""
        arrived = (back.amount.minor for back in self.refunds if back.at)
        return Money(sum(arrived), Currency.CNY)

    @property
    def seen(self) -> str:
        """Name what is shown, so that a page can be told only what it does not show yet."""
        parts = [self.state.value, *sorted(self.limits.values()), *map(str, self.documents)]
        parts += [str(case.returned_at or case.returns) for case in self.aside]
        parts += [str(back.at) for back in self.refunds]
        if self.order is not None:
            order = ids.show(Prefix.PAYMENT_ORDER, self.order.id)
            parts += [order, self.order.status.value, str(self.order.payload_at)]
        return sha256(".".join(parts).encode()).hexdigest()[:16]


def look(session: Session, invoice_id: int, way: Way | None, *, now: datetime) -> View:
    """Return what the payer sees; without a way, the code that still waits if there is one.

    `now` is real: codes run out in real time. Raises NotFound.
    """
    invoice = invoices.get_invoice(session, invoice_id)
    order = _attempt(session, invoice, way, now=now)
    state = state_of(invoice, order, now=now)
    offset = clocks.get_merchant(session).clock_offset
    if state in _TO_PAY and collection.is_outdated(invoice, now=now + offset):
        state = State.OUTDATED
    limits: dict[ChannelName, str] = {}
    if state in _TO_PAY and not _is_waiting(order, now=now):
        limits = _limits(session, invoice, now=now)
        if MerchantFrozen.code in limits.values():
            state = State.FROZEN
        elif state is State.OPEN and way and order is None and way.channel not in limits:
            state = State.DOWN  # it was chosen, and nothing came of it
    aside = tuple(_aside(session, invoice.id, offset))
    return View(
        state=state,
        merchant=payee(session),
        invoice=_bill(session, invoice),
        order=order,
        fapiao=card(fapiao_queries.find_newest(session, invoice.id), invoice),
        limits=limits,
        can_rotate=state is State.EXPIRED and _is_alone(session, order, now=now),
        refunds=tuple(_refunds(session, invoice.id)),
        aside=aside,
        documents=_documents(session, invoice),
        return_url=queries.find_return_url(session, invoice.id),
    )


def _attempt(
    session: Session, invoice: Invoice, way: Way | None, *, now: datetime
) -> PaymentOrder | None:
    """Return the attempt to show: one that ended is shown to him who made it."""
    if invoice.status in WAS_PAID:
        return queries.find_paying(session, invoice.id)
    if way is not None:
        return queries.find_newest(session, invoice.id, way.channel, method=way.method)
    order = queries.find_newest(session, invoice.id)
    is_captured = order is not None and order.status is PaymentStatus.CAPTURED
    return order if is_captured or _is_waiting(order, now=now) else None


def _limits(session: Session, invoice: Invoice, *, now: datetime) -> dict[ChannelName, str]:
    """Return which channels do not take the invoice now, and why."""
    found = {name: opening.why_not(session, invoice, name, now=now) for name in ChannelName}
    return {name: refusal.code for name, refusal in found.items() if refusal is not None}


def _is_alone(session: Session, order: PaymentOrder | None, *, now: datetime) -> bool:
    """Tell whether a code has run out by itself, and nobody pays in another way meanwhile."""
    if order is None or order.method not in CODES or now < order.expires_at:
        return False
    return all(other.id == order.id for other in queries.list_open(session, order.invoice_id))


def _refunds(session: Session, invoice_id: int) -> Iterator[MoneyBack]:
    for refund in refund_queries.list_of_invoice(session, invoice_id):
        if refund.purpose is RefundPurpose.INVOICE and refund.status in _GOES_BACK:
            yield MoneyBack(refund.amount, refund.succeeded_at)


def _aside(session: Session, invoice_id: int, offset: timedelta) -> Iterator[Aside]:
    """Return the money that came for the invoice and paid nothing; cases keep merchant's time."""
    for case in queries.list_aside(session, invoice_id):
        tries = refund_queries.list_of_case(session, case.id)
        last = tries[-1] if tries else None
        yield Aside(
            case.amount,
            case.channel,
            case.opened_at - offset,
            returns=last is not None and last.status in _GOES_BACK,
            returned_at=last.succeeded_at if last else None,
        )


def _documents(session: Session, invoice: Invoice) -> tuple[DocumentKind, ...]:
    """Return what was printed of the invoice for its payer, the receipt first."""
    if invoice.status is InvoiceStatus.VOID:
        return ()
    kinds = (DocumentKind.RECEIPT_PDF, DocumentKind.INVOICE_PDF)
    return tuple(
        kind
        for kind in (kinds if invoice.status in WAS_PAID else kinds[1:])
        if store.find_document(
            session, kind=kind, subject_id=invoice.id, language=Language.ZH_HANS_CN
        )
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


CODES = frozenset({Method.NATIVE, Method.PRECREATE})
"""The methods whose payload is drawn."""

_ENDED = {
    PaymentStatus.CREATED: State.DOWN,
    PaymentStatus.PENDING: State.EXPIRED,
    PaymentStatus.CLOSED: State.EXPIRED,
    PaymentStatus.CAPTURED: State.AMOUNT,  # what was captured paid nothing
}
"""What an attempt comes to that can not be paid (any more), while the invoice still can."""

_GOES_BACK = frozenset({*UNDER_WAY, RefundStatus.SUCCEEDED})
_TO_PAY = frozenset({State.OPEN, State.EXPIRED, State.DOWN, State.AMOUNT})
"""The states that ask the payer to pay."""


def state_of(invoice: Invoice, order: PaymentOrder | None, *, now: datetime) -> State:
    """Decide what an invoice and the last attempt to pay it come to."""
    if invoice.status is InvoiceStatus.VOID:
        return State.CLOSED
    if not invoice.due:
        return State.FREE
    if invoice.status in WAS_PAID:
        return State.PAID
    return State.OPEN if order is None or _is_waiting(order, now=now) else _ENDED[order.status]


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
