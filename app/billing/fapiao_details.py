"""What people type of a fapiao, checked: the buyer's details, and the issuer's number and day."""

import re
from dataclasses import dataclass, replace
from datetime import date

from app.billing.fapiao_models import FapiaoKind, TitleType
from app.billing.tax_ids import clean_tax_id
from app.core.errors import Invalid
from app.core.text import clean_name
from app.mail.messages import parse_address

LONGEST_TITLE, LONGEST_ADDRESS, LONGEST_PHONE, LONGEST_BANK, LONGEST_NOTE = 100, 200, 40, 100, 200
"""Characters: what a fapiao has room for."""

_NUMBER = re.compile(r"[0-9]{8}|[0-9]{20}", re.ASCII)
_CODE = re.compile(r"[0-9]{10}|[0-9]{12}", re.ASCII)
_DIGITAL = 20
_FIRST_DAY = date(2000, 1, 1)


class InvalidFapiaoKind(Invalid):
    code = "invalid_fapiao_kind"


class InvalidFapiaoNumber(Invalid):
    code = "invalid_fapiao_number"


class InvalidFapiaoDate(Invalid):
    code = "invalid_fapiao_date"


@dataclass(frozen=True, slots=True)
class Details:
    """What a buyer wants on the fapiao and where it is sent. Address to account may be empty."""

    kind: FapiaoKind
    title_type: TitleType
    title: str
    tax_id: str
    email: str
    address: str = ""
    phone: str = ""
    bank: str = ""
    account: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Printed:
    """How an issued fapiao is called. A fully digital one has 20 digits and no code."""

    number: str
    issued_on: date
    code: str = ""


def checked(details: Details) -> Details:
    """Return the details as they are printed. Refusals name the field.

    Raises InvalidText, InvalidTaxId, InvalidAddress, and InvalidFapiaoKind when a person wants
    the fapiao whose tax a company deducts.
    """
    is_company = details.title_type is TitleType.COMPANY
    if details.kind is FapiaoKind.SPECIAL and not is_company:
        raise InvalidFapiaoKind("a special fapiao is for companies", path="kind")
    has_tax_id = is_company or bool(details.tax_id.strip())
    return replace(
        details,
        title=clean_name(details.title.strip(), path="title", max_length=LONGEST_TITLE),
        tax_id=clean_tax_id(details.tax_id) if has_tax_id else "",
        email=parse_address(details.email.strip(), path="email"),
        address=_optional(details.address, path="address", max_length=LONGEST_ADDRESS),
        phone=_optional(details.phone, path="phone", max_length=LONGEST_PHONE),
        bank=_optional(details.bank, path="bank", max_length=LONGEST_BANK),
        account=_optional(details.account, path="account", max_length=LONGEST_PHONE),
        note=_optional(details.note, path="note", max_length=LONGEST_NOTE),
    )


def checked_print(printed: Printed, *, today: date) -> Printed:
    """Return how the fapiao is called, spaces left out. `today` is the merchant's.

    Raises InvalidFapiaoNumber and InvalidFapiaoDate.
    """
    number, code = ("".join(text.split()) for text in (printed.number, printed.code))
    if not _NUMBER.fullmatch(number):
        raise InvalidFapiaoNumber("a fapiao's number has 20 digits, or 8", path="number")
    if code and (len(number) == _DIGITAL or not _CODE.fullmatch(code)):
        raise InvalidFapiaoNumber(
            "a code has 10 or 12 digits and stands beside a number of 8", path="code"
        )
    if not _FIRST_DAY <= printed.issued_on <= today:
        raise InvalidFapiaoDate("the day of issue is in the future, or long ago", path="issued_on")
    return replace(printed, number=number, code=code)


def _optional(text: str, *, path: str, max_length: int) -> str:
    text = text.strip()
    return clean_name(text, path=path, max_length=max_length) if text else ""
