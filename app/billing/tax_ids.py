"""Tax numbers of Chinese buyers, as a fapiao carries them: their forms and their check digits.

Since 2015 a company has one number for everything, the unified social credit code of 18
characters (GB 32100-2015). Older numbers of 15, 17, 18 and 20 characters still stand on invoices
of branches, traders and people: an area code and an organisation's code, or an identity number
and a serial.
"""

import re
from collections.abc import Sequence
from datetime import date
from unicodedata import normalize

from app.core.errors import Invalid

_CREDIT_CODE_DIGITS = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # no I, O, S, V, Z: they look like digits
_CREDIT_CODE = re.compile(rf"[{_CREDIT_CODE_DIGITS}]{{2}}[0-9]{{6}}[{_CREDIT_CODE_DIGITS}]{{10}}")
_CREDIT_CODE_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_AREA_AND_ORGANISATION = re.compile(r"[1-9][0-9]{5}[0-9A-Z]{9}")
_OLD_IDENTITY = re.compile(r"[1-9][0-9]{5}(?P<born>[0-9]{6})[0-9]{3}")
_IDENTITY = re.compile(r"[1-9][0-9]{5}(?P<born>(?:19|20)[0-9]{6})[0-9]{3}[0-9X]")
_IDENTITY_DIGITS = "0123456789X"
_IDENTITY_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_TYPED_BETWEEN = re.compile(r"[\s\-\u2010-\u2015]+")
_OLD_IDENTITY_LENGTH, _IDENTITY_LENGTH = 15, 18


class InvalidTaxId(Invalid):
    code = "invalid_tax_id"


def clean_tax_id(text: str, *, path: str = "tax_id") -> str:
    """Return a tax number as it is printed: capitals, nothing between, its check digit verified.

    Spaces, hyphens, small and full-width letters are how people copy them. Raises InvalidTaxId.
    """
    number = _TYPED_BETWEEN.sub("", normalize("NFKC", text)).upper()
    if not number:
        raise InvalidTaxId("a company's fapiao needs its tax number", path=path)
    if len(number) not in _CHECKS:
        raise InvalidTaxId("a tax number has 15, 17, 18 or 20 characters", path=path)
    if not _CHECKS[len(number)](number):
        raise InvalidTaxId("this is no tax number: a digit or letter is wrong", path=path)
    return number


def is_credit_code(number: str) -> bool:
    """Tell whether this is a unified social credit code, its check character included.

    Every single wrong character is found: 31 characters, weights that 31 does not divide.
    """
    if not _CREDIT_CODE.fullmatch(number):
        return False
    *body, check = (_CREDIT_CODE_DIGITS.index(char) for char in number)
    return (_weighted(body, _CREDIT_CODE_WEIGHTS) + check) % len(_CREDIT_CODE_DIGITS) == 0


def is_identity_number(number: str) -> bool:
    """Tell whether this is an identity number of 18: a real day of birth, ISO 7064 MOD 11-2."""
    found = _IDENTITY.fullmatch(number)
    if not found or not _is_day(found["born"]):
        return False
    *body, check = (_IDENTITY_DIGITS.index(char) for char in number)
    return (_weighted(body, _IDENTITY_WEIGHTS) + check) % len(_IDENTITY_DIGITS) == 1


def _weighted(digits: Sequence[int], weights: Sequence[int]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=True))


def _is_old_identity(number: str) -> bool:
    """Tell whether this is an identity number of 15, as given out until 1999: no check digit."""
    found = _OLD_IDENTITY.fullmatch(number)
    return found is not None and _is_day(f"19{found['born']}")


def _is_area_and_organisation(number: str) -> bool:
    return bool(_AREA_AND_ORGANISATION.fullmatch(number))


def _is_old_identity_with_serial(number: str) -> bool:
    serial = number[_OLD_IDENTITY_LENGTH:]
    return _is_old_identity(number[:_OLD_IDENTITY_LENGTH]) and _is_serial(serial)


def _is_credit_code_or_identity(number: str) -> bool:
    return is_credit_code(number) or is_identity_number(number)


def _is_identity_with_serial(number: str) -> bool:
    return is_identity_number(number[:_IDENTITY_LENGTH]) and _is_serial(number[_IDENTITY_LENGTH:])


def _is_serial(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_day(text: str) -> bool:
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


_CHECKS = {
    15: _is_area_and_organisation,
    17: _is_old_identity_with_serial,
    18: _is_credit_code_or_identity,
    20: _is_identity_with_serial,
}
