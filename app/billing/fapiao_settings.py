"""What a merchant's fapiao say was sold: read it, change it. It stands in the issuer's export."""

import re
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.audit.recording import Actor, Change, record
from app.billing.fapiao_models import FapiaoSettings
from app.core import ids
from app.core.db import merchant_of
from app.core.errors import Invalid
from app.core.text import clean_name

LONGEST_ITEM = 90
"""Characters: what the line of a fapiao has room for."""

_ITEM = re.compile(r"(\*[^*]{1,20}\*)?[^*]+")
_TAX_CODE = re.compile(r"[0-9]{19}", re.ASCII)


class InvalidFapiaoItem(Invalid):
    """The item is neither a name nor `*class*name`."""

    code = "invalid_fapiao_item"


class InvalidTaxCode(Invalid):
    """A tax classification code has 19 digits."""

    code = "invalid_tax_code"


@dataclass(frozen=True, slots=True)
class SoldAs:
    """What is sold: its class in asterisks and its name, and its classification code, or none."""

    item: str = "*信息技术服务*技术服务费"
    tax_code: str = ""


def get_sold_as(session: Session) -> SoldAs:
    """Return what the session's merchant says it sells, else the default."""
    found = session.get(FapiaoSettings, merchant_of(session))
    return SoldAs(found.item, found.tax_code) if found else SoldAs()


def set_sold_as(session: Session, sold_as: SoldAs, *, actor: Actor, now: datetime) -> SoldAs:
    """Replace it, for every export from now on. `now` is the real time.

    Raises InvalidText, InvalidFapiaoItem and InvalidTaxCode.
    """
    before, after = get_sold_as(session), _checked(sold_as)
    written = {**asdict(after), "updated_at": now}
    session.execute(
        insert(FapiaoSettings)
        .values(merchant_id=merchant_of(session), **written)
        .on_conflict_do_update(index_elements=["merchant_id"], set_=written)
    )
    record(
        session,
        actor,
        "fapiao_settings.changed",
        subject=ids.show_merchant(merchant_of(session)),
        change=Change(asdict(before), asdict(after)),
        now=now,
    )
    return after


def _checked(sold_as: SoldAs) -> SoldAs:
    item = clean_name(sold_as.item.strip(), path="item", max_length=LONGEST_ITEM)
    if not _ITEM.fullmatch(item):
        raise InvalidFapiaoItem("must be a name, or *class*name", path="item")
    tax_code = "".join(sold_as.tax_code.split())
    if tax_code and not _TAX_CODE.fullmatch(tax_code):
        raise InvalidTaxCode("must have 19 digits", path="tax_code")
    return SoldAs(item, tax_code)
