"""Coupons: made once, given to many contracts. What one gives never changes, only its name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.audit.recording import Actor, Change, record
from app.core import db
from app.core.decimals import plain
from app.core.errors import Conflict, Invalid
from app.core.ids import Prefix, show
from app.core.money import Currency
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.core.text import InvalidCode, clean_name, matches
from app.pricing import queries
from app.pricing.discounts import Duration
from app.pricing.models import CatalogEvent, CatalogStatus, Coupon, Product, moved

MAX_MONTHS = 120
MAX_AMOUNT = 10**13
"""Minor units: as much as a line may come to."""
MAX_COUNT = 10**9
MAX_CODES = 100
"""How many products or metrics one coupon may name."""

_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,39}", re.ASCII)
_PERCENT = re.compile(r"(0|[1-9][0-9]{0,2})(\.[0-9]{1,2})?", re.ASCII)


class InvalidCoupon(Invalid):
    code = "invalid_coupon"


class CouponCodeTaken(Conflict):
    code = "coupon_code_taken"


@dataclass(frozen=True, slots=True)
class Benefit:
    """What a coupon gives, as it is asked for: a percent as text, or an amount in minor units.

    `currency` is that of the amount and of the minimum, and None without either.
    """

    percent: str | None = None
    amount_minor: int | None = None
    currency: Currency | None = None
    minimum_minor: int | None = None
    duration: Duration = Duration.ONCE
    months: int | None = None
    product_codes: Sequence[str] = ()
    metric_codes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """By when, how often and by whom a coupon may be redeemed, as it is asked for."""

    redeem_by: date | None = None
    max_redemptions: int | None = None
    max_per_customer: int | None = None
    is_for_new_customers: bool = False


def create_coupon(
    session: Session,
    *,
    code: str,
    name: str,
    benefit: Benefit,
    bounds: Bounds,
    actor: Actor,
    now: datetime,
) -> Coupon:
    """Add a coupon; its code is kept in capitals. Raises Invalid and CouponCodeTaken."""
    statement = insert(Coupon).values(
        merchant_id=db.merchant_of(session),
        code=_clean_code(code),
        name=clean_name(name, path="name"),
        **_reduction(benefit),
        **_coverage(session, benefit),
        **_limits(bounds),
        created_at=now,
    )
    free = statement.on_conflict_do_nothing(index_elements=["merchant_id", "code"])
    coupon: Coupon | None = session.scalar(free.returning(Coupon))
    if coupon is None:
        raise CouponCodeTaken(f"there is a coupon {code.upper()} already", path="code")
    record(
        session,
        actor,
        "coupon.created",
        subject=_subject(coupon),
        change=Change({}, _told(coupon)),
        now=now,
    )
    return coupon


def get_coupon(session: Session, coupon_id: int) -> Coupon:
    """Return the coupon. Raises NotFound."""
    return db.get(session, Coupon, coupon_id, noun="coupon")


def lock_coupon(session: Session, coupon_id: int) -> Coupon:
    """Lock the coupon, so that nobody else can redeem it meanwhile. Raises NotFound."""
    return db.get_locked(session, Coupon, coupon_id, noun="coupon")


def list_coupons(
    session: Session,
    *,
    status: CatalogStatus | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Coupon]:
    """Return coupons, newest first; `q` is a part of the code or the name. Raises Invalid."""
    statement = select(Coupon)
    if status:
        statement = statement.where(Coupon.status == status)
    if q:
        statement = statement.where(matches(q, Coupon.code, Coupon.name))
    return newest_first(session, statement, Coupon.id, cursor=cursor, limit=limit)


def rename_coupon(
    session: Session, coupon_id: int, *, name: str, actor: Actor, now: datetime
) -> Coupon:
    """Change what bills call the coupon. Raises NotFound and Invalid."""
    coupon = lock_coupon(session, coupon_id)
    change = Change({"name": coupon.name}, {"name": clean_name(name, path="name")})
    coupon.name = name
    record(session, actor, "coupon.renamed", subject=_subject(coupon), change=change, now=now)
    return coupon


def archive_coupon(session: Session, coupon_id: int, *, actor: Actor, now: datetime) -> Coupon:
    """Attach the coupon to no more contracts; those that have it keep it.

    Doing it twice changes nothing. Raises NotFound.
    """
    coupon = lock_coupon(session, coupon_id)
    change = _move(coupon, CatalogEvent.ARCHIVE)
    record(session, actor, "coupon.archived", subject=_subject(coupon), change=change, now=now)
    return coupon


def restore_coupon(session: Session, coupon_id: int, *, actor: Actor, now: datetime) -> Coupon:
    """Let the coupon be attached again. Doing it twice changes nothing. Raises NotFound."""
    coupon = lock_coupon(session, coupon_id)
    change = _move(coupon, CatalogEvent.RESTORE)
    record(session, actor, "coupon.restored", subject=_subject(coupon), change=change, now=now)
    return coupon


def _move(coupon: Coupon, event: CatalogEvent) -> Change:
    before, coupon.status = coupon.status, moved(coupon.status, event)
    return Change({"status": before.value}, {"status": coupon.status.value})


def _subject(coupon: Coupon) -> str:
    return show(Prefix.COUPON, coupon.id)


def _told(coupon: Coupon) -> dict[str, object]:
    """Return what a coupon says, as the audit trail keeps it; what it leaves open is left out."""
    said = {
        "code": coupon.code,
        "name": coupon.name,
        "percent": None if coupon.percent is None else plain(coupon.percent),
        "amount_minor": coupon.amount_minor,
        "currency": coupon.currency and coupon.currency.value,
        "minimum_minor": coupon.minimum_minor,
        "duration": coupon.duration.value,
        "months": coupon.months,
        "product_codes": coupon.product_codes,
        "metric_codes": coupon.metric_codes,
        "redeem_by": coupon.redeem_by and coupon.redeem_by.isoformat(),
        "max_redemptions": coupon.max_redemptions,
        "max_per_customer": coupon.max_per_customer,
        "is_for_new_customers": coupon.is_for_new_customers,
    }
    return {name: value for name, value in said.items() if value}


def _clean_code(code: str) -> str:
    code = code.strip().upper()
    if not _CODE.fullmatch(code):
        raise InvalidCode("must be 1 to 40 of A–Z, 0–9, - and _", path="code")
    return code


def _reduction(benefit: Benefit) -> dict[str, object]:
    """Return the columns that say how much a coupon gives, and for how long. Raises Invalid."""
    if (benefit.percent is None) == (benefit.amount_minor is None):
        raise InvalidCoupon("give either a percent or an amount", path="percent")
    has_money = benefit.amount_minor is not None or benefit.minimum_minor is not None
    if has_money != (benefit.currency is not None):
        raise InvalidCoupon("is needed with an amount or a minimum, and only then", path="currency")
    if (benefit.duration is Duration.REPEATING) != (benefit.months is not None):
        raise InvalidCoupon("are needed for a repeating coupon, and only then", path="months")
    return {
        "percent": _percent(benefit.percent),
        "amount_minor": _within(benefit.amount_minor, MAX_AMOUNT, path="amount_minor"),
        "currency": benefit.currency,
        "minimum_minor": _within(benefit.minimum_minor, MAX_AMOUNT, path="minimum_minor"),
        "duration": benefit.duration,
        "months": _within(benefit.months, MAX_MONTHS, path="months"),
    }


def _coverage(session: Session, benefit: Benefit) -> dict[str, object]:
    """Return the columns that say what a coupon covers. Raises Invalid."""
    products, metrics = list(benefit.product_codes), list(benefit.metric_codes)
    if len(products) > MAX_CODES or len(metrics) > MAX_CODES:
        raise InvalidCoupon(f"must be at most {MAX_CODES}", path="product_codes")
    known = set(session.scalars(select(Product.code).where(Product.code.in_(products))))
    for code in products:
        if code not in known:
            raise InvalidCoupon(f"there is no product {code}", path="product_codes")
    measured = queries.metrics_by_code(session, metrics)
    for code in metrics:
        if code not in measured:
            raise InvalidCoupon(f"there is no metric {code}", path="metric_codes")
    return {"product_codes": products, "metric_codes": metrics}


def _limits(bounds: Bounds) -> dict[str, object]:
    return {
        "redeem_by": bounds.redeem_by,
        "max_redemptions": _within(bounds.max_redemptions, MAX_COUNT, path="max_redemptions"),
        "max_per_customer": _within(bounds.max_per_customer, MAX_COUNT, path="max_per_customer"),
        "is_for_new_customers": bounds.is_for_new_customers,
    }


def _percent(text: str | None) -> Decimal | None:
    if text is None:
        return None
    if not _PERCENT.fullmatch(text) or not 0 < Decimal(text) <= 100:  # noqa: PLR2004  # all of it
        raise InvalidCoupon("must be above 0, at most 100, with two decimals", path="percent")
    return Decimal(text)


def _within(value: int | None, maximum: int, *, path: str) -> int | None:
    if value is not None and not 1 <= value <= maximum:
        raise InvalidCoupon(f"must be from 1 to {maximum}", path=path)
    return value
