"""What an amount comes to now: collected in CNY, our fee, settled; by today's rates and terms."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.billing.amounts import (
    NO_BALANCE,
    InvoiceAmounts,
    LockedRates,
    PlatformFee,
    invoice_amounts,
)
from app.billing.models import FxSnapshot
from app.core.money import Currency, Money
from app.core.periods import local_date
from app.fx.conversion import CNY_RATE, locked_rate
from app.fx.rates import Midpoint, RateSource, fresh_midpoint
from app.identity import clocks, terms
from app.identity.models import PlatformTerms


@dataclass(frozen=True, slots=True)
class Quote:
    """The amounts, and the rates and terms they came from: what an invoice locks."""

    amounts: InvoiceAmounts
    fx: FxSnapshot
    terms: PlatformTerms

    def less(self, balance: Money) -> "Quote":
        """Return the quote with `balance` of what is collected paid by the customer's balance."""
        amounts = _amounts(
            self.amounts.total,
            self.fx,
            self.terms,
            settlement_currency=self.amounts.settlement.currency,
            balance=balance,
        )
        return replace(self, amounts=amounts)


def quote(session: Session, total: Money, *, rates: RateSource, now: datetime) -> Quote:
    """Price `total` for the session's merchant, by the midpoints and the terms of `now`.

    Raises NoRate when a currency has no fresh midpoint.
    """
    merchant = clocks.get_merchant(session)
    in_force = terms.terms_on(session, local_date(now, ZoneInfo(merchant.time_zone)))
    pricing = fresh_midpoint(rates, total.currency, at=now)
    settlement = fresh_midpoint(rates, merchant.settlement_currency, at=now)
    fx = FxSnapshot(
        publisher=pricing.publisher,
        published_at=min(pricing.published_at, settlement.published_at),
        spread_bps=in_force.spread_bps,
        pricing_midpoint=pricing.per_100,
        pricing_rate=_rate(pricing, in_force),
        settlement_midpoint=settlement.per_100,
        settlement_rate=_rate(settlement, in_force),
    )
    amounts = _amounts(total, fx, in_force, settlement_currency=merchant.settlement_currency)
    return Quote(amounts, fx, in_force)


def _amounts(
    total: Money,
    fx: FxSnapshot,
    in_force: PlatformTerms,
    *,
    settlement_currency: Currency,
    balance: Money = NO_BALANCE,
) -> InvoiceAmounts:
    return invoice_amounts(
        total,
        LockedRates(fx.pricing_rate, fx.settlement_rate),
        PlatformFee(in_force.fee_bps, in_force.fee_fixed_minor),
        settlement_currency=settlement_currency,
        balance=balance,
    )


def _rate(midpoint: Midpoint, in_force: PlatformTerms) -> Decimal:
    if midpoint.currency is Currency.CNY:
        return CNY_RATE
    return locked_rate(midpoint.per_100, in_force.spread_bps)
