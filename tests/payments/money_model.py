"""Who holds which money, told step by step: what the books are held against.

It knows nothing of journals or tables: invoices, what was paid, what went back.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.billing.models import Invoice, InvoiceStatus
from app.channels.base import ChannelName, Trade
from app.ledger.queries import Balance
from app.payments.models import CaseReason, CaseStatus, PaymentOrder
from app.payments.refund_models import (
    COUNTED,
    UNDER_WAY,
    DisputeStatus,
    Refund,
    RefundPurpose,
    RefundStatus,
)

_CONVERTED = ("fx_clearing", "merchant_payable", "merchant_reserve")
PAYABLE = {InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE}


@dataclass(eq=False)
class Bill:
    """An invoice. `applied` is the attempt that paid it, `balance` what credit notes gave."""

    invoice: Invoice
    status: InvoiceStatus = InvoiceStatus.OPEN
    due: int = 90_533
    balance: int = 0
    applied: "Attempt | None" = None


@dataclass(eq=False)
class Attempt:
    """A payment order and the transactions that its channel holds for it."""

    bill: Bill
    order: PaymentOrder
    amount: int
    trades: list[Trade] = field(default_factory=list)
    is_open: bool = True


@dataclass(eq=False)
class Case:
    """Money that paid nothing."""

    attempt: Attempt
    id: int
    amount: int
    reason: CaseReason
    status: CaseStatus = CaseStatus.OPEN


@dataclass(eq=False)
class Back:
    """A refund: of what a bill was paid with, or of a case."""

    attempt: Attempt
    row: Refund
    amount: int
    case: Case | None
    status: RefundStatus = RefundStatus.SUBMITTED


@dataclass(eq=False)
class Claim:
    """A dispute."""

    attempt: Attempt
    id: int
    amount: int
    fee: int
    status: DisputeStatus = DisputeStatus.OPEN


@dataclass
class Model:
    """All that happened to one merchant's invoices."""

    issued: list[Bill] = field(default_factory=list)
    tried: list[Attempt] = field(default_factory=list)
    aside: list[Case] = field(default_factory=list)
    back: list[Back] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def arrive(self, back: Back) -> None:
        """Note that a payer has his money."""
        if back.case is not None:
            back.case.status = CaseStatus.RETURNED
            return
        bill = back.attempt.bill
        arrived = sum(
            each.amount
            for each in self.back
            if self.is_of(each, bill) and each.status is RefundStatus.SUCCEEDED
        )
        is_all = arrived == bill.due
        bill.status = InvoiceStatus.REFUNDED if is_all else InvoiceStatus.PARTIALLY_REFUNDED

    def expected(self) -> dict[str, int]:
        owed = sum(bill.due for bill in self.issued if bill.status is InvoiceStatus.OPEN)
        lost = sum(bill.due for bill in self.issued if bill.status is InvoiceStatus.UNCOLLECTIBLE)
        sold = sum(bill.due for bill in self.issued if bill.status is not InvoiceStatus.VOID)
        given = sum(bill.balance for bill in self.issued)
        aside = sum(case.amount for case in self.aside if case.status is not CaseStatus.RETURNED)
        of_bills = [back for back in self.back if back.case is None and self.counts(back)]
        withdrawn = [claim for claim in self.claims if claim.status is not DisputeStatus.WON]
        ended = [claim for claim in withdrawn if claim.status is DisputeStatus.LOST]
        undone = sum(back.amount for back in of_bills) + sum(claim.amount for claim in ended)
        fees = sum(bill.invoice.platform_fee_minor for bill in self.issued if bill.applied)
        kept = fees - sum(back.row.fee_minor for back in of_bills) - sum(c.fee for c in ended)
        under_way = sum(back.amount for back in of_bills if back.status in UNDER_WAY)
        expected = {
            "P receivable CNY": owed,
            "P merchant_uncollected CNY": -owed,
            "P unallocated_payments CNY": -aside,
            "P refund_in_transit CNY": -under_way,
            "P dispute_receivable CNY": sum(
                claim.amount for claim in withdrawn if claim.status is DisputeStatus.OPEN
            ),
            "P platform_fee_revenue CNY": -kept,
            "R revenue CNY": -(sold - given - undone),
            "R bad_debt CNY": lost,
            "R sales_clearing CNY": sold - lost - undone,
            "R customer_balance CNY": -given,
        }
        for channel in ChannelName:
            expected[f"P channel_clearing/{channel} CNY"] = self.held_by(channel)
        return {account: amount for account, amount in expected.items() if amount}

    def held_by(self, channel: ChannelName) -> int:
        """Return what the channel was paid, less what it paid back, less what it withdrew."""
        came = sum(
            trade.paid.minor
            for attempt in self.tried
            for trade in attempt.trades
            if attempt.order.channel is channel and trade.paid
        )
        went = sum(
            back.amount
            for back in self.back
            if back.attempt.order.channel is channel and back.status is RefundStatus.SUCCEEDED
        )
        withdrawn = sum(
            claim.amount
            for claim in self.claims
            if claim.attempt.order.channel is channel and claim.status is not DisputeStatus.WON
        )
        return came - went - withdrawn

    def left(self, bill: Bill) -> int:
        """Return what of a bill's payment may go back."""
        return 0 if bill.applied is None else self.rest(bill.applied) - bill.balance

    def rest(self, attempt: Attempt) -> int:
        gone = sum(b.amount for b in self.back if b.attempt is attempt and self.counts(b))
        held = sum(claim.amount for claim in self.claims if self.holds(claim, attempt))
        return sum(self.first(attempt)) - gone - held

    def can_go_back(self, case: Case) -> bool:
        is_named = case.reason is not CaseReason.SECOND_TRANSACTION
        return is_named and case.status is CaseStatus.OPEN and not self.is_under_way(case)

    def is_under_way(self, case: Case) -> bool:
        return any(back.case is case and back.status in UNDER_WAY for back in self.back)

    @staticmethod
    def first(attempt: Attempt) -> list[int]:
        """Return what the transaction that ended the order came to: what can be refunded of it."""
        return [trade.paid.minor for trade in attempt.trades[:1] if trade.paid]

    @staticmethod
    def counts(back: Back) -> bool:
        return back.status in COUNTED

    @staticmethod
    def holds(claim: Claim, attempt: Attempt) -> bool:
        return claim.attempt is attempt and claim.status is not DisputeStatus.WON

    @staticmethod
    def is_of(back: Back, bill: Bill) -> bool:
        is_refund = back.row.purpose is RefundPurpose.INVOICE
        return is_refund and back.attempt.bill is bill


def comparable(rows: Iterable[Balance]) -> dict[str, int]:
    """Return the balances that the model speaks of: not those whose rounding is F1's to say."""
    found: Counter[str] = Counter()
    for row in rows:
        account = row.account.partition("/cus")[0]
        if not account.startswith(_CONVERTED):
            found[f"{row.book} {account} {row.currency}"] += row.amount_minor
    return {key: amount for key, amount in found.items() if amount}


def why_aside(attempt: Attempt, amount: int) -> CaseReason | None:
    """Return why money pays nothing, as the rules say it."""
    if attempt.trades:
        return CaseReason.SECOND_TRANSACTION
    if amount != attempt.amount:
        return CaseReason.AMOUNT_MISMATCH
    if attempt.bill.status not in PAYABLE:
        return CaseReason.INVOICE_NOT_PAYABLE
    return None if amount == attempt.bill.due else CaseReason.AMOUNT_MISMATCH
