"""Everything an invoice says on paper, and nothing else: billing fills it, printing sets it.

A print is a copy taken at one instant. It reads no row, so a document can be made, tested and
made again without a database, and what it says can not change behind its reader's back.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from app.core.money import Currency, Money


class PrintStatus(StrEnum):
    """The stamp on the page; the values are those of an invoice's status."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


@dataclass(frozen=True, slots=True)
class PrintParty:
    """Who sells or who pays. `reference` is the name the seller's own system gives the payer."""

    name: str
    reference: str = ""
    tax_id: str = ""
    address: str = ""
    email: str = ""


class PrintStep(StrEnum):
    """What a step of a line's working is; the values are those that billing keeps."""

    UNITS = "units"
    PACKAGES = "packages"
    AMOUNT = "amount"
    EVENTS = "events"
    EVENT_LIMITS = "event_limits"
    DISCOUNT = "discount"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    COMMITTED = "committed"
    USED = "used"
    BILLED = "billed"


@dataclass(frozen=True, slots=True)
class PrintTier:
    """What one tier of a line took: units above `above`, up to and with `up_to` (None: no end).

    Price and amount are text (`formats.price`): tiers are exact, and become money only once the
    line adds them up. Another `step` than units or an amount is named by its word instead, and
    has no quantity where it changed the amount by itself.
    """

    above: Decimal
    up_to: Decimal | None
    quantity: Decimal | None
    unit_price: str
    amount: str
    step: PrintStep = PrintStep.UNITS


class PrintLineKind(StrEnum):
    USAGE = "usage"
    LATE = "late"
    COMMITMENT = "commitment"


@dataclass(frozen=True, slots=True)
class PrintLine:
    """One line of the bill. `unit_price` is text: US$0.00001, US$4.00 / 100, 2.9%, or nothing.

    `late_days` are the first and last day of the earlier period that a line is about.
    """

    description: str
    amount: Money
    metric: str = ""
    quantity: Decimal | None = None
    unit: str = ""
    unit_price: str = ""
    tiers: tuple[PrintTier, ...] = ()
    kind: PrintLineKind = PrintLineKind.USAGE
    late_days: tuple[date, date] | None = None


@dataclass(frozen=True, slots=True)
class PrintAdjustment:
    """What stands between the lines and the subtotal: a coupon, credits, a minimum."""

    label: str
    amount: Money


@dataclass(frozen=True, slots=True)
class PrintRate:
    """The FX snapshot. `midpoint` is CNY for 100 units, `rate` CNY for one, spread included."""

    currency: Currency
    midpoint: Decimal
    spread_bps: int
    rate: Decimal
    source: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class PrintPayment:
    """The payment that settled the invoice, with the number the channel gave it."""

    channel: str
    transaction: str
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class InvoicePrint:
    """An invoice as it is printed. Days of the period are local, `period_to` is not in it.

    `reference` is the invoice's public id: it also makes the bytes of the PDF its own.
    `total` is printed where it adds something: with tax, in the pricing currency. `rate` is
    missing when prices are in CNY, `payment` until the invoice is paid.
    """

    reference: str
    number: str
    status: PrintStatus
    merchant: PrintParty
    customer: PrintParty
    zone: str
    issued_at: datetime
    lines: tuple[PrintLine, ...]
    subtotal: Money
    collection: Money
    due_at: datetime | None = None
    period_from: date | None = None
    period_to: date | None = None
    adjustments: tuple[PrintAdjustment, ...] = ()
    tax: Money | None = None
    total: Money | None = None
    rate: PrintRate | None = None
    payment: PrintPayment | None = None
    is_sandbox: bool = False
