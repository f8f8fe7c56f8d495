"""The number an order goes by at a channel: it says whose order it is, and nobody can guess it.

`<11 of the merchant><13 of 63 random bits><check digit>` in `[0-9a-z]`. It is the only handle on
a callback, which comes without a tenant. The check digit (ISO 7064, MOD 37,36) is against typing
errors; that a stranger did not make the number up is what the channel's signature proves.
"""

import secrets

from app.core import ids

_NONCE_BITS = 63
_NONCE_WIDTH = 13
_LENGTH = ids.MERCHANT_WIDTH + _NONCE_WIDTH + 1
_BASE = 36


def new_trade_no(merchant_id: int) -> str:
    """Return a new order number of 25 characters, which carries its merchant."""
    nonce = ids.base36(secrets.randbits(_NONCE_BITS), _NONCE_WIDTH)
    body = ids.show_merchant(merchant_id) + nonce
    return body + check_digit(body)


def merchant_of_trade_no(text: str) -> int | None:
    """Return the merchant that a number of ours names, or None when it is no number of ours."""
    merchant_id = ids.find_merchant(text[: ids.MERCHANT_WIDTH])
    is_ours = len(text) == _LENGTH and text.isascii() and text.isalnum() and text == text.lower()
    if merchant_id is None or not is_ours or text[-1] != check_digit(text[:-1]):
        return None
    return merchant_id


def check_digit(body: str) -> str:
    """Return the digit that tells every single typing error and nearly every swap."""
    product = _BASE
    for digit in body:
        product = ((product + int(digit, _BASE)) % _BASE or _BASE) * 2 % (_BASE + 1)
    return ids.base36((_BASE + 1 - product) % _BASE, 1)
