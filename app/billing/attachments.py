"""Coupons of contracts: attached to one, a coupon is used by its invoices from then on.

Attaching takes a place of those the coupon has, so that whoever was told of a discount gets it.
Locks the contract, then the coupon: of two that ask for the last place, one is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import exists, func, select, union
from sqlalchemy.orm import Session

from app.audit.recording import Actor, Change, record
from app.billing.coupon_models import ContractCoupon, CouponRedemption, RedemptionStatus
from app.billing.models import Invoice, InvoiceStatus
from app.core import db
from app.core.errors import Conflict, NotFound
from app.core.ids import Prefix, show
from app.core.periods import local_date
from app.customers.models import Contract
from app.identity import clocks
from app.pricing import coupons
from app.pricing.discounts import Duration, ends_before
from app.pricing.limits import Reached
from app.pricing.models import CatalogStatus, Coupon

MAX_COUPONS = 10
"""How many coupons a contract may have."""


class CouponArchived(Conflict):
    code = "coupon_archived"


class CouponCurrencyMismatch(Conflict):
    code = "coupon_currency_mismatch"


class CouponAttached(Conflict):
    code = "coupon_attached"


class TooManyCoupons(Conflict):
    code = "too_many_coupons"


class ContractInvoiced(Conflict):
    code = "contract_invoiced"


class CouponExpired(Conflict):
    code = "coupon_expired"


class CouponExhausted(Conflict):
    code = "coupon_exhausted"


class CouponCustomerLimit(Conflict):
    code = "coupon_customer_limit"


class CouponForNewCustomers(Conflict):
    code = "coupon_for_new_customers"


_REFUSALS: dict[Reached, tuple[type[Conflict], str]] = {
    Reached.EXPIRED: (CouponExpired, "it could be redeemed up to {redeem_by}"),
    Reached.EXHAUSTED: (CouponExhausted, "it is redeemed as often as it may be"),
    Reached.CUSTOMER_LIMIT: (CouponCustomerLimit, "this customer redeemed it as often as one may"),
    Reached.NOT_NEW: (CouponForNewCustomers, "only customers never billed before may redeem it"),
}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A coupon of a contract: since when, the day it was first used, and when it ends.

    `ends_on` is the first day on which it does not apply any more; None when that is not known
    yet, or never comes.
    """

    coupon: Coupon
    attached_at: datetime
    first_on: date | None

    @property
    def ends_on(self) -> date | None:
        if self.first_on is None or self.coupon.duration is not Duration.REPEATING:
            return None
        return ends_before(self.first_on, self.coupon.months or 0)

    @property
    def is_used_up(self) -> bool:
        """Whether its one invoice has used it."""
        return self.coupon.duration is Duration.ONCE and self.first_on is not None


def attach(
    session: Session, contract_id: int, coupon_id: int, *, actor: Actor, now: datetime
) -> ContractCoupon:
    """Attach a coupon, after those the contract has: its next invoice uses it.

    Raises NotFound, ContractInvoiced, CouponAttached, TooManyCoupons, CouponArchived,
    CouponCurrencyMismatch, CouponExpired, CouponExhausted, CouponCustomerLimit and
    CouponForNewCustomers.
    """
    contract = db.get_locked(session, Contract, contract_id, noun="contract")
    coupon = coupons.lock_coupon(session, coupon_id)
    if contract.open_period is None:
        raise ContractInvoiced("every period of this contract is invoiced")
    held = _rows(session, contract.id)
    if coupon.id in {row.coupon_id for row in held}:
        raise CouponAttached(f"the contract has {coupon.code} already")
    if len(held) >= MAX_COUPONS:
        raise TooManyCoupons(f"a contract has at most {MAX_COUPONS} coupons")
    _refuse_unfit(coupon, contract)
    _refuse_beyond_limits(session, coupon, contract, now=now)
    row = ContractCoupon(
        merchant_id=contract.merchant_id,
        contract_id=contract.id,
        position=held[-1].position + 1 if held else 1,
        coupon_id=coupon.id,
        attached_at=now,
    )
    session.add(row)
    session.flush()  # whoever counts the places of the coupon next has to see it
    change = Change({}, _named(coupon))
    subject = show(Prefix.CONTRACT, contract.id)
    record(session, actor, "contract.coupon_attached", subject=subject, change=change, now=now)
    return row


def detach(
    session: Session, contract_id: int, coupon_id: int, *, actor: Actor, now: datetime
) -> None:
    """Take a coupon off a contract: drafts and later invoices go without it. Raises NotFound."""
    contract = db.get_locked(session, Contract, contract_id, noun="contract")
    found = [row for row in _rows(session, contract.id) if row.coupon_id == coupon_id]
    if not found:
        raise NotFound("the contract has no such coupon")
    session.delete(found[0])
    session.flush()
    change = Change(_named(coupons.get_coupon(session, coupon_id)), {})
    subject = show(Prefix.CONTRACT, contract.id)
    record(session, actor, "contract.coupon_detached", subject=subject, change=change, now=now)


def list_of_contract(session: Session, contract_id: int) -> list[Attachment]:
    """Return the contract's coupons in the order their discounts are taken off."""
    first_on = (
        select(func.min(CouponRedemption.applied_on))
        .where(
            CouponRedemption.merchant_id == ContractCoupon.merchant_id,
            CouponRedemption.coupon_id == ContractCoupon.coupon_id,
            CouponRedemption.contract_id == ContractCoupon.contract_id,
            CouponRedemption.status != RedemptionStatus.RELEASED,
        )
        .scalar_subquery()
    )
    rows = session.execute(
        select(Coupon, ContractCoupon.attached_at, first_on)
        .join(
            ContractCoupon,
            (ContractCoupon.merchant_id == Coupon.merchant_id)
            & (ContractCoupon.coupon_id == Coupon.id),
        )
        .where(ContractCoupon.contract_id == contract_id)
        .order_by(ContractCoupon.position)
    )
    return [Attachment(coupon, attached_at, first) for coupon, attached_at, first in rows]


def contracts_with(session: Session, coupon: Coupon, *, limit: int) -> Sequence[Contract]:
    """Return contracts that have the coupon attached, the newest first."""
    return session.scalars(
        select(Contract)
        .join(
            ContractCoupon,
            (ContractCoupon.merchant_id == Contract.merchant_id)
            & (ContractCoupon.contract_id == Contract.id),
        )
        .where(ContractCoupon.coupon_id == coupon.id)
        .order_by(Contract.id.desc())
        .limit(limit)
    ).all()


def _named(coupon: Coupon) -> dict[str, str]:
    return {"coupon": show(Prefix.COUPON, coupon.id), "code": coupon.code}


def _rows(session: Session, contract_id: int) -> Sequence[ContractCoupon]:
    of_contract = select(ContractCoupon).where(ContractCoupon.contract_id == contract_id)
    return session.scalars(of_contract.order_by(ContractCoupon.position)).all()


def _refuse_unfit(coupon: Coupon, contract: Contract) -> None:
    if coupon.status is CatalogStatus.ARCHIVED:
        raise CouponArchived(f"{coupon.code} is archived")
    if coupon.currency not in {None, contract.currency}:
        raise CouponCurrencyMismatch(
            f"{coupon.code} is in {coupon.currency}, the contract in {contract.currency}"
        )


def _refuse_beyond_limits(
    session: Session, coupon: Coupon, contract: Contract, *, now: datetime
) -> None:
    zone = ZoneInfo(clocks.get_merchant(session).time_zone)
    redeemed, by_customer = _count_holders(session, coupon, contract)
    reached = coupon.limits.reached(
        on=local_date(now, zone),
        redeemed=redeemed,
        by_customer=by_customer,
        is_new_customer=not _was_billed(session, contract.customer_id),
    )
    if reached is not None:
        refusal, why = _REFUSALS[reached]
        raise refusal(f"{coupon.code}: {why.format(redeem_by=coupon.redeem_by)}")


def _count_holders(session: Session, coupon: Coupon, contract: Contract) -> tuple[int, int]:
    """Count the other contracts that have the coupon or redeem it: all, and the customer's."""
    attached = (
        select(Contract.id, Contract.customer_id)
        .join(
            ContractCoupon,
            (ContractCoupon.merchant_id == Contract.merchant_id)
            & (ContractCoupon.contract_id == Contract.id),
        )
        .where(ContractCoupon.coupon_id == coupon.id)
    )
    redeeming = select(CouponRedemption.contract_id, CouponRedemption.customer_id).where(
        CouponRedemption.coupon_id == coupon.id,
        CouponRedemption.status != RedemptionStatus.RELEASED,
    )
    holders = union(attached, redeeming).subquery()
    of_customer = holders.c.customer_id == contract.customer_id
    counted = select(func.count(), func.count().filter(of_customer)).select_from(holders)
    everybody, own = session.execute(counted.where(holders.c.id != contract.id)).one()
    return everybody, own


def _was_billed(session: Session, customer_id: int) -> bool:
    never = InvoiceStatus.DRAFT, InvoiceStatus.VOID
    is_out = Invoice.customer_id == customer_id, Invoice.status.not_in(never)
    return bool(session.scalar(select(exists().where(*is_out).select_from(Invoice))))
