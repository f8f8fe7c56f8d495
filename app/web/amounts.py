"""Amounts as people type and read them: major units, as decimals."""

from app.core.decimals import EXACT, InvalidDecimal, parse_decimal, plain
from app.core.errors import Invalid
from app.core.money import Currency, Money


class InvalidAmount(Invalid):
    code = "invalid_amount"


def read_amount(text: str, currency: Currency, *, path: str) -> Money:
    """Read `12.50` as money; one sign in front is allowed. Raises InvalidAmount."""
    typed = text.strip().replace(",", "").replace("−", "-")
    sign = -1 if typed.startswith("-") else 1
    try:
        minor = EXACT.scaleb(parse_decimal(typed.removeprefix("-")), currency.exponent)
    except InvalidDecimal:
        raise InvalidAmount("must be an amount such as 12.50", path=path) from None
    if minor != minor.to_integral_value():
        raise InvalidAmount(f"has more decimals than {currency} has", path=path)
    return Money(sign * int(minor), currency)


def grouped(amount: Money) -> str:
    """Write an amount for a sentence: 12,641.00 USD."""
    return f"{amount.major:,} {amount.currency}".replace("-", "−")


def to_minor_text(text: str, currency: Currency) -> str:
    """Write a price of major units as typed in minor units; what is no decimal stays as it is."""
    try:
        return plain(EXACT.scaleb(parse_decimal(text.strip()), currency.exponent))
    except InvalidDecimal:
        return text


def to_major_text(minor: str, currency: Currency) -> str:
    """Write a price of minor units in major ones."""
    return plain(EXACT.scaleb(parse_decimal(minor), -currency.exponent))
