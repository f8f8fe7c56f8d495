"""How amounts, quantities and instants read on paper. Exact: nothing here rounds."""

from datetime import datetime
from decimal import Decimal, localcontext
from zoneinfo import ZoneInfo

from babel.numbers import format_currency

from app.core.decimals import EXACT, plain
from app.core.language import Language
from app.core.money import Currency, Money

_BEIJING = {Language.ZH_HANS_CN: "北京时间", Language.EN: "Beijing time (UTC+8)"}


def money(amount: Money, language: Language) -> str:
    """Print an amount with the sign its readers know: ¥905.33 and US$126.41, or CN¥ and $."""
    return format_currency(amount.major, amount.currency, locale=language)


def price(major: Decimal, currency: Currency, language: Language) -> str:
    """Print a price in major units with every digit it has: US$0.0000025, US$4.00."""
    with localcontext(EXACT):  # Babel strips zeros by arithmetic, which else stops at 28 digits
        return format_currency(major, currency, locale=language, decimal_quantization=False)


def decimal(value: Decimal) -> str:
    """Print every digit that counts, grouped by thousands: 12,345,678.5."""
    return digits(Decimal(plain(value)))


def digits(value: Decimal) -> str:
    """Print a number with the decimals it was given, also zeros: a rate of 7.16184000."""
    return f"{value:,f}"


def percent(basis_points: int) -> str:
    """Print basis points as a percentage with two decimals: 80 → 0.80%."""
    return f"{Decimal(basis_points).scaleb(-2):.2f}%"


def local_date(moment: datetime, zone: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).date().isoformat()


def local_time(moment: datetime, zone: str, language: Language) -> str:
    """Print the minute and its zone by name, because CST alone is four zones."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone_name(zone, language)}"


def zone_name(zone: str, language: Language) -> str:
    """Call China's one zone as everybody there does, and any other by its own name."""
    return _BEIJING[language] if zone == "Asia/Shanghai" else zone
