"""Redemptions: which coupons an invoice may use, and how often each was used.

A draft reserves what it uses, finalising counts it, and voiding gives it back. However many
invoices of a contract use a coupon, that is one redemption of it. Who would go over a limit is
decided with the coupon locked: after the contract and the invoice, coupons by their ids.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.billing.coupon_models import (
    REDEMPTION,
    ContractCoupon,
    CouponRedemption,
    RedemptionEvent,
    RedemptionStatus,
)
from app.billing.models import Invoice
from app.core.db import among
from app.core.money import Money
from app.customers.models import Contract
from app.pricing import coupons
from app.pricing.discounts import Duration, applies_on
from app.pricing.models import Coupon


@dataclass(frozen=True, slots=True)
class Count:
    """How many contracts redeem a coupon: of all customers, and of one."""

    redeemed: int
    by_customer: int


def usable(session: Session, contract: Contract, *, on: date) -> list[Coupon]:
    """Return the coupons that an invoice of that day would use, in the order they are attached.

    Nothing is locked: for previews.
    """
    return [
        coupon
        for coupon, first_on in _attached(session, contract, invoice_id=None)
        if _applies(coupon, on, first_on)
        and (first_on is not None or _has_room(session, coupon, contract))
    ]


def usable_by(session: Session, contract: Contract, invoice: Invoice) -> list[Coupon]:
    """Return the coupons that the invoice uses, in the order they are attached.

    Locks those whose number of redemptions is limited and that the contract has not redeemed yet.
    The contract is locked.
    """
    found = [
        (coupon, first_on)
        for coupon, first_on in _attached(session, contract, invoice_id=invoice.id)
        if _applies(coupon, invoice.period_to, first_on)
    ]
    new = [coupon for coupon, first_on in found if first_on is None and coupon.limits.counts]
    full = set()
    for coupon in sorted(new, key=lambda each: each.id):
        coupons.lock_coupon(session, coupon.id)
        if not _has_room(session, coupon, contract):
            full.add(coupon.id)
    return [coupon for coupon, _ in found if coupon.id not in full]


def reserve(
    session: Session, invoice: Invoice, used: Iterable[tuple[Coupon, Money]], *, contract: Contract
) -> None:
    """Reserve the coupons that a draft uses, in this order, with what each takes off.

    What it used before, and does not any more, is released. Zero is no use.
    """
    known = {row.coupon_id: row for row in _of_invoice(session, invoice)}
    for position, (coupon, amount) in enumerate(used, start=1):
        if amount:
            row = known.pop(coupon.id, None) or _new(contract, invoice, coupon.id)
            _move(row, RedemptionEvent.RESERVE)
            row.position, row.amount_minor = position, amount.minor
            session.add(row)
    for row in known.values():
        _move(row, RedemptionEvent.RELEASE)
        row.amount_minor = 0


def count(session: Session, invoice: Invoice) -> None:
    """Count what the invoice, which is finalised, has reserved."""
    for row in _of_invoice(session, invoice):
        if row.status is RedemptionStatus.RESERVED:
            _move(row, RedemptionEvent.COUNT)


def release(session: Session, invoice: Invoice) -> None:
    """Give back what the invoice redeemed, because it is void or thrown away."""
    for row in _of_invoice(session, invoice):
        _move(row, RedemptionEvent.RELEASE)


def move(session: Session, old: Invoice, new: Invoice) -> None:
    """Let the invoice that replaces another one redeem what that one did, from the same day on."""
    for row in _of_invoice(session, old):
        row.invoice_id = new.id


def list_of_invoice(session: Session, invoice: Invoice) -> Sequence[tuple[Coupon, Money]]:
    """Return the coupons that the invoice used, with what each took off."""
    rows = session.execute(
        select(Coupon, CouponRedemption)
        .join(
            CouponRedemption,
            (CouponRedemption.merchant_id == Coupon.merchant_id)
            & (CouponRedemption.coupon_id == Coupon.id),
        )
        .where(CouponRedemption.invoice_id == invoice.id, CouponRedemption.amount_minor > 0)
        .order_by(CouponRedemption.position)
    )
    return [(coupon, row.amount) for coupon, row in rows]


def contracts_redeeming(session: Session, contract_ids: Collection[int]) -> set[int]:
    """Return which of these contracts have coupons, or invoices that redeem or redeemed any."""
    attached = select(ContractCoupon.contract_id).where(
        among(ContractCoupon.contract_id, contract_ids)
    )
    redeemed = select(CouponRedemption.contract_id).where(
        among(CouponRedemption.contract_id, contract_ids)
    )
    return {*session.scalars(attached), *session.scalars(redeemed)}


def redeemed_by_coupon(session: Session, coupon_ids: Collection[int]) -> dict[int, int]:
    """Return how many contracts redeem each of these coupons; none are left out."""
    counted = (
        select(CouponRedemption.coupon_id, func.count(CouponRedemption.contract_id.distinct()))
        .where(CouponRedemption.coupon_id.in_(coupon_ids), _is_live())
        .group_by(CouponRedemption.coupon_id)
    )
    return dict.fromkeys(coupon_ids, 0) | dict(session.execute(counted).all())


def _attached(
    session: Session, contract: Contract, *, invoice_id: int | None
) -> list[tuple[Coupon, date | None]]:
    """Return the contract's coupons, each with the day another invoice of it first used it."""
    attached = session.scalars(
        select(Coupon)
        .join(
            ContractCoupon,
            (ContractCoupon.merchant_id == Coupon.merchant_id)
            & (ContractCoupon.coupon_id == Coupon.id),
        )
        .where(ContractCoupon.contract_id == contract.id)
        .order_by(ContractCoupon.position)
    ).all()
    if not attached:
        return []
    first = dict(
        session.execute(
            select(CouponRedemption.coupon_id, func.min(CouponRedemption.applied_on))
            .where(
                CouponRedemption.coupon_id.in_([coupon.id for coupon in attached]),
                CouponRedemption.contract_id == contract.id,
                CouponRedemption.invoice_id != (invoice_id or 0),
                _is_live(),
            )
            .group_by(CouponRedemption.coupon_id)
        ).all()
    )
    return [(coupon, first.get(coupon.id)) for coupon in attached]


def _applies(coupon: Coupon, on: date, first_on: date | None) -> bool:
    if coupon.duration is Duration.ONCE:
        return first_on is None  # on whichever day: another invoice used it
    return applies_on(coupon.duration, on, first_on=first_on, months=coupon.months)


def _has_room(session: Session, coupon: Coupon, contract: Contract) -> bool:
    """Tell whether one more contract may redeem the coupon; the others are counted."""
    if not coupon.limits.counts:
        return True
    others = _count_others(session, coupon, contract)
    return not coupon.limits.count_reached(redeemed=others.redeemed, by_customer=others.by_customer)


def _count_others(session: Session, coupon: Coupon, contract: Contract) -> Count:
    contract_id = CouponRedemption.contract_id
    of_customer = CouponRedemption.customer_id == contract.customer_id
    counted = select(
        func.count(contract_id.distinct()),
        func.count(contract_id.distinct()).filter(of_customer),
    ).where(CouponRedemption.coupon_id == coupon.id, contract_id != contract.id, _is_live())
    redeemed, by_customer = session.execute(counted).one()
    return Count(redeemed, by_customer)


def _is_live() -> ColumnElement[bool]:
    return CouponRedemption.status != RedemptionStatus.RELEASED


def _of_invoice(session: Session, invoice: Invoice) -> Sequence[CouponRedemption]:
    of_invoice = select(CouponRedemption).where(CouponRedemption.invoice_id == invoice.id)
    return session.scalars(of_invoice.order_by(CouponRedemption.coupon_id)).all()


def _new(contract: Contract, invoice: Invoice, coupon_id: int) -> CouponRedemption:
    return CouponRedemption(
        merchant_id=invoice.merchant_id,
        coupon_id=coupon_id,
        invoice_id=invoice.id,
        contract_id=contract.id,
        customer_id=contract.customer_id,
        status=RedemptionStatus.RESERVED,
        applied_on=invoice.period_to,
        position=1,
        amount_minor=0,
        currency=invoice.currency,
    )


def _move(row: CouponRedemption, event: RedemptionEvent) -> None:
    if not REDEMPTION.is_repeat(row.status, event):
        row.status = REDEMPTION.after(row.status, event)
