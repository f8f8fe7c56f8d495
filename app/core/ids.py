"""Identifiers: a bigint inside, a prefix and base36 outside; merchants route everything else.

Rows that people name carry a 63-bit number that grows with time, made before the insert.
A merchant's number is 10 bits of cell and 43 random bits: below 2^53, printed as 11 characters.
Whatever leaves the product is written by `show` and comes back through `read`; no id ever
leaves as a number, and a text of the wrong form is simply not found.
"""

import secrets
import threading
from enum import StrEnum

from app.core import clock
from app.core.errors import NotFound

PLATFORM = 0
"""The platform itself is a merchant: its books, its jobs, its settings."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_WIDTH = 13
MERCHANT_WIDTH = 11
_RANDOM_BITS = 21
_EPOCH_MS = 1_704_067_200_000  # 2024-01-01: 42 bits of milliseconds reach the year 2163
_MERCHANT_RANDOM_BITS = 43


class Prefix(StrEnum):
    """What kind of row a public id names."""

    API_KEY = "key"
    AUDIT_ENTRY = "aud"
    BALANCE_ENTRY = "cbe"
    COMPANY = "com"
    CONTRACT = "ctr"
    COUPON = "cpn"
    CREDIT_NOTE = "cn"
    CUSTOMER = "cus"
    DEAD_EVENT = "dev"
    DISPUTE = "dp"
    DOCUMENT = "doc"
    FAPIAO_FILE = "fpf"
    FAPIAO_REQUEST = "fpr"
    INVOICE = "inv"
    INVOICE_BULK = "blk"
    INVOICE_RESEND = "rsd"
    LEDGER_TRANSACTION = "ltx"
    MAIL = "mail"
    METRIC = "mtr"
    OUTBOX = "job"
    PAYMENT_ORDER = "po"
    PRICE_REPLAY = "rpl"
    PRODUCT = "prod"
    RATE_CARD = "rc"
    RATE_CARD_VERSION = "rcv"
    REFUND = "rf"
    REMINDER = "rem"
    RUN = "run"
    TAX_RATE = "txr"
    USAGE_EVENT = "evt"
    USER = "usr"
    CASE = "case"
    WEBHOOK_ATTEMPT = "wha"
    WEBHOOK_DELIVERY = "whd"
    WEBHOOK_ENDPOINT = "whe"
    WEBHOOK_EVENT = "msg"


class _Sequence:
    """Numbers that grow with time and never repeat within this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        milliseconds = int(clock.now().timestamp() * 1000) - _EPOCH_MS
        fresh = (milliseconds << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
        with self._lock:
            self._last = max(self._last + 1, fresh)
            return self._last


_sequence = _Sequence()


def new_id() -> int:
    """Return a new 63-bit id, larger than any this process made before."""
    return _sequence.next()


def new_merchant_id(cell: int = 0) -> int:
    """Return a new merchant's id below 2^53: its cell and 43 random bits."""
    return (cell << _MERCHANT_RANDOM_BITS) | (secrets.randbits(_MERCHANT_RANDOM_BITS) or 1)


def base36(number: int, width: int) -> str:
    """Write a number not below zero as exactly `width` lower-case base36 digits."""
    digits = []
    rest = number
    for _ in range(width):
        rest, digit = divmod(rest, 36)
        digits.append(_DIGITS[digit])
    if rest or number < 0:
        raise ValueError(f"{number} does not fit {width} base36 digits")
    return "".join(reversed(digits))


def random_base62(length: int) -> str:
    """Return `length` random characters of 0-9A-Za-z, from the system's secure source."""
    rest, digits = secrets.randbelow(len(_BASE62) ** length), []
    for _ in range(length):
        rest, digit = divmod(rest, len(_BASE62))
        digits.append(_BASE62[digit])
    return "".join(digits)


def show(prefix: Prefix, number: int) -> str:
    """Write an id as everybody outside sees it: `inv_0h3k…`."""
    return f"{prefix}_{base36(number, ID_WIDTH)}"


def read(prefix: Prefix, text: str) -> int:
    """Read what `show` wrote. Raises NotFound for any other text, also one of another kind."""
    head, separator, digits = text.partition("_")
    number = _parse(digits, ID_WIDTH)
    if head != prefix or not separator or number is None or number >= 1 << 63:
        raise NotFound(f"there is no {prefix.name.lower().replace('_', ' ')} of this id")
    return number


def show_merchant(merchant_id: int) -> str:
    """Write a merchant's id as it stands inside keys, order numbers and links."""
    return base36(merchant_id, MERCHANT_WIDTH)


def find_merchant(text: str) -> int | None:
    """Read what `show_merchant` wrote, or None. A claim to be proved, never trusted by itself."""
    number = _parse(text, MERCHANT_WIDTH)
    return number if number is not None and number < 1 << 53 else None


def _parse(digits: str, width: int) -> int | None:
    if len(digits) != width or any(digit not in _DIGITS for digit in digits):
        return None
    return int(digits, 36)
