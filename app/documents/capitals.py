"""Amounts in capital Chinese numerals (大写), as printed on bills so that no digit can be altered.

Written as the People's Bank of China asks for bills and settlement vouchers: one 零 for any run
of zeros inside the number, none before 万, 亿 or 元, and 整 when there is no fen.
"""

from app.core.money import Currency, Money

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_STEPS = ((1_000, "仟"), (100, "佰"), (10, "拾"), (1, ""))
_WAN = 10_000
_YI = 100_000_000


def cny_in_capitals(amount: Money) -> str:
    """Write an amount of CNY in words: 905.33 → 人民币玖佰零伍元叁角叁分.

    A negative amount starts with 负. Raises ValueError for any other currency.
    """
    if amount.currency is not Currency.CNY:
        raise ValueError(f"capitals are written for CNY, not for {amount.currency}")
    yuan, cents = divmod(abs(amount.minor), 100)
    jiao, fen = divmod(cents, 10)
    words = "人民币负" if amount.minor < 0 else "人民币"
    if yuan or not cents:
        words += f"{_integer(yuan)}元"
    if jiao:
        words += f"{_DIGITS[jiao]}角"
    if not fen:
        return f"{words}整"
    skipped_jiao = "零" if yuan and not jiao else ""
    return f"{words}{skipped_jiao}{_DIGITS[fen]}分"


def _integer(number: int) -> str:
    """Write a number not below zero, of any size: 亿 repeats, as in 壹亿亿."""
    if number == 0:
        return "零"
    if number >= _YI:
        return _joined(number, _YI, "亿")
    if number >= _WAN:
        return _joined(number, _WAN, "万")
    return _below_ten_thousand(number)


def _joined(number: int, unit: int, name: str) -> str:
    """Write `number` as so many `unit`s and a rest, with 零 where the rest leaves a gap."""
    high, rest = divmod(number, unit)
    words = _integer(high) + name
    if rest == 0:
        return words
    gap = "零" if rest < unit // 10 else ""
    return words + gap + _integer(rest)


def _below_ten_thousand(number: int) -> str:
    words, gap = "", False
    for size, name in _STEPS:
        digit, number = divmod(number, size)
        if digit:
            words += ("零" if gap and words else "") + _DIGITS[digit] + name
        gap = digit == 0
    return words
