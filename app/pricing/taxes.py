"""Tax rates: what a merchant's invoices show as tax. The tax is the merchant's; we only write it.

A line is under the rate of its customer, else of its product, else the merchant's default, else
under none. A rate that is archived is given to nobody any more; what has it, keeps it.
"""

import re
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.audit.recording import Actor, Change, record
from app.core import db
from app.core.decimals import plain
from app.core.errors import Conflict, Invalid
from app.core.ids import Prefix, show
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.core.text import clean_code, clean_name
from app.identity import clocks
from app.pricing.models import CatalogEvent, CatalogStatus, Product, TaxRate, moved
from app.pricing.taxing import Tax

_PERCENT = re.compile(r"(0|[1-9][0-9]{0,2})(\.[0-9]{1,4})?", re.ASCII)


class InvalidTaxRate(Invalid):
    code = "invalid_tax_rate"


class TaxRateCodeTaken(Conflict):
    code = "tax_rate_code_taken"


class TaxRateArchived(Conflict):
    code = "tax_rate_archived"


class TaxRateIsDefault(Conflict):
    code = "tax_rate_is_default"


def create_tax_rate(  # all that a rate is, each given by its name
    session: Session,
    *,
    code: str,
    name: str,
    percent: str,
    is_inclusive: bool,
    actor: Actor,
    now: datetime,
) -> TaxRate:
    """Add a rate; its percent, at most 100 with four decimals, never changes.

    Raises Invalid and TaxRateCodeTaken.
    """
    statement = insert(TaxRate).values(
        merchant_id=db.merchant_of(session),
        code=clean_code(code, path="code"),
        name=clean_name(name, path="name"),
        percent=_percent(percent),
        is_inclusive=is_inclusive,
        created_at=now,
    )
    free = statement.on_conflict_do_nothing(index_elements=["merchant_id", "code"])
    rate: TaxRate | None = session.scalar(free.returning(TaxRate))
    if rate is None:
        raise TaxRateCodeTaken(f"there is a tax rate {code} already", path="code")
    said = {"code": rate.code, "name": rate.name, "percent": plain(rate.percent)}
    change = Change({}, said | {"is_inclusive": rate.is_inclusive})
    record(session, actor, "tax_rate.created", subject=_subject(rate), change=change, now=now)
    return rate


def get_tax_rate(session: Session, tax_rate_id: int) -> TaxRate:
    """Return the tax rate. Raises NotFound."""
    return db.get(session, TaxRate, tax_rate_id, noun="tax rate")


def list_tax_rates(
    session: Session,
    *,
    status: CatalogStatus | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[TaxRate]:
    """Return tax rates, newest first. Raises Invalid."""
    statement = select(TaxRate)
    if status:
        statement = statement.where(TaxRate.status == status)
    return newest_first(session, statement, TaxRate.id, cursor=cursor, limit=limit)


def rename_tax_rate(
    session: Session, tax_rate_id: int, *, name: str, actor: Actor, now: datetime
) -> TaxRate:
    """Change what bills call the rate from now on. Raises NotFound and Invalid."""
    rate = _lock(session, tax_rate_id)
    change = Change({"name": rate.name}, {"name": clean_name(name, path="name")})
    rate.name = name
    record(session, actor, "tax_rate.renamed", subject=_subject(rate), change=change, now=now)
    return rate


def archive_tax_rate(session: Session, tax_rate_id: int, *, actor: Actor, now: datetime) -> TaxRate:
    """Give the rate to nobody any more; who has it, keeps it. Doing it twice changes nothing.

    Raises NotFound, and TaxRateIsDefault while it is the default.
    """
    rate = _lock(session, tax_rate_id)
    if rate.is_default:
        raise TaxRateIsDefault("make another rate the default first, or none")
    change = _move(rate, CatalogEvent.ARCHIVE)
    record(session, actor, "tax_rate.archived", subject=_subject(rate), change=change, now=now)
    return rate


def restore_tax_rate(session: Session, tax_rate_id: int, *, actor: Actor, now: datetime) -> TaxRate:
    """Let the rate be given again. Doing it twice changes nothing. Raises NotFound."""
    rate = _lock(session, tax_rate_id)
    change = _move(rate, CatalogEvent.RESTORE)
    record(session, actor, "tax_rate.restored", subject=_subject(rate), change=change, now=now)
    return rate


def set_default(session: Session, tax_rate_id: int, *, actor: Actor, now: datetime) -> TaxRate:
    """Make the rate what is charged where no other is set, in the place of another.

    Locks the merchant, so that of two defaults at once one comes after the other. Raises NotFound
    and TaxRateArchived.
    """
    clocks.lock_merchant(session)
    rate = lock_active(session, tax_rate_id)
    before_id = session.scalar(select(TaxRate.id).where(TaxRate.is_default))
    if before_id is not None and before_id != rate.id:
        _lock(session, before_id).is_default = False
        session.flush()  # at most one may be the default, also for an instant
    rate.is_default = True
    change = Change({"default": _shown(before_id)}, {"default": _shown(rate.id)})
    record(session, actor, "tax_rate.default_set", subject=_subject(rate), change=change, now=now)
    return rate


def clear_default(session: Session, tax_rate_id: int, *, actor: Actor, now: datetime) -> TaxRate:
    """Charge nothing where no rate is set. When it is not the default, nothing changes.

    Raises NotFound.
    """
    rate = _lock(session, tax_rate_id)
    before = rate.id if rate.is_default else None
    rate.is_default = False
    change = Change({"default": _shown(before)}, {"default": None})
    record(
        session, actor, "tax_rate.default_cleared", subject=_subject(rate), change=change, now=now
    )
    return rate


def set_product_tax(
    session: Session, product_id: int, tax_rate_id: int | None, *, actor: Actor, now: datetime
) -> Product:
    """Put a product under a rate, or with None under the default. Raises NotFound, TaxRateArchived.

    Locks the rate, then the product. It holds for every invoice that is finalised from now on.
    """
    if tax_rate_id is not None:
        lock_active(session, tax_rate_id)
    product = db.get_locked(session, Product, product_id, noun="product")
    before, product.tax_rate_id = product.tax_rate_id, tax_rate_id
    subject = show(Prefix.PRODUCT, product.id)
    change = Change({"tax_rate": _shown(before)}, {"tax_rate": _shown(tax_rate_id)})
    record(session, actor, "product.tax_changed", subject=subject, change=change, now=now)
    return product


def lock_active(session: Session, tax_rate_id: int) -> TaxRate:
    """Lock a rate that may be given to somebody. Raises NotFound and TaxRateArchived."""
    rate = _lock(session, tax_rate_id)
    if rate.status is CatalogStatus.ARCHIVED:
        raise TaxRateArchived(f"{rate.code} is archived", path="tax_rate_id")
    return rate


def tax_of(
    session: Session, *, customer_rate_id: int | None, is_exempt: bool, product_rate_id: int | None
) -> Tax | None:
    """Return the tax of a line by whom and what it is for, None when there is none on it."""
    if is_exempt:
        return None
    wanted = customer_rate_id if customer_rate_id is not None else product_rate_id
    is_wanted = TaxRate.is_default if wanted is None else TaxRate.id == wanted
    rate = session.scalars(select(TaxRate).where(is_wanted)).one_or_none()
    return None if rate is None else Tax(rate.percent, rate.is_inclusive)


def _lock(session: Session, tax_rate_id: int) -> TaxRate:
    return db.get_locked(session, TaxRate, tax_rate_id, noun="tax rate")


def _move(rate: TaxRate, event: CatalogEvent) -> Change:
    before, rate.status = rate.status, moved(rate.status, event)
    return Change({"status": before.value}, {"status": rate.status.value})


def _subject(rate: TaxRate) -> str:
    return show(Prefix.TAX_RATE, rate.id)


def _shown(tax_rate_id: int | None) -> str | None:
    return None if tax_rate_id is None else show(Prefix.TAX_RATE, tax_rate_id)


def _percent(text: str) -> Decimal:
    if not _PERCENT.fullmatch(text) or Decimal(text) > 100:  # noqa: PLR2004  # all of it
        raise InvalidTaxRate("must be from 0 to 100, with at most four decimals", path="percent")
    return Decimal(text)
