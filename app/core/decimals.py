"""Exact decimals: the one grammar they are read by, the one form they are written in.

A quantity or a price arrives as text, `"0.015"`, and leaves as text. JSON numbers with a point
or an exponent have been through a float, or look as if they had, and are refused.
"""

import re
from decimal import Context, Decimal, DivisionByZero, FloatOperation, Inexact, InvalidOperation

from app.core.errors import Invalid

EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, DivisionByZero, FloatOperation])
"""The context of money arithmetic: wide enough for any product of a quantity and a price.

Python's own context rounds to 28 digits without a word; this one raises where a digit would go.
"""

_UNSIGNED = re.compile(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,12})?", re.ASCII)
_WHOLE_LIMIT = 10**18


class InvalidDecimal(Invalid):
    code = "invalid_decimal"


def parse_decimal(value: object, *, path: str = "") -> Decimal:
    """Read a decimal not below zero: text of at most 18 digits and 12 decimals.

    Raises InvalidDecimal, naming `path`, on anything else: it is never rounded to fit.
    """
    if not isinstance(value, str) or not _UNSIGNED.fullmatch(value):
        raise InvalidDecimal("must be a decimal string such as “0.015”", path=path)
    return Decimal(value)


def parse_quantity(value: object, *, path: str = "") -> Decimal:
    """Read a quantity: as `parse_decimal`, but it may be negative, or a JSON integer.

    Raises InvalidDecimal, naming `path`. Who may send a negative quantity is not decided here.
    """
    if type(value) is int and abs(value) < _WHOLE_LIMIT:
        return Decimal(value)
    if isinstance(value, str) and value.startswith("-"):
        # Subtracted from zero, so that "-0" is zero and has no sign.
        return EXACT.subtract(Decimal(0), parse_decimal(value[1:], path=path))
    return parse_decimal(value, path=path)


def plain(value: Decimal) -> str:
    """Write a decimal without exponent, sign of zero or trailing zeros, and lose no digit.

    Equal decimals give equal text, so the text can be compared, hashed and shown.
    """
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
