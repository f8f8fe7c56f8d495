"""All accounting policy on one page: which event debits and credits what.

Pure functions that return balanced journals, after the posting templates of
`docs/ledger.md`: a debit is above zero, a credit below. A `Journal` that does not balance
per book and currency can not be made, so a wrong sign can not be posted.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.core.ids import Prefix, show
from app.core.money import Currency, Money
from app.ledger.models import Book


class Account(StrEnum):
    """The accounts by name. Those of a channel carry its name behind a slash."""

    RECEIVABLE = "receivable"
    MERCHANT_UNCOLLECTED = "merchant_uncollected"
    MERCHANT_PAYABLE = "merchant_payable"
    CHANNEL_CLEARING = "channel_clearing"
    PLATFORM_FEE_REVENUE = "platform_fee_revenue"
    FX_CLEARING = "fx_clearing"
    UNALLOCATED_PAYMENTS = "unallocated_payments"
    SALES_CLEARING = "sales_clearing"
    REVENUE = "revenue"


class Kind(StrEnum):
    """What a transaction records; with its reference it is posted once for ever."""

    INVOICE_FINALIZED = "invoice_finalized"  # T1
    PAYMENT_CAPTURED = "payment_captured"  # T2
    PLATFORM_FEE = "platform_fee"  # T3
    FX_CONVERSION = "fx_conversion"  # T4
    INVOICE_VOIDED = "invoice_voided"  # V1
    PAYMENT_UNALLOCATED = "payment_unallocated"  # U1


@dataclass(frozen=True)
class Leg:
    book: Book
    account: str
    amount: Money


class Unbalanced(ValueError):
    """The legs of a journal do not add up to zero: a fault in the policy, never input."""


@dataclass(frozen=True)
class Journal:
    """One balanced business event. `reference` names its cause, `invoice_id` its invoice."""

    kind: Kind
    reference: str
    legs: Sequence[Leg]
    invoice_id: int | None = None

    def __post_init__(self) -> None:
        off = {key: total for key, total in sums(self.legs).items() if total}
        if off or len(self.legs) < len(("debit", "credit")):
            raise Unbalanced(f"{self.kind} {self.reference}: {off}")


def sums(legs: Iterable[Leg]) -> dict[tuple[Book, Currency], int]:
    """Return what legs add up to, per book and currency; a balanced journal has zeros only."""
    totals: dict[tuple[Book, Currency], int] = defaultdict(int)
    for leg in legs:
        totals[leg.book, leg.amount.currency] += leg.amount.minor
    return dict(totals)


def invoice_finalized(invoice_id: int, amount: Money) -> Journal:
    """T1: the customer owes `amount`, and the merchant has earned it but not received it."""
    return _journal(
        Kind.INVOICE_FINALIZED,
        invoice_id,
        [
            *_move(
                Book.PLATFORM, amount, debit=Account.RECEIVABLE, credit=Account.MERCHANT_UNCOLLECTED
            ),
            *_move(Book.REVENUE, amount, debit=Account.SALES_CLEARING, credit=Account.REVENUE),
        ],
    )


def invoice_voided(invoice_id: int, amount: Money) -> Journal:
    """V1: an open invoice is void; T1 the other way round."""
    return _journal(
        Kind.INVOICE_VOIDED,
        invoice_id,
        [
            *_move(
                Book.PLATFORM, amount, debit=Account.MERCHANT_UNCOLLECTED, credit=Account.RECEIVABLE
            ),
            *_move(Book.REVENUE, amount, debit=Account.REVENUE, credit=Account.SALES_CLEARING),
        ],
    )


def payment_captured(invoice_id: int, channel: str, amount: Money) -> Journal:
    """T2: the channel holds the money, the receivable is settled, the merchant is owed it."""
    clearing = f"{Account.CHANNEL_CLEARING}/{channel}"
    return _journal(
        Kind.PAYMENT_CAPTURED,
        invoice_id,
        [
            *_move(Book.PLATFORM, amount, debit=clearing, credit=Account.RECEIVABLE),
            *_move(
                Book.PLATFORM,
                amount,
                debit=Account.MERCHANT_UNCOLLECTED,
                credit=Account.MERCHANT_PAYABLE,
            ),
        ],
    )


def platform_fee(invoice_id: int, fee: Money) -> Journal:
    """T3: the platform keeps its fee out of what the merchant is owed."""
    return _journal(
        Kind.PLATFORM_FEE,
        invoice_id,
        _move(
            Book.PLATFORM, fee, debit=Account.MERCHANT_PAYABLE, credit=Account.PLATFORM_FEE_REVENUE
        ),
    )


def fx_conversion(invoice_id: int, *, net: Money, settlement: Money) -> Journal:
    """T4: what is left in CNY becomes the settlement currency, at the rate of the lock."""
    return _journal(
        Kind.FX_CONVERSION,
        invoice_id,
        [
            *_move(Book.PLATFORM, net, debit=Account.MERCHANT_PAYABLE, credit=Account.FX_CLEARING),
            *_move(
                Book.PLATFORM,
                settlement,
                debit=Account.FX_CLEARING,
                credit=Account.MERCHANT_PAYABLE,
            ),
        ],
    )


def payment_unallocated(reference: str, channel: str, *, amount: Money, invoice_id: int) -> Journal:
    """U1: money came that pays nothing; it is booked aside until somebody decides."""
    clearing = f"{Account.CHANNEL_CLEARING}/{channel}"
    legs = _move(Book.PLATFORM, amount, debit=clearing, credit=Account.UNALLOCATED_PAYMENTS)
    return Journal(Kind.PAYMENT_UNALLOCATED, reference, legs, invoice_id)


def _journal(kind: Kind, invoice_id: int, legs: Sequence[Leg]) -> Journal:
    return Journal(kind, show(Prefix.INVOICE, invoice_id), legs, invoice_id)


def _move(book: Book, amount: Money, *, debit: str, credit: str) -> list[Leg]:
    return [Leg(book, str(debit), amount), Leg(book, str(credit), -amount)]
