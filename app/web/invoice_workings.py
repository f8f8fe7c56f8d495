"""The arithmetic from an invoice's total to its settlement, step by step, as it is locked."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from flask_babel import gettext as _

from app.billing.models import FxSnapshot, Invoice
from app.billing.quotes import Quote
from app.core.decimals import plain
from app.core.money import Currency, Money, round_half_up
from app.documents.formats import digits, percent
from app.fx import conversion

_EXACT_DECIMALS = 6


@dataclass(frozen=True)
class Working:
    """One line of the arithmetic: what it is, the formula, and the result."""

    label: str
    note: str
    formula: str
    result: str


@dataclass(frozen=True)
class Figures:
    """All that the arithmetic is about: of an invoice as it is, or as it would be locked now."""

    total: Money
    fx: FxSnapshot
    collection: Money
    balance: Money
    due: Money
    fee_bps: int
    fee_fixed: Money
    fee: Money
    settlement: Money

    @classmethod
    def of(cls, invoice: Invoice, fx: FxSnapshot) -> "Figures":
        return cls(
            total=invoice.total,
            fx=fx,
            collection=invoice.collection,
            balance=invoice.balance_used,
            due=invoice.due,
            fee_bps=invoice.fee_bps,
            fee_fixed=Money(invoice.fee_fixed_minor, Currency.CNY),
            fee=invoice.platform_fee,
            settlement=invoice.settlement,
        )

    @classmethod
    def quoted(cls, quote: Quote) -> "Figures":
        amounts, terms = quote.amounts, quote.terms
        return cls(
            total=amounts.total,
            fx=quote.fx,
            collection=amounts.collect,
            balance=amounts.collect - amounts.due,
            due=amounts.due,
            fee_bps=terms.fee_bps,
            fee_fixed=Money(terms.fee_fixed_minor, Currency.CNY),
            fee=amounts.platform_fee,
            settlement=amounts.settlement,
        )

    @property
    def credited(self) -> Money:
        """What credit notes took off before it was paid."""
        return self.collection - self.balance - self.due

    @property
    def net(self) -> Money:
        return self.due - self.fee


def workings(figures: Figures) -> list[Working]:
    """Return the steps from the total to the settlement."""
    pricing, settlement, fx = figures.total.currency, figures.settlement.currency, figures.fx
    steps = []
    if pricing is not Currency.CNY:
        steps += _rate_steps(pricing, fx.pricing_midpoint, fx.pricing_rate, fx=fx)
    steps += [_collected(figures), *_due(figures), _fee(figures), _net(figures)]
    if settlement not in {pricing, Currency.CNY}:
        steps += _rate_steps(settlement, fx.settlement_midpoint, fx.settlement_rate, fx=fx)
    return [*steps, _settled(figures)]


def _rate_steps(
    currency: Currency, midpoint: Decimal, rate: Decimal, *, fx: FxSnapshot
) -> list[Working]:
    shown, factor = digits(midpoint), digits(1 + Decimal(fx.spread_bps).scaleb(-4))
    per_100 = _("CNY per 100 %(currency)s", currency=currency)
    spread = _("spread %(bps)s bps", bps=fx.spread_bps)
    return [
        Working(_("Midpoint"), _("as published"), per_100, shown),
        Working(_("Locked rate"), spread, f"{shown} ÷ 100 × {factor}", _rate(rate)),
    ]


def _collected(figures: Figures) -> Working:
    source, label, result = figures.total, _("Total in CNY"), _amount(figures.collection)
    if source.currency is Currency.CNY:
        return Working(label, _("priced in CNY"), _amount(source), result)
    decimals = (source.currency.exponent, Currency.CNY.exponent)
    exact = conversion.multiplied(source.minor, figures.fx.pricing_rate, decimals=decimals)
    rate = _rate(figures.fx.pricing_rate)
    formula = f"{_amount(source)} × {rate} = {_major(exact, Currency.CNY)}"
    return Working(label, _("multiplied into CNY, rounded once"), formula, result)


def _due(figures: Figures) -> list[Working]:
    """Return what the customer's balance and credit notes leave to be paid, if they take any."""
    taken = [
        (_("Customer balance used"), figures.balance),
        (_("Credited before it was paid"), figures.credited),
    ]
    taken = [(label, amount) for label, amount in taken if amount]
    if not taken:
        return []
    less = "".join(f" − {digits(amount.major)}" for _label, amount in taken)
    formula = f"{digits(figures.collection.major)}{less}"
    return [
        *(Working(label, "", "", f"−{_amount(amount)}") for label, amount in taken),
        Working(_("Amount due"), _("what a channel collects"), formula, _amount(figures.due)),
    ]


def _fee(figures: Figures) -> Working:
    exact = figures.due.minor * Fraction(figures.fee_bps, 10_000)
    share = percent(figures.fee_bps)
    formula = f"{digits(figures.due.major)} × {share} = {_major(exact, Currency.CNY)}"
    if figures.fee_fixed:
        formula = f"{formula} + {digits(figures.fee_fixed.major)}"
    return Working(_("Platform fee"), _("rounded once"), formula, f"−{_amount(figures.fee)}")


def _net(figures: Figures) -> Working:
    formula = f"{digits(figures.due.major)} − {digits(figures.fee.major)}"
    return Working(_("Net in CNY"), "", formula, _amount(figures.net))


def _settled(figures: Figures) -> Working:
    target, label, result = (
        figures.settlement.currency,
        _("Net settlement"),
        _amount(figures.settlement),
    )
    if target is Currency.CNY:
        return Working(label, "", _amount(figures.net), result)
    decimals = (Currency.CNY.exponent, target.exponent)
    exact = conversion.divided(figures.net.minor, figures.fx.settlement_rate, decimals=decimals)
    rate = _rate(figures.fx.settlement_rate)
    formula = f"{digits(figures.net.major)} ÷ {rate} = {_major(exact, target)}"
    return Working(label, _("divided out of CNY, rounded once"), formula, result)


def _amount(money: Money) -> str:
    return f"{digits(money.major)} {money.currency}"


def _rate(rate: Decimal) -> str:
    return digits(round_half_up(rate, conversion.RATE_DECIMALS))


def _major(minor: Fraction, currency: Currency) -> str:
    """Write an amount not below zero, cut after a few digits more than it is rounded to."""
    exact = minor / 10**currency.exponent
    shown = Decimal(f"{int(exact * 10**_EXACT_DECIMALS)}E-{_EXACT_DECIMALS}")
    cut = "" if Fraction(shown) == exact else "…"
    return f"{digits(Decimal(plain(shown)))}{cut}"
