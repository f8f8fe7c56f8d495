"""What cases are written in, as the product reads it: major units, instants, bounds."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.core.decimals import EXACT
from app.core.money import Currency
from app.core.periods import Period

Fields = dict[str, Any]


def currency_of(case: Fields) -> Currency:
    """Return the case's currency, or for one we do not sell in another that has two decimals."""
    code = case["currency"]
    return Currency(code) if code in Currency.__members__ else Currency.EUR


def to_minor(amount: str, currency: Currency) -> Decimal:
    return EXACT.scaleb(Decimal(amount), currency.exponent)


def to_major(minor: Decimal, currency: Currency) -> Decimal:
    return EXACT.scaleb(minor, -currency.exponent)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def bounds(period: Period) -> Fields:
    return {"start": written(period.start_at), "end": written(period.end_at)}
