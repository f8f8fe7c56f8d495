"""What is printed is exactly what is owed: no digit lost, no digit made."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.language import Language
from app.core.money import Currency, Money
from app.documents import formats

ZH, EN = Language.ZH_HANS_CN, Language.EN


@pytest.mark.parametrize(
    ("amount", "zh", "en"),
    [
        (Money(90_533, Currency.CNY), "¥905.33", "CN¥905.33"),
        (Money(12_641, Currency.USD), "US$126.41", "$126.41"),
        (Money(-1_405, Currency.USD), "-US$14.05", "-$14.05"),
        (Money(4_722, Currency.JPY), "JP¥4,722", "¥4,722"),
        (Money(0, Currency.EUR), "€0.00", "€0.00"),
        (Money(123_456_789, Currency.HKD), "HK$1,234,567.89", "HK$1,234,567.89"),
    ],
)
def test_money_wears_the_sign_its_reader_knows(amount: Money, zh: str, en: str) -> None:
    assert formats.money(amount, ZH) == zh
    assert formats.money(amount, EN) == en


@given(st.integers(min_value=0, max_value=2**63 - 1), st.sampled_from(Currency))
def test_printed_money_keeps_every_digit(minor: int, currency: Currency) -> None:
    printed = formats.money(Money(minor, currency), EN)

    assert int("".join(char for char in printed if char.isdigit())) == minor


def test_a_price_keeps_its_twelve_decimals() -> None:
    price = Decimal("123456789012345678.123456789012")

    assert formats.price(price, Currency.USD, EN) == "$123,456,789,012,345,678.123456789012"
    assert formats.price(Decimal("0.0000025"), Currency.USD, ZH) == "US$0.0000025"
    assert formats.price(Decimal(4), Currency.USD, EN) == "$4.00"


def test_quantities_drop_zeros_and_rates_keep_them() -> None:
    assert formats.decimal(Decimal("12345678.500")) == "12,345,678.5"
    assert formats.decimal(Decimal("1E+3")) == "1,000"
    assert formats.digits(Decimal("7.16184000")) == "7.16184000"
    assert formats.percent(80) == "0.80%"


def test_instants_are_printed_as_the_merchant_lives_them() -> None:
    late = datetime(2026, 6, 1, 16, 30, tzinfo=UTC)

    assert formats.local_date(late, "Asia/Shanghai") == "2026-06-02"
    assert formats.local_date(late, "America/New_York") == "2026-06-01"
    assert formats.local_time(late, "Asia/Shanghai", ZH) == "2026-06-02 00:30 北京时间"
    assert formats.local_time(late, "Asia/Shanghai", EN) == "2026-06-02 00:30 Beijing time (UTC+8)"
    assert formats.local_time(late, "Asia/Tokyo", ZH) == "2026-06-02 01:30 Asia/Tokyo"
