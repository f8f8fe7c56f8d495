"""Coupons: what takes something off invoices, and the contracts they are attached to."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

import msgspec

from app.api.operations import Call
from app.api.v1.base import API, Amount, DecimalText, In, Listing, Moment, Out, PageQuery, utc
from app.billing import attachments, redemptions
from app.billing.attachments import Attachment
from app.core.decimals import plain
from app.core.ids import Prefix, read, show
from app.core.money import Currency
from app.customers import queries as customers
from app.identity.models import Scope
from app.pricing import coupons
from app.pricing.coupons import Benefit, Bounds
from app.pricing.discounts import Duration
from app.pricing.models import CatalogStatus, Coupon

TAG = "Coupons"

Codes = Annotated[list[str], msgspec.Meta(max_length=coupons.MAX_CODES)]


class CouponIn(In):
    """A coupon to make: either `percent`, or `amountMinor` with its currency.

    It covers the products and metrics it names by their codes, all when it names none. With
    `minimumMinor`, also in `currency`, it applies to invoices whose lines come to that much before
    coupons. `repeating` is for so many `months` from the first invoice that uses it.
    """

    code: str
    name: str
    percent: str | None = None
    amount_minor: int | None = None
    currency: Currency | None = None
    minimum_minor: int | None = None
    duration: Duration = Duration.ONCE
    months: int | None = None
    product_codes: Codes = msgspec.field(default_factory=list)
    metric_codes: Codes = msgspec.field(default_factory=list)
    redeem_by: date | None = None
    max_redemptions: int | None = None
    max_per_customer: int | None = None
    is_for_new_customers: bool = False


class CouponChange(In):
    """What bills call the coupon; what it gives never changes."""

    name: str


class CouponQuery(PageQuery, kw_only=True):
    status: CatalogStatus | None = None
    q: str = ""


class CouponOut(Out):
    """A coupon. `timesRedeemed` counts the contracts whose invoices or drafts use it.

    `redeemBy` is your last day to attach it to a contract.
    """

    id: str
    code: str
    name: str
    percent: DecimalText | None
    amount: Amount | None
    minimum: Amount | None
    duration: Duration
    months: int | None
    product_codes: list[str]
    metric_codes: list[str]
    redeem_by: date | None
    max_redemptions: int | None
    max_per_customer: int | None
    is_for_new_customers: bool
    times_redeemed: int
    status: CatalogStatus
    created_at: Moment

    @classmethod
    def of(cls, coupon: Coupon, times_redeemed: int) -> "CouponOut":
        return cls(
            id=show(Prefix.COUPON, coupon.id),
            code=coupon.code,
            name=coupon.name,
            percent=None if coupon.percent is None else plain(coupon.percent),
            amount=Amount.of(coupon.amount) if coupon.amount else None,
            minimum=Amount.of(coupon.minimum) if coupon.minimum else None,
            duration=coupon.duration,
            months=coupon.months,
            product_codes=coupon.product_codes,
            metric_codes=coupon.metric_codes,
            redeem_by=coupon.redeem_by,
            max_redemptions=coupon.max_redemptions,
            max_per_customer=coupon.max_per_customer,
            is_for_new_customers=coupon.is_for_new_customers,
            times_redeemed=times_redeemed,
            status=coupon.status,
            created_at=utc(coupon.created_at),
        )


class CouponList(Listing[CouponOut]):
    """A page of coupons, newest first."""


class CouponAttachment(In):
    """The coupon that the invoices of a contract are to use."""

    coupon_id: str


class ContractCouponOut(Out):
    """A coupon of a contract. `firstUsedOn` is the day of the first invoice that used it.

    `endsOn` is the first day on which a repeating coupon that was used does not apply any more.
    """

    coupon_id: str
    code: str
    name: str
    duration: Duration
    attached_at: Moment
    first_used_on: date | None
    ends_on: date | None

    @classmethod
    def of(cls, attachment: Attachment) -> "ContractCouponOut":
        coupon = attachment.coupon
        return cls(
            coupon_id=show(Prefix.COUPON, coupon.id),
            code=coupon.code,
            name=coupon.name,
            duration=coupon.duration,
            attached_at=utc(attachment.attached_at),
            first_used_on=attachment.first_on,
            ends_on=attachment.ends_on,
        )


class ContractCoupons(Out):
    """The coupons of a contract, in the order their discounts are taken off."""

    data: list[ContractCouponOut]


@API.route(
    "POST",
    "/coupons",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=CouponIn,
    returns=CouponOut,
    status=201,
    example={"code": "WELCOME10", "name": "Welcome", "percent": "10", "duration": "once"},
)
def create_coupon(call: Call, body: CouponIn) -> CouponOut:
    """Make a coupon; its code is kept in capitals."""
    coupon = coupons.create_coupon(
        call.session,
        code=body.code,
        name=body.name,
        benefit=Benefit(
            percent=body.percent,
            amount_minor=body.amount_minor,
            currency=body.currency,
            minimum_minor=body.minimum_minor,
            duration=body.duration,
            months=body.months,
            product_codes=body.product_codes,
            metric_codes=body.metric_codes,
        ),
        bounds=Bounds(
            redeem_by=body.redeem_by,
            max_redemptions=body.max_redemptions,
            max_per_customer=body.max_per_customer,
            is_for_new_customers=body.is_for_new_customers,
        ),
        actor=call.actor,
        now=call.now,
    )
    return CouponOut.of(coupon, 0)


@API.route(
    "GET", "/coupons", scope=Scope.CATALOG_READ, tag=TAG, query=CouponQuery, returns=CouponList
)
def list_coupons(call: Call, query: CouponQuery) -> Listing[CouponOut]:
    """List coupons; `q` is a part of the code or the name."""
    page = coupons.list_coupons(call.session, status=query.status, q=query.q, **query.page)
    return CouponList(_shown(call, page.rows), page.next_cursor)


@API.route("GET", "/coupons/<coupon_id>", scope=Scope.CATALOG_READ, tag=TAG, returns=CouponOut)
def get_coupon(call: Call, coupon_id: int) -> CouponOut:
    """Return a coupon."""
    return _one(call, coupons.get_coupon(call.session, coupon_id))


@API.route(
    "PATCH",
    "/coupons/<coupon_id>",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=CouponChange,
    returns=CouponOut,
    example={"name": "Welcome back"},
)
def rename_coupon(call: Call, coupon_id: int, body: CouponChange) -> CouponOut:
    """Change what bills call a coupon."""
    coupon = coupons.rename_coupon(
        call.session, coupon_id, name=body.name, actor=call.actor, now=call.now
    )
    return _one(call, coupon)


@API.route(
    "POST",
    "/coupons/<coupon_id>/archive",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=CouponOut,
)
def archive_coupon(call: Call, coupon_id: int) -> CouponOut:
    """Attach a coupon to no more contracts; those that have it keep it."""
    coupon = coupons.archive_coupon(call.session, coupon_id, actor=call.actor, now=call.now)
    return _one(call, coupon)


@API.route(
    "POST",
    "/coupons/<coupon_id>/restore",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=CouponOut,
)
def restore_coupon(call: Call, coupon_id: int) -> CouponOut:
    """Let a coupon be attached again."""
    coupon = coupons.restore_coupon(call.session, coupon_id, actor=call.actor, now=call.now)
    return _one(call, coupon)


@API.route(
    "GET",
    "/contracts/<contract_id>/coupons",
    scope=Scope.CUSTOMER_READ,
    tag=TAG,
    returns=ContractCoupons,
)
def list_contract_coupons(call: Call, contract_id: int) -> ContractCoupons:
    """List the coupons of a contract."""
    return _of_contract(call, contract_id)


@API.route(
    "POST",
    "/contracts/<contract_id>/coupons",
    scope=Scope.CUSTOMER_WRITE,
    tag=TAG,
    body=CouponAttachment,
    returns=ContractCoupons,
    status=201,
    example={"couponId": "cpn_0123456789abc"},
)
def attach_coupon(call: Call, contract_id: int, body: CouponAttachment) -> ContractCoupons:
    """Let the invoices of a contract use a coupon, after those it has."""
    coupon_id = read(Prefix.COUPON, body.coupon_id)
    attachments.attach(call.session, contract_id, coupon_id, actor=call.actor, now=call.now)
    return _of_contract(call, contract_id)


@API.route(
    "DELETE",
    "/contracts/<contract_id>/coupons/<coupon_id>",
    scope=Scope.CUSTOMER_WRITE,
    tag=TAG,
    returns=ContractCoupons,
)
def detach_coupon(call: Call, contract_id: int, coupon_id: int) -> ContractCoupons:
    """Take a coupon off a contract: drafts and later invoices go without it."""
    attachments.detach(call.session, contract_id, coupon_id, actor=call.actor, now=call.now)
    return _of_contract(call, contract_id)


def _of_contract(call: Call, contract_id: int) -> ContractCoupons:
    contract = customers.get_contract(call.session, contract_id)
    found = attachments.list_of_contract(call.session, contract.id)
    return ContractCoupons([ContractCouponOut.of(each) for each in found])


def _one(call: Call, coupon: Coupon) -> CouponOut:
    (shown,) = _shown(call, [coupon])
    return shown


def _shown(call: Call, rows: Sequence[Coupon]) -> list[CouponOut]:
    counts = redemptions.redeemed_by_coupon(call.session, [row.id for row in rows])
    return [CouponOut.of(row, counts[row.id]) for row in rows]
