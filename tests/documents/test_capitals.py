"""An amount in capitals says exactly the amount, as the bank's rules write it."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.money import Currency, Money
from app.documents.capitals import cny_in_capitals

DIGITS = "零壹贰叁肆伍陆柒捌玖"
UNITS = {"拾": 10, "佰": 100, "仟": 1_000}


def in_capitals(minor: int) -> str:
    return cny_in_capitals(Money(minor, Currency.CNY))


@pytest.mark.parametrize(
    ("minor", "words"),
    [
        (90_533, "人民币玖佰零伍元叁角叁分"),
        (14_900, "人民币壹佰肆拾玖元整"),
        (0, "人民币零元整"),
        (5, "人民币伍分"),
        (50, "人民币伍角整"),
        (55, "人民币伍角伍分"),
        (1_000, "人民币壹拾元整"),
        (1_005, "人民币壹拾元零伍分"),
        (32_504, "人民币叁佰贰拾伍元零肆分"),
        (100_000, "人民币壹仟元整"),
        (100_100, "人民币壹仟零壹元整"),
        (600_714, "人民币陆仟零柒元壹角肆分"),
        (1_640_902, "人民币壹万陆仟肆佰零玖元零贰分"),
        (10_700_053, "人民币壹拾万柒仟元伍角叁分"),
        (100_001_000, "人民币壹佰万零壹拾元整"),
        (10_000_000_100, "人民币壹亿零壹元整"),
        (10_000_100_000, "人民币壹亿零壹仟元整"),
        (10_010_000_000, "人民币壹亿零壹拾万元整"),
        (11_000_000_000, "人民币壹亿壹仟万元整"),
        (100_000_000_000_000, "人民币壹万亿元整"),
        (-71_618, "人民币负柒佰壹拾陆元壹角捌分"),
    ],
)
def test_an_amount_is_written_as_on_a_bank_bill(minor: int, words: str) -> None:
    assert in_capitals(minor) == words


def test_only_yuan_are_written_in_capitals() -> None:
    with pytest.raises(ValueError, match="not for USD"):
        cny_in_capitals(Money(1, Currency.USD))


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
@example(10**16 * 100)
def test_the_words_read_back_as_the_same_amount(minor: int) -> None:
    assert read(in_capitals(minor)) == minor


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_zeros_are_said_once_and_never_before_a_large_unit(minor: int) -> None:
    words = in_capitals(minor)

    assert "零零" not in words
    assert not re.search(r"零[万亿角分整]", words)
    assert "零元" not in words or words == "人民币零元整"
    assert words.endswith(("分", "整"))


def read(words: str) -> int:
    """Read capitals back the way a person does: left to right, multiplying at 万 and 亿."""
    sign = -1 if "负" in words else 1
    rest = words.removeprefix("人民币").removeprefix("负").removesuffix("整")
    yuan, separator, cents = rest.rpartition("元")
    if not separator:
        yuan, cents = "零", rest
    jiao = re.search(r"(.)角", cents)
    fen = re.search(r"(.)分", cents)
    minor = sum(
        size * DIGITS.index(found[1]) for size, found in ((10, jiao), (1, fen)) if found is not None
    )
    return sign * (read_integer(yuan) * 100 + minor)


def read_integer(words: str) -> int:
    for name, unit in (("亿", 10**8), ("万", 10**4)):
        high, separator, low = words.rpartition(name)
        if separator:
            return read_integer(high) * unit + read_integer(low)
    total, digit = 0, 0
    for char in words:
        if char in UNITS:
            total, digit = total + digit * UNITS[char], 0
        else:
            digit = DIGITS.index(char)
    return total + digit
