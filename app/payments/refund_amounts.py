"""The arithmetic of refunds: parts by cumulative proportion, so that all of them restore zero.

Sources: billing-rules §10 and §14.1 (F1); the cash part under a channel's coupon is WeChat Pay's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from app.billing.models import Invoice
from app.core.errors import Conflict, Invalid
from app.core.money import Currency, Money


class RefundTooLarge(Conflict):
    """More than is left of the payment."""

    code = "refund_too_large"


class BadRefund(Invalid):
    code = "invalid_refund"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a payment, or all of it: the payer's CNY and what is within it.

    `tax` and our `fee` are in CNY, `settlement` is the merchant's, in his settlement currency.
    """

    amount: Money
    tax: Money
    fee: Money
    settlement: Money

    @property
    def net(self) -> Money:
        return self.amount - self.fee


def left_to_refund(invoice: Invoice) -> Money:
    """Return what of a paid invoice's money may still go back, in CNY.

    Not what a credit note gave to the customer's balance; what the balance had paid went back
    there first.
    """
    unpaid_by_credit = invoice.collection - invoice.credited
    return min(invoice.due, unpaid_by_credit) - Money(invoice.claimed_minor, Currency.CNY)


def total_of(parts: Iterable[Part], like: Part) -> Part:
    """Add parts up, in the currencies of `like`."""
    zero = Money.zero(like.amount.currency)
    total = Part(zero, zero, zero, Money.zero(like.settlement.currency))
    for part in parts:
        total = Part(
            total.amount + part.amount,
            total.tax + part.tax,
            total.fee + part.fee,
            total.settlement + part.settlement,
        )
    return total


def next_part(whole: Part, given: Part, amount: Money, *, fee_is_returned: bool) -> Part:
    """Return the part of `whole` that follows `given` and pays back `amount` of it.

    Each number is what is reached by then less what was given, never below zero, so the parts of
    a whole payment add up to it, also when one of them failed in between. A fee that is kept is
    the merchant's loss: he gives the settlement of all that the payer gets.
    """
    reached = Fraction((given.amount + amount).minor, whole.amount.minor)
    base = whole.amount if fee_is_returned else whole.net
    settled = Fraction((given.amount + amount).minor, base.minor)
    none = Money.zero(whole.fee.currency)
    return Part(
        amount,
        _step(whole.tax, given.tax, upto=reached),
        _step(whole.fee, given.fee, upto=reached) if fee_is_returned else none,
        _step(whole.settlement, given.settlement, upto=settled),
    )


def amount_to_refund(asked: Money | None, *, left: Money) -> Money:
    """Return what goes back: everything that is left where nothing was named.

    Raises BadRefund for nothing or less, RefundTooLarge.
    """
    amount = left if asked is None else asked
    if not left.minor:
        raise RefundTooLarge("all of this payment has gone back already")
    if amount.minor <= 0:
        raise BadRefund("a refund is more than zero", path="amountMinor")
    if amount > left:
        raise RefundTooLarge(f"{left} is left to refund")
    return amount


def check_lines(amount: Money, of_lines: Sequence[Money]) -> None:
    """Check that what a refund says of lines adds up to it. Raises BadRefund."""
    if sum((part.minor for part in of_lines), 0) != amount.minor:
        raise BadRefund(f"the lines do not add up to {amount}", path="lines")


def cash_part(refund: Money, *, order: Money, cash: Money) -> Money:
    """Return what the payer himself gets where a channel's coupon paid a part of the order."""
    return Money.rounded(Fraction(refund.minor * cash.minor, order.minor), refund.currency)


def _step(whole: Money, given: Money, *, upto: Fraction) -> Money:
    reached = Money.rounded(whole.minor * upto, whole.currency)
    return max(reached - given, Money.zero(whole.currency))
