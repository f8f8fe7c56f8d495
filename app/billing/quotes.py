"""What an amount comes to now: collected in CNY, our fee, settled; by today's rates and terms."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.billing.amounts import InvoiceAmounts, LockedRates, PlatformFee, invoice_amounts
from app.core.money import Currency, Money
from app.core.periods import local_date
from app.fx.conversion import CNY_RATE, locked_rate
from app.fx.rates import Midpoint, RateSource
from app.identity import clocks, terms
from app.identity.models import PlatformTerms


@dataclass(frozen=True, slots=True)
class Quote:
    """The four amounts, and everything they came from: what an invoice locks."""

    amounts: InvoiceAmounts
    rates: LockedRates
    pricing: Midpoint
    settlement: Midpoint
    terms: PlatformTerms

    @property
    def published_at(self) -> datetime:
        """The older of the two midpoints' times: nothing in the quote is older."""
        return min(self.pricing.published_at, self.settlement.published_at)


def quote(session: Session, subtotal: Money, *, rates: RateSource, now: datetime) -> Quote:
    """Price `subtotal` for the session's merchant, by the midpoints and the terms of `now`.

    Raises NoRate when a currency has no fresh midpoint.
    """
    merchant = clocks.get_merchant(session)
    in_force = terms.terms_on(session, local_date(now, ZoneInfo(merchant.time_zone)))
    pricing = rates.midpoint(subtotal.currency, at=now)
    settlement = rates.midpoint(merchant.settlement_currency, at=now)
    locked = LockedRates(_rate(pricing, in_force), _rate(settlement, in_force))
    amounts = invoice_amounts(
        subtotal,
        locked,
        PlatformFee(in_force.fee_bps, in_force.fee_fixed_minor),
        settlement_currency=merchant.settlement_currency,
    )
    return Quote(amounts, locked, pricing, settlement, in_force)


def _rate(midpoint: Midpoint, in_force: PlatformTerms) -> Decimal:
    if midpoint.currency is Currency.CNY:
        return CNY_RATE
    return locked_rate(midpoint.per_100, in_force.spread_bps)
