"""Everything a credit note says on paper: which invoice it corrects, by how much, and why."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.core.money import Money
from app.documents.invoice_print import (
    NO_BRAND,
    PrintBrand,
    PrintParty,
    PrintRate,
    PrintTax,
)


class PrintReason(StrEnum):
    """Why a credit note is given; the values are those that billing keeps."""

    CORRECTION = "correction"
    GOODWILL = "goodwill"
    SERVICE_FAILURE = "service_failure"
    RETURNED = "returned"
    LATE_USAGE = "late_usage"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class PrintCreditLine:
    """What is taken back of one line, of which `discount` is the share of the coupons."""

    description: str
    amount: Money
    discount: Money | None = None
    tax: Money | None = None
    tax_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CreditNotePrint:
    """A credit note as it is printed. `subtotal` is without tax, `collection` in CNY with it.

    `reference` is its public id, `invoice_number` the invoice it corrects, `rate` that invoice's:
    a correction is converted at the rate of what it corrects. `to_balance` went to the customer's
    balance, the rest lowers what is due. Amounts are not below zero.
    """

    reference: str
    number: str
    invoice_number: str
    invoice_issued_at: datetime
    merchant: PrintParty
    customer: PrintParty
    zone: str
    issued_at: datetime
    reason: PrintReason
    lines: tuple[PrintCreditLine, ...]
    subtotal: Money
    collection: Money
    to_balance: Money
    note: str = ""
    taxes: tuple[PrintTax, ...] = ()
    total: Money | None = None
    rate: PrintRate | None = None
    brand: PrintBrand = NO_BRAND
    is_sandbox: bool = False

    @property
    def to_invoice(self) -> Money:
        """What the invoice is owed less, in CNY."""
        return self.collection - self.to_balance

    @property
    def priced(self) -> Money:
        """What is credited, in the pricing currency: the total with tax."""
        return self.subtotal if self.total is None else self.total
