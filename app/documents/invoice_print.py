"""Everything an invoice says on paper, and nothing else: billing fills it, printing sets it.

A print is a copy taken at one instant. It reads no row, so a document can be made, tested and
made again without a database, and what it says can not change behind its reader's back.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from app.core.money import Currency, Money


class PrintForm(StrEnum):
    """Which document an invoice is printed as: each is one of its own, and changes no other."""

    INVOICE = "invoice"  # as it was issued
    RECEIPT = "receipt"  # with what settled it
    VOID = "void"  # that it is owed no more


@dataclass(frozen=True, slots=True)
class PrintParty:
    """Who sells or who pays. `reference` is the name the seller's own system gives the payer."""

    name: str
    reference: str = ""
    tax_id: str = ""
    address: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class PrintBrand:
    """How a seller's documents look: a logo as PNG, a colour as #rrggbb, a last paragraph."""

    logo: bytes = b""
    color: str = ""
    footer: str = ""


NO_BRAND = PrintBrand()


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


@dataclass(frozen=True, slots=True)
class PrintWorking:
    """One step of a line's working as machines read it: exact, prices in minor units."""

    step: PrintStep
    above: Decimal
    up_to: Decimal | None
    quantity: Decimal
    unit_price_minor: Decimal
    flat_fee_minor: Decimal
    amount_minor: Decimal
    package_size: Decimal | None = None


class PrintLineKind(StrEnum):
    USAGE = "usage"
    LATE = "late"
    COMMITMENT = "commitment"
    ITEM = "item"  # written by hand


@dataclass(frozen=True, slots=True)
class PrintLine:
    """One line of the bill. `unit_price` is text: US$0.00001, US$4.00 / 100, 2.9%, or nothing.

    `amount` is before coupons, and `discount` its share of them, not below zero. `late_days` are
    the first and last day of the earlier period that a line is about.
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
    discount: Money | None = None
    tax: Money | None = None
    tax_percent: Decimal | None = None
    working: tuple[PrintWorking, ...] = ()


@dataclass(frozen=True, slots=True)
class PrintDiscount:
    """A coupon, by the name its reader knows, and what it takes off: not below zero."""

    label: str
    amount: Money


@dataclass(frozen=True, slots=True)
class PrintTax:
    """The tax of all lines of one rate: `amount` of `base`, which does not contain it.

    `is_inclusive` says that the prices of these lines contained it already.
    """

    percent: Decimal
    base: Money
    amount: Money
    is_inclusive: bool = False


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
    """The payment that settled the invoice, with the number the channel gave it, if it did."""

    channel: str
    transaction: str
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class InvoicePrint:
    """An invoice as it is printed. Days of the period are local, `period_to` is not in it.

    `reference` is the invoice's public id: it also makes the bytes of the PDF its own.
    `subtotal` is after coupons and without tax; `total`, with tax, is the subtotal where there is
    none. `collection` is the total in CNY, of which the customer's balance paid `balance_used`,
    and credit notes took off `credited` before it was paid or void. `replaced_by` is the number
    of the invoice issued anew when this one was voided for that.
    `rate` is missing when prices are in CNY, `payment` when no channel was needed.
    """

    reference: str
    number: str
    merchant: PrintParty
    customer: PrintParty
    zone: str
    issued_at: datetime
    lines: tuple[PrintLine, ...]
    subtotal: Money
    collection: Money
    form: PrintForm = PrintForm.INVOICE
    due_at: datetime | None = None
    paid_at: datetime | None = None
    voided_at: datetime | None = None
    void_reason: str = ""
    replaced_by: str = ""
    replaces: str = ""
    note: str = ""
    period_from: date | None = None
    period_to: date | None = None
    discounts: tuple[PrintDiscount, ...] = ()
    taxes: tuple[PrintTax, ...] = ()
    total: Money | None = None
    balance_used: Money | None = None
    credited: Money | None = None
    rate: PrintRate | None = None
    payment: PrintPayment | None = None
    brand: PrintBrand = NO_BRAND
    is_sandbox: bool = False

    @property
    def gross(self) -> Money:
        """What the lines add up to, before coupons."""
        return sum((line.amount for line in self.lines), Money.zero(self.subtotal.currency))

    @property
    def priced(self) -> Money:
        """What is collected, in the pricing currency: the total with tax."""
        return self.subtotal if self.total is None else self.total

    @property
    def due(self) -> Money:
        """What is left to pay when the balance has paid its part and credit notes took theirs."""
        nothing = Money.zero(self.collection.currency)
        return self.collection - (self.balance_used or nothing) - (self.credited or nothing)
