"""The arithmetic of giving back: shares of what is left, so that all of it leaves exactly zero."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from app.billing.proration import Days, prorate, share
from app.core.errors import Conflict, Invalid
from app.core.money import Money, round_half_up


class CreditTooLarge(Conflict):
    """More than is left to credit of the invoice, or of the line that `path` names."""

    code = "credit_too_large"


class BadCredit(Invalid):
    code = "invalid_credit"


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left to credit of a line: its amount, its share of the coupons, its tax.

    An inclusive tax is a part of the amount, any other comes on top. All is below zero on a line
    that takes back what an earlier invoice charged.
    """

    position: int
    description: str
    amount: Money
    discount: Money
    tax: Money
    tax_percent: Decimal | None
    is_inclusive: bool

    @property
    def total(self) -> Money:
        base = self.amount - self.discount
        return base if self.is_inclusive else base + self.tax

    @property
    def net(self) -> Money:
        """What it comes to without tax."""
        return self.total - self.tax


def take_amount(rest: Rest, amount: Money) -> Rest:
    """Return the part of `rest` that credits `amount` of the line, before coupons and tax.

    Coupons and tax follow in proportion. Raises CreditTooLarge.
    """
    if amount > rest.amount:
        raise CreditTooLarge(f"{rest.amount} is left of “{rest.description}”")
    part = Fraction(amount.minor, rest.amount.minor)
    discount, tax = prorate(rest.discount, part), prorate(rest.tax, part)
    return replace(rest, amount=amount, discount=discount, tax=tax)


def take_total(rests: Sequence[Rest], total: Money) -> list[Rest]:
    """Return parts of the lines that come to exactly `total`, tax included.

    Each line gives by what is left of it. All that is left takes every line whole, also those
    below zero. Raises CreditTooLarge.
    """
    left = total_of(rests, total)
    if total > left:
        raise CreditTooLarge(f"{left} is left to credit")
    if total == left:
        return [rest for rest in rests if rest.amount]
    giving = [rest for rest in rests if rest.total.minor > 0]
    shares = total.allocate([rest.total.minor for rest in giving])
    taken = [_take_line_total(rest, part) for rest, part in zip(giving, shares, strict=True)]
    return [rest for rest in taken if rest.total]


def total_of(rests: Iterable[Rest], like: Money) -> Money:
    """Add up what lines come to with tax, in the currency of `like`."""
    return sum((rest.total for rest in rests), Money.zero(like.currency))


def tax_of(rests: Iterable[Rest], like: Money) -> Money:
    """Add up the tax of lines, in the currency of `like`."""
    return sum((rest.tax for rest in rests), Money.zero(like.currency))


def cumulative_part(whole: Money, *, before: int, after: int, of: int) -> Money:
    """Return what of `whole` belongs to the step from `before` to `after`, both out of `of`.

    Steps from 0 to `of` always add up to `whole`, in whatever pieces they are made.
    """
    upto = (round_half_up(Fraction(whole.minor * done, of)) for done in (before, after))
    start, end = upto
    return Money(int(end - start), whole.currency)


def last_step(whole: Money, *, upto: Money, of: int) -> int:
    """Return how far of `of` steps may go for their cumulative parts to stay within `upto`."""
    if upto.minor >= whole.minor:
        return of
    # The first step that rounds to a unit more is at half a unit more.
    return math.ceil(Fraction((2 * upto.minor + 1) * of, 2 * whole.minor)) - 1


def use_balances(due: Money, balances: Sequence[Money]) -> list[Money]:
    """Return how much of each balance, the oldest first, is used to pay `due`."""
    used = []
    for balance in balances:
        used.append(min(balance, due))
        due -= used[-1]
    return used


def split_termination(creditable: Money, *, paid: Money, used: Money) -> tuple[Money, Money]:
    """Split what an ended subscription gives back: refunded is what was paid and not used.

    Returns the refund and what goes to the customer's balance.
    """
    refund = min(creditable, max(paid - used, Money.zero(paid.currency)))
    return refund, creditable - refund


def capped_credit(potential: Money, *, paid: Money, credited: Money) -> Money:
    """Return the credit, never more than what was paid less what was credited; never below zero."""
    zero = Money.zero(paid.currency)
    return max(zero, min(potential, paid - credited))


def unused_credit(
    amount: Money, period: Days, *, cancelled_on: date, cancel_day_is_used: bool = True
) -> Money:
    """Return what of a period's fee is not used when it is cancelled on a local day."""
    first = cancelled_on.toordinal() + cancel_day_is_used
    left = Days(date.fromordinal(first), period.end)
    return prorate(amount, share(left, of=period))


def _take_line_total(rest: Rest, total: Money) -> Rest:
    part = Fraction(total.minor, rest.total.minor)
    discount, tax = prorate(rest.discount, part), prorate(rest.tax, part)
    amount = total + discount if rest.is_inclusive else total + discount - tax
    return replace(rest, amount=amount, discount=discount, tax=tax)
