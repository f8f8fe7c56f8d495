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
    """The accounts by name. Behind a slash: the channel, or the customer whose balance it is."""

    RECEIVABLE = "receivable"
    MERCHANT_UNCOLLECTED = "merchant_uncollected"
    MERCHANT_PAYABLE = "merchant_payable"
    CHANNEL_CLEARING = "channel_clearing"
    PLATFORM_FEE_REVENUE = "platform_fee_revenue"
    FX_CLEARING = "fx_clearing"
    UNALLOCATED_PAYMENTS = "unallocated_payments"
    REFUND_IN_TRANSIT = "refund_in_transit"
    DISPUTE_RECEIVABLE = "dispute_receivable"
    DISPUTE_FEE_REVENUE = "dispute_fee_revenue"
    MERCHANT_RESERVE = "merchant_reserve"
    SALES_CLEARING = "sales_clearing"
    REVENUE = "revenue"
    BAD_DEBT = "bad_debt"
    CUSTOMER_BALANCE = "customer_balance"


class Kind(StrEnum):
    """What a transaction records; with its reference it is posted once for ever."""

    INVOICE_FINALIZED = "invoice_finalized"  # T1
    PAYMENT_CAPTURED = "payment_captured"  # T2
    PLATFORM_FEE = "platform_fee"  # T3
    FX_CONVERSION = "fx_conversion"  # T4
    INVOICE_VOIDED = "invoice_voided"  # V1
    INVOICE_UNCOLLECTIBLE = "invoice_uncollectible"  # V2
    INVOICE_RECOVERED = "invoice_recovered"  # V3
    CREDIT_NOTE_ISSUED = "credit_note_issued"  # N1
    BALANCE_USED = "balance_used"  # N2
    BALANCE_ADJUSTED = "balance_adjusted"  # N3
    PAYMENT_UNALLOCATED = "payment_unallocated"  # U1
    PAYMENT_RETURNED = "payment_returned"  # U2
    REFUND_SUBMITTED = "refund_submitted"  # F1
    REFUND_SUCCEEDED = "refund_succeeded"  # F2
    REFUND_FAILED = "refund_failed"  # F1 the other way round
    REFUND_RECOVERED = "refund_recovered"  # F1 again
    DISPUTE_OPENED = "dispute_opened"  # D1
    DISPUTE_LOST = "dispute_lost"  # D2
    DISPUTE_WON = "dispute_won"  # D3
    DISPUTE_FEE = "dispute_fee"  # D4


@dataclass(frozen=True)
class Leg:
    book: Book
    account: str
    amount: Money


@dataclass(frozen=True, slots=True)
class MoneyBack:
    """What goes back of one payment: the payer's CNY, our fee in it, the merchant's settlement.

    `reference` names the refund or the dispute. `net`, what the merchant gave of the CNY, is
    `settlement` at the rate of the invoice's lock.
    """

    reference: str
    invoice_id: int
    channel: str
    amount: Money
    fee: Money
    settlement: Money

    @property
    def net(self) -> Money:
        return self.amount - self.fee

    @property
    def is_converted(self) -> bool:
        return self.settlement.currency is not self.amount.currency


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


def invoice_finalized(invoice_id: int, collection: Money, *, due: Money) -> Journal:
    """T1: the merchant has earned `collection`, and the customer owes `due` of it.

    What is not due the customer's balance pays: see `balance_used`.
    """
    return _journal(
        Kind.INVOICE_FINALIZED,
        invoice_id,
        [
            *_owed(due),
            *_move(Book.REVENUE, collection, debit=Account.SALES_CLEARING, credit=Account.REVENUE),
        ],
    )


def invoice_voided(invoice_id: int, customer_id: int, *, due: Money, returned: Money) -> Journal:
    """V1: an open invoice is void; what is left of T1 the other way round.

    `returned` is what the customer's balance had paid of it, and gets back.
    """
    return _journal(
        Kind.INVOICE_VOIDED,
        invoice_id,
        [
            *_no_longer_owed(due),
            *_move(Book.REVENUE, due, debit=Account.REVENUE, credit=Account.SALES_CLEARING),
            *_to_balance(customer_id, returned),
        ],
    )


def invoice_uncollectible(invoice_id: int, due: Money) -> Journal:
    """V2: nobody expects `due` any more; what was earned is a loss now."""
    return _journal(
        Kind.INVOICE_UNCOLLECTIBLE,
        invoice_id,
        [
            *_no_longer_owed(due),
            *_move(Book.REVENUE, due, debit=Account.BAD_DEBT, credit=Account.SALES_CLEARING),
        ],
    )


def invoice_recovered(invoice_id: int, due: Money) -> Journal:
    """V3: what was given up is owed again, because it is paid or billed anew; V2 the other way."""
    return _journal(
        Kind.INVOICE_RECOVERED,
        invoice_id,
        [
            *_owed(due),
            *_move(Book.REVENUE, due, debit=Account.SALES_CLEARING, credit=Account.BAD_DEBT),
        ],
    )


def credit_note_issued(
    credit_note_id: int, invoice_id: int, customer_id: int, *, off_due: Money, to_balance: Money
) -> Journal:
    """N1: a correction lowers what is due, by `off_due`, and fills the customer's balance."""
    legs = [
        *_no_longer_owed(off_due),
        *_move(Book.REVENUE, off_due, debit=Account.REVENUE, credit=Account.SALES_CLEARING),
        *_to_balance(customer_id, to_balance),
    ]
    reference = show(Prefix.CREDIT_NOTE, credit_note_id)
    return Journal(Kind.CREDIT_NOTE_ISSUED, reference, legs, invoice_id)


def balance_used(invoice_id: int, customer_id: int, amount: Money) -> Journal:
    """N2: the customer's balance pays a part of an invoice."""
    balance = customer_balance(customer_id)
    legs = _move(Book.REVENUE, amount, debit=balance, credit=Account.SALES_CLEARING)
    return _journal(Kind.BALANCE_USED, invoice_id, legs)


def balance_adjusted(entry_id: int, customer_id: int, amount: Money) -> Journal:
    """N3: the merchant gives the customer `amount`, or below zero takes it back."""
    reference = show(Prefix.BALANCE_ENTRY, entry_id)
    return Journal(Kind.BALANCE_ADJUSTED, reference, _to_balance(customer_id, amount))


def customer_balance(customer_id: int) -> str:
    """Return the name of the account of one customer's balance."""
    return f"{Account.CUSTOMER_BALANCE}/{show(Prefix.CUSTOMER, customer_id)}"


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


def payment_returned(reference: str, channel: str, *, amount: Money, invoice_id: int) -> Journal:
    """U2: what was put aside went back to who had paid it."""
    clearing = f"{Account.CHANNEL_CLEARING}/{channel}"
    legs = _move(Book.PLATFORM, amount, debit=Account.UNALLOCATED_PAYMENTS, credit=clearing)
    return Journal(Kind.PAYMENT_RETURNED, reference, legs, invoice_id)


def refund_submitted(back: MoneyBack) -> Journal:
    """F1: the merchant gives the net, back at the lock, and we our fee; it is set aside."""
    return Journal(Kind.REFUND_SUBMITTED, back.reference, _set_aside(back), back.invoice_id)


def refund_failed(back: MoneyBack) -> Journal:
    """F1 the other way round: the channel will never pay it back under this number."""
    legs = [Leg(leg.book, leg.account, -leg.amount) for leg in _set_aside(back)]
    return Journal(Kind.REFUND_FAILED, back.reference, legs, back.invoice_id)


def refund_recovered(back: MoneyBack) -> Journal:
    """F1 again: it had not failed after all."""
    return Journal(Kind.REFUND_RECOVERED, back.reference, _set_aside(back), back.invoice_id)


def refund_succeeded(back: MoneyBack) -> Journal:
    """F2: the channel paid what was set aside back to the payer."""
    legs = _move(
        Book.PLATFORM,
        back.amount,
        debit=Account.REFUND_IN_TRANSIT,
        credit=f"{Account.CHANNEL_CLEARING}/{back.channel}",
    )
    return Journal(Kind.REFUND_SUCCEEDED, back.reference, legs, back.invoice_id)


def dispute_opened(back: MoneyBack) -> Journal:
    """D1: the channel withdrew a payment; the merchant's part of it is held until it is decided."""
    legs = [
        *_move(
            Book.PLATFORM,
            back.amount,
            debit=Account.DISPUTE_RECEIVABLE,
            credit=f"{Account.CHANNEL_CLEARING}/{back.channel}",
        ),
        *_move(
            Book.PLATFORM,
            back.settlement,
            debit=Account.MERCHANT_PAYABLE,
            credit=Account.MERCHANT_RESERVE,
        ),
    ]
    return Journal(Kind.DISPUTE_OPENED, back.reference, legs, back.invoice_id)


def dispute_lost(back: MoneyBack) -> Journal:
    """D2: the payer keeps it: what was held is gone, our fee of it too, and the sale is undone."""
    reserve, platform = Account.MERCHANT_RESERVE, Book.PLATFORM
    given = _move(platform, back.net, debit=reserve, credit=Account.DISPUTE_RECEIVABLE)
    if back.is_converted:
        given = [
            *_move(platform, back.settlement, debit=reserve, credit=Account.FX_CLEARING),
            *_move(
                platform, back.net, debit=Account.FX_CLEARING, credit=Account.DISPUTE_RECEIVABLE
            ),
        ]
    fee = Account.PLATFORM_FEE_REVENUE
    legs = [
        *given,
        *_move(platform, back.fee, debit=fee, credit=Account.DISPUTE_RECEIVABLE),
        *_move(Book.REVENUE, back.amount, debit=Account.REVENUE, credit=Account.SALES_CLEARING),
    ]
    return Journal(Kind.DISPUTE_LOST, back.reference, legs, back.invoice_id)


def dispute_won(back: MoneyBack) -> Journal:
    """D3: the merchant keeps it; D1 the other way round."""
    legs = [Leg(leg.book, leg.account, -leg.amount) for leg in dispute_opened(back).legs]
    return Journal(Kind.DISPUTE_WON, back.reference, legs, back.invoice_id)


def dispute_fee(reference: str, invoice_id: int, fee: Money) -> Journal:
    """D4: what the channel charges for a dispute is charged on to the merchant."""
    legs = _move(
        Book.PLATFORM, fee, debit=Account.MERCHANT_PAYABLE, credit=Account.DISPUTE_FEE_REVENUE
    )
    return Journal(Kind.DISPUTE_FEE, reference, legs, invoice_id)


def _set_aside(back: MoneyBack) -> list[Leg]:
    """Return the legs of F1; where the settlement is in CNY nothing has to be converted back."""
    payable, platform = Account.MERCHANT_PAYABLE, Book.PLATFORM
    converted = [
        *_move(platform, back.settlement, debit=payable, credit=Account.FX_CLEARING),
        *_move(platform, back.net, debit=Account.FX_CLEARING, credit=payable),
    ]
    return [
        *(converted if back.is_converted else ()),
        *_move(platform, back.fee, debit=Account.PLATFORM_FEE_REVENUE, credit=payable),
        *_move(platform, back.amount, debit=payable, credit=Account.REFUND_IN_TRANSIT),
        *_move(Book.REVENUE, back.amount, debit=Account.REVENUE, credit=Account.SALES_CLEARING),
    ]


def _journal(kind: Kind, invoice_id: int, legs: Sequence[Leg]) -> Journal:
    return Journal(kind, show(Prefix.INVOICE, invoice_id), legs, invoice_id)


def _owed(due: Money) -> list[Leg]:
    """Return the legs by which the customer owes `due`, and the merchant is owed it once paid."""
    return _move(Book.PLATFORM, due, debit=Account.RECEIVABLE, credit=Account.MERCHANT_UNCOLLECTED)


def _no_longer_owed(due: Money) -> list[Leg]:
    return _move(Book.PLATFORM, due, debit=Account.MERCHANT_UNCOLLECTED, credit=Account.RECEIVABLE)


def _to_balance(customer_id: int, amount: Money) -> list[Leg]:
    balance = customer_balance(customer_id)
    return _move(Book.REVENUE, amount, debit=Account.REVENUE, credit=balance)


def _move(book: Book, amount: Money, *, debit: str, credit: str) -> list[Leg]:
    return [Leg(book, str(debit), amount), Leg(book, str(credit), -amount)]
