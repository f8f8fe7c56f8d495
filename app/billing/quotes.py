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


class Quoter:
    """Quotes by the midpoints and the terms of one instant, each looked up once."""

    def __init__(self, session: Session, *, rates: RateSource, now: datetime) -> None:
        self._merchant = clocks.get_merchant(session)
        day = local_date(now, ZoneInfo(self._merchant.time_zone))
        self._terms = terms.terms_on(session, day)
        self._rates, self._now = rates, now
        self._fx: dict[Currency, FxSnapshot] = {}

    def quote(self, total: Money) -> Quote:
        """Price `total` for the session's merchant.

        Raises NoRate when a currency has no fresh midpoint.
        """
        if total.currency not in self._fx:
            self._fx[total.currency] = self._snapshot(total.currency)
        fx, settlement = self._fx[total.currency], self._merchant.settlement_currency
        amounts = _amounts(total, fx, self._terms, settlement_currency=settlement)
        return Quote(amounts, fx, self._terms)

    def _snapshot(self, currency: Currency) -> FxSnapshot:
        pricing = fresh_midpoint(self._rates, currency, at=self._now)
        settlement_currency = self._merchant.settlement_currency
        settlement = fresh_midpoint(self._rates, settlement_currency, at=self._now)
        return FxSnapshot(
            publisher=pricing.publisher,
            published_at=min(pricing.published_at, settlement.published_at),
            spread_bps=self._terms.spread_bps,
            pricing_midpoint=pricing.per_100,
            pricing_rate=_rate(pricing, self._terms),
            settlement_midpoint=settlement.per_100,
            settlement_rate=_rate(settlement, self._terms),
        )


def quote(session: Session, total: Money, *, rates: RateSource, now: datetime) -> Quote:
    """Price `total` for the session's merchant, by the midpoints and the terms of `now`.

    Raises NoRate when a currency has no fresh midpoint.
    """
    return Quoter(session, rates=rates, now=now).quote(total)


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
